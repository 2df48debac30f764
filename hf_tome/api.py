"""The calls that most users need: `apply_tome`, `remove_tome`, `merged` and `is_merged`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from torch import nn

from hf_tome.config import ToMeConfig
from hf_tome.engine import patch
from hf_tome.errors import ToMeTypeError, ToMeValueError, complaint, shown
from hf_tome.families import Block

Model = TypeVar("Model")


def apply_tome(
    model: Model,
    r: Any = None,
    *,
    config: ToMeConfig | None = None,
    block: Block | None = None,
    **settings: Any,
) -> Model:
    """Merge tokens in every layer of `model`, in place, until `remove_tome`.

    Between attention and MLP, each layer merges its most similar tokens (ToMe, arXiv 2210.09461). Called again, it
    re-configures: nothing stacks, and a change of r is cheap. A call that fails leaves the model as it was; every error
    is a `ToMeError`.

    Args:
        model: a transformers model of a supported family, any module that holds one, or a pipeline around one.
        r: tokens to merge in each layer.
            int: the same number everywhere (the paper's r). Capped at half of the mergeable tokens.
            float in (0, 1): that share of the layer's mergeable tokens, for inputs of varying size.
            (int, float): r and inflection in [-1, 1]: linear from 2r to 0 (-1), constant (0), from 0 to 2r (+1).
            list of ints: one per layer; a short list is padded with 0.
            "auto": chosen by `hf_tome.tune.tune`, for `calibration=inputs` and one of `target_speedup=2.0`,
            `max_kl=0.01`, `max_drop=0.5`. What it chose is a list, and that is saved.
            Left out: what `model.config.tome` holds, as `save_pretrained` wrote it.
        config: all settings at once, in place of `r` and `settings`.
        block: for layers with a forward of your own: that forward as a function `block(layer, x, *, merge, **kwargs)`,
            with `x = merge(x)` between attention and MLP; `kwargs` are the forward's other arguments, by their names.
            It is not saved.
        **settings: any field of `ToMeConfig`: `prop_attn`, `restore`, and the options of the merge. With r="auto", any
            argument of `tune` too.

    Returns:
        The same model or pipeline. Its settings also stand in `model.config.tome`, as plain JSON.

    Raises:
        ToMeTypeError, ToMeValueError: if a setting is wrong.
        UnsupportedModelError: if `model` holds no tower of a supported family.
        UnsupportedAttentionError: if the attention implementation cannot carry token sizes.
    """
    module = module_of(model)
    wanted = _settings(module, r, config, settings)
    patch.check(module, wanted, block)
    patch.write(module, wanted, block)
    return model


def remove_tome(model: Model) -> Model:
    """Make `model` exactly as it was before `apply_tome`: classes, hooks, attributes, attention, outputs.

    A model that is not patched is left as it is.

    Returns:
        The same model or pipeline.

    Raises:
        ToMeTypeError: if `model` is neither a torch module nor a pipeline.
        UnsupportedModelError: if accelerate's hooks came onto its layers since.
    """
    patch.erase(module_of(model))
    return model


def is_merged(model: Any) -> bool:
    """Whether `apply_tome` was called on `model`, or on a part of it.

    Raises:
        ToMeTypeError: if `model` is neither a torch module nor a pipeline.
    """
    return bool(patch.sites_in(module_of(model)))


@contextmanager
def merged(model: Model, r: Any = None, **settings: Any) -> Iterator[Model]:
    """Merge tokens inside a `with` block; after it the model is as it was before, whatever happens.

        with merged(model, r=16):
            model(**inputs)

    The arguments and errors are those of `apply_tome`. A model that merged before merges by its earlier settings again.
    """
    module = module_of(model)
    towers = [tower for tower, _ in patch.towers_of(module)]
    configs = [site and site.settings.config for site in map(patch.site_of, towers)]
    apply_tome(model, r, **settings)
    try:
        yield model
    finally:
        for tower, config in zip(towers, configs, strict=True):
            if config is None:
                patch.erase(tower)
            else:
                patch.write(module, config, only=tower)


def module_of(model: Any) -> nn.Module:
    """The torch module that `model` is, or that stands in it as `model.model`, as in a pipeline.

    Raises:
        ToMeTypeError: if there is none.
    """
    module = model if isinstance(model, nn.Module) else getattr(model, "model", None)
    if not isinstance(module, nn.Module):
        rule = "A model is a torch module, or a pipeline that holds one."
        raise ToMeTypeError(complaint(rule, type(model).__name__, "Pass a model that from_pretrained gave."))
    return module


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
        from hf_tome.tune import tune  # it stands above this module, and tries schedules through it

        return tune(model, **settings).config
    if r is not None:
        return ToMeConfig.from_dict({**settings, "r": r})
    tower, _ = patch.towers_of(model)[0]
    saved = getattr(patch.config_holder(model, tower).config, "tome", None)
    if saved is None:
        rule = "apply_tome needs r: the model's config holds no settings of an earlier call."
        raise ToMeValueError(complaint(rule, "no r", "For example apply_tome(model, r=16)."))
    return ToMeConfig.from_dict(saved).replace(**settings)
