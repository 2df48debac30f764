"""The error where a library of an extra, such as a reader of sounds, is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hf_tome.errors import MissingExtraError, complaint


@contextmanager
def extra(name: str, use: str) -> Iterator[None]:
    """Around the imports of what the extra `name` brings, to `use` it.

    Raises:
        MissingExtraError: if an import inside the block fails.
    """
    try:
        yield
    except (ImportError, OSError) as error:  # OSError: a shared library that a package loads is missing
        rule = f"To {use}, the extra [{name}] is needed."
        cure = f'Run: pip install "hf_tome[{name}]".'
        raise MissingExtraError(complaint(rule, str(error), cure)) from error
