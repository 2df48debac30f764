"""Every error that hf_tome raises on purpose. Each message says the rule, what was got, and the cure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class ToMeError(Exception):
    """Base of all errors of hf_tome."""


class ToMeValueError(ToMeError, ValueError):
    """An argument has the right type and a wrong value."""


class ToMeTypeError(ToMeError, TypeError):
    """An argument has the wrong type."""


class UnsupportedModelError(ToMeError, ValueError):
    """No tower of a supported family was found, or what was found cannot be merged exactly."""


class UnsupportedAttentionError(ToMeError, ValueError):
    """The chosen attention implementation cannot carry token sizes."""


class NotPatchedError(ToMeError, ValueError):
    """The call needs a model on which `apply_tome` was called."""


class MissingExtraError(ToMeError, ImportError):
    """The call needs a package that an extra of hf_tome installs."""


@contextmanager
def extra(name: str, use: str) -> Iterator[None]:
    """Inside this block, an import that fails becomes a MissingExtraError: `use` needs the extra `name`."""
    try:
        yield
    except (ImportError, OSError) as error:  # OSError: a shared library that a package loads is missing
        rule = f"To {use}, the extra [{name}] is needed."
        cure = f'Run: pip install "hf_tome[{name}]".'
        raise MissingExtraError(complaint(rule, str(error), cure)) from error


def complaint(rule: str, got: object, cure: str) -> str:
    """The one form of every message: rule, what was got, cure. A str is taken as said; `shown` puts it in quotes."""
    return f"{rule} Got: {_short(got) if isinstance(got, str) else shown(got)}. {cure}"


def shown(value: object) -> str:
    """What a user gave, as Python would write it, shortened to stay readable."""
    try:
        return _short(repr(value))
    except Exception as error:  # a broken __repr__ of the user's object must not hide the real complaint
        return f"an object whose repr fails ({type(error).__name__})"


def _short(text: str) -> str:
    return text if len(text) <= 200 else text[:197] + "..."
