"""The settings as they stand in a model's config, which `save_pretrained` writes."""

from __future__ import annotations

from typing import Any

from transformers import PretrainedConfig

from hf_tome.config import ToMeConfig


class MISSING:
    """Stands for "there was no config.tome before". A class stays the same object in copies and pickles."""


class WrittenSettings(dict):
    """What `write` puts into `config.tome`.

    Attributes:
        earlier: what was there before, for a second model with the same config object.
    """

    earlier: Any = MISSING


def earlier_of(holder: PretrainedConfig) -> Any:
    """What a config held before any `write`, or MISSING."""
    found = getattr(holder, "tome", MISSING)
    return found.earlier if isinstance(found, WrittenSettings) else found


def written(config: ToMeConfig, earlier: Any) -> WrittenSettings:
    """The settings in the form that goes into `config.tome`."""
    settings = WrittenSettings(config.to_dict())
    settings.earlier = earlier
    return settings
