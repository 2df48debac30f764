"""The two calls that most users need: `apply_tome` and `remove_tome`."""

from __future__ import annotations

from typing import Any, TypeVar

from torch import nn

from hf_tome.config import ToMeConfig
from hf_tome.engine import patch
from hf_tome.errors import ToMeTypeError, ToMeValueError, complaint, shown

Model = TypeVar("Model", bound=nn.Module)


def apply_tome(model: Model, r: Any = None, *, config: ToMeConfig | None = None, **settings: Any) -> Model:
    """Merge tokens in every layer of `model`, in place, until `remove_tome`.

    Between attention and MLP, each layer merges its most similar tokens (ToMe, arXiv 2210.09461). Called again, it
    re-configures: nothing stacks, and a change of r is cheap. A call that fails leaves the model as it was; every error
    is a `ToMeError`.

    Args:
        model: a transformers model of a supported family, or any module that holds one.
        r: tokens to merge in each layer.
            int: the same number everywhere (the paper's r). Capped at half of the mergeable tokens.
            float in (0, 1): that share of the layer's mergeable tokens, for inputs of varying size.
            (int, float): r and inflection in [-1, 1]: linear from 2r to 0 (-1), constant (0), from 0 to 2r (+1).
            list of ints: one per layer; a short list is padded with 0.
            "auto": chosen by `hf_tome.tune.tune`, for `calibration=inputs` and one of `target_speedup=2.0`,
            `max_kl=0.01`, `max_drop=0.5`. What it chose is a list, and that is saved.
            Left out: what `model.config.tome` holds, as `save_pretrained` wrote it.
        config: all settings at once, in place of `r` and `settings`.
        **settings: any field of `ToMeConfig`: `prop_attn`, `restore`, and the options of the merge. With r="auto", any
            argument of `tune` too.

    Returns:
        The same model. Its settings also stand in `model.config.tome`, as plain JSON.

    Raises:
        ToMeTypeError, ToMeValueError: if a setting is wrong.
        UnsupportedModelError: if `model` holds no tower of a supported family.
        UnsupportedAttentionError: if the attention implementation cannot carry token sizes.
    """
    if not isinstance(model, nn.Module):
        rule = "apply_tome takes a torch module."
        raise ToMeTypeError(complaint(rule, type(model).__name__, "For a pipeline, pass pipe.model."))
    wanted = _settings(model, r, config, settings)
    patch.check(model, wanted)
    patch.write(model, wanted)
    return model


def remove_tome(model: Model) -> Model:
    """Make `model` exactly as it was before `apply_tome`: classes, hooks, attributes, attention, outputs.

    A model that is not patched is left as it is.

    Returns:
        The same model.

    Raises:
        ToMeTypeError: if `model` is no torch module.
    """
    if not isinstance(model, nn.Module):
        raise ToMeTypeError(complaint("remove_tome takes a torch module.", type(model).__name__, "Pass the model."))
    patch.erase(model)
    return model


def _settings(model: nn.Module, r: Any, config: ToMeConfig | None, settings: dict[str, Any]) -> ToMeConfig:
    """The one ToMeConfig that a call asks for."""
    if config is not None:
        if not isinstance(config, ToMeConfig):
            cure = "Build one with ToMeConfig(r=16), or pass r=16."
            raise ToMeTypeError(complaint("config is a ToMeConfig.", shown(config), cure))
        if r is not None or settings:
            cure = "Use config.replace(...) to change one, or leave config out."
            got = ", ".join([*(["r"] if r is not None else []), *settings])
            raise ToMeValueError(complaint("config holds all settings, so no other may stand beside it.", got, cure))
        return config
    if isinstance(r, str) and r == "auto":
        if "calibration" not in settings:
            cure = "For example apply_tome(model, r='auto', target_speedup=2.0, calibration=inputs)."
            rule = "r='auto' needs calibration inputs, on which it tries schedules."
            raise ToMeValueError(complaint(rule, ", ".join(settings) or "none", cure))
        from hf_tome.tune import tune

        return tune(model, **settings).config
    if r is not None:
        return ToMeConfig.from_dict({**settings, "r": r})
    tower, _ = patch.towers_of(model)[0]
    saved = getattr(patch.config_holder(model, tower).config, "tome", None)
    if saved is None:
        rule = "apply_tome needs r: the model's config holds no settings of an earlier call."
        raise ToMeValueError(complaint(rule, "no r", "For example apply_tome(model, r=16)."))
    return ToMeConfig.from_dict(saved).replace(**settings)
