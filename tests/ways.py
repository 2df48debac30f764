"""The two ways through a layer: in one go, or around its own forward."""

from __future__ import annotations

from torch import nn

from hf_tome.engine.layer import LayerShell


def patched_layers(model: nn.Module) -> list[LayerShell]:
    return [module for module in model.modules() if isinstance(module, LayerShell)]


def forbid_direct(model: nn.Module) -> nn.Module:
    """From now on its layers go the general way."""
    for layer in patched_layers(model):
        layer._tome.direct = None
    return model


def goes_direct(model: nn.Module) -> bool:
    """Whether all its layers would run in one go now."""
    layers = [(layer, layer._tome.direct) for layer in patched_layers(model)]
    return all(
        direct is not None and direct.free_parts(layer, layer._tome_original) is not None for layer, direct in layers
    )  # pyright: ignore
