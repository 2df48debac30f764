"""`import hf_tome.auto`: from then on, `from_pretrained` merges the tokens of models that were saved with merging.

`save_pretrained` writes the settings into `config.json`, but transformers has no hook for what is loaded, so that a
script without this import gets the plain model. It works for all that loads by `from_pretrained`: Auto classes,
pipelines, the base model of an adapter.
"""

from __future__ import annotations

import warnings
from contextlib import suppress
from functools import wraps
from typing import Any

from transformers import PreTrainedModel

from hf_tome.api import apply_tome
from hf_tome.config import ToMeConfig
from hf_tome.errors import UnsupportedModelError

_load = PreTrainedModel.from_pretrained.__func__  # pyright: ignore[reportFunctionMemberAccess]
_wanted: ToMeConfig | None = None


def merge_all(config: ToMeConfig) -> None:
    """From now on, merge every model that is loaded and can be merged, whatever it was saved with."""
    global _wanted
    _wanted = config


@wraps(_load)
def _from_pretrained(cls: type[PreTrainedModel], *args: Any, **kwargs: Any) -> Any:
    loaded = _load(cls, *args, **kwargs)
    model = loaded[0] if isinstance(loaded, tuple) else loaded  # with output_loading_info
    if _wanted is not None:
        with suppress(UnsupportedModelError):
            apply_tome(model, config=_wanted)
    elif getattr(model.config, "tome", None) is not None:
        try:
            apply_tome(model)
        except UnsupportedModelError as error:  # it may need a block, which is not saved
            warnings.warn(f"Loaded without token merging. {error}", stacklevel=2)
    return loaded


PreTrainedModel.from_pretrained = classmethod(_from_pretrained)  # pyright: ignore[reportAttributeAccessIssue]
