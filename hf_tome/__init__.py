"""Token Merging (ToMe) for Hugging Face Transformers: images, videos and audio.

The names are imported when they are first used, so that `hf-tome doctor` runs where transformers cannot be imported.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hf_tome.api import apply_tome, is_merged, merged, remove_tome
    from hf_tome.compiled import compile
    from hf_tome.config import ToMeConfig
    from hf_tome.core.options.matchings import register_matching
    from hf_tome.cuda_graphs import graphed
    from hf_tome.errors import (
        MissingExtraError,
        NotPatchedError,
        ToMeError,
        ToMeTypeError,
        ToMeValueError,
        UnsupportedAttentionError,
        UnsupportedModelError,
    )
    from hf_tome.trace import trace_tome
    from hf_tome.vlm import shorten, shortened

__version__ = "0.1.0"

__all__ = [
    "MissingExtraError",
    "NotPatchedError",
    "ToMeConfig",
    "ToMeError",
    "ToMeTypeError",
    "ToMeValueError",
    "UnsupportedAttentionError",
    "UnsupportedModelError",
    "apply_tome",
    "compile",
    "graphed",
    "is_merged",
    "merged",
    "register_matching",
    "remove_tome",
    "shorten",
    "shortened",
    "trace_tome",
]

_ROOMS = {
    "apply_tome": "api",
    "compile": "compiled",
    "graphed": "cuda_graphs",
    "is_merged": "api",
    "merged": "api",
    "remove_tome": "api",
    "ToMeConfig": "config",
    "register_matching": "core",
    "shorten": "vlm",
    "shortened": "vlm",
    "trace_tome": "trace",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'hf_tome' has no attribute {name!r}")
    return getattr(import_module(f"hf_tome.{_ROOMS.get(name, 'errors')}"), name)
