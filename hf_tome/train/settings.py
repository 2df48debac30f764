"""What a model is patched with, read by the calls that users have."""

from __future__ import annotations

from torch import nn

from hf_tome.config import ToMeConfig
from hf_tome.trace import trace_tome


def settings_of(model: nn.Module) -> ToMeConfig:
    """The settings that the patched `model` runs with.

    Raises:
        NotPatchedError: if `apply_tome` was not called on it.
    """
    with trace_tome(model):  # says what is wrong with a model that is not patched, though its config holds settings
        configs = (getattr(module, "config", None) for module in model.modules())
        return ToMeConfig.from_dict(next(saved for config in configs if (saved := getattr(config, "tome", None))))
