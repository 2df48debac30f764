"""Photographs of a model: what apply_tome writes, and whether all of it was taken back."""

from __future__ import annotations

from typing import Any

import torch
from comparison import assert_same
from torch import nn
from torch.nn.utils.parametrize import is_parametrized
from transformers import PretrainedConfig

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
HOOKS += ("_forward_hooks_with_kwargs", "_forward_hooks_always_called", "_forward_pre_hooks_with_kwargs")
HOOKS += ("_state_dict_hooks", "_state_dict_pre_hooks", "_load_state_dict_pre_hooks", "_load_state_dict_post_hooks")


def hooks_of(module: nn.Module) -> dict[str, list[str]]:
    """The hooks of a module by name: their ids count up in the whole process, and say nothing."""
    named = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return {
        kind: [
            getattr(hook, "__qualname__", repr(hook)) if kind in named else ""
            for hook in getattr(module, kind).values()
        ]
        for kind in HOOKS
    }


def photograph(model: nn.Module) -> dict[str, Any]:
    """All that a patch could leave behind: classes, attributes, hooks, configs and the place of each config object."""
    first: dict[int, str] = {}
    picture: dict[str, Any] = {}
    for name, module in model.named_modules():
        config = getattr(module, "config", None)
        config = config if isinstance(config, PretrainedConfig) else None  # Idefics has numbers by that name
        picture[name] = {
            "class": type(module).__name__ if is_parametrized(module) else type(module),  # each of these has its own
            "attributes": sorted(vars(module)),
            "hooks": hooks_of(module),
            "config": config.to_dict() if config is not None else None,
            "config attributes": sorted(vars(config)) if config is not None else None,
            "attention": getattr(config, "_attn_implementation", None),
            "shares config with": first.setdefault(id(config), name),
        }
    return {"modules": picture, "state": list(model.state_dict())}


def assert_untouched(model: nn.Module, plain: nn.Module, inputs: dict[str, Any], **kwargs: Any) -> None:
    assert photograph(model) == photograph(plain)
    with torch.no_grad():
        assert_same(model(**inputs, **kwargs), plain(**inputs, **kwargs))
