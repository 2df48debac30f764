"""The form of a family: where its layers are, and the facts that merging needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn
from transformers import PretrainedConfig

from hf_tome.core import PatchGrid
from hf_tome.errors import UnsupportedModelError, complaint
from hf_tome.families.blocks import Block


@dataclass(frozen=True)
class Family:
    """One model family of transformers.

    Attributes:
        model_type: as in the model's config.
        modality: "image", "video" or "audio".
        tower: class name of the encoder that holds the layers.
        layers: path of the layer list in the tower.
        layer: class name of a layer. It must be pre-norm.
        attention: path in a layer of the module that calls transformers' attention interface.
        block: the layer's forward with the merge in it.
        protected: tokens at the front that never merge: class, distillation and register tokens.
        prop_attn: default for proportional attention; off for MAE-trained families (ToMe, section 4.2).
        grid: how patches lie on the main input, from the tower's config.
        token_heads: head classes that read only protected tokens, so that they work on a short sequence.
    """

    model_type: str
    modality: str
    tower: str
    layers: str
    layer: str
    attention: str
    block: Block
    protected: int
    prop_attn: bool
    grid: Callable[[PretrainedConfig], PatchGrid]
    token_heads: tuple[str, ...]

    def owns(self, module: nn.Module) -> bool:
        """Whether `module` is a tower of this family: transformers' class or a subclass of it."""
        return _is_a(module, self.tower)

    def layers_of(self, tower: nn.Module) -> list[nn.Module]:
        """The tower's layers in order. Wrappers around them, such as those for checkpointing, are looked through.

        Raises:
            UnsupportedModelError: if one is no layer of the family, or two are the same module.
        """
        layers = [self._layer_in(item, index) for index, item in enumerate(tower.get_submodule(self.layers).children())]
        if len({id(layer) for layer in layers}) < len(tower.get_submodule(self.layers)):  # pyright: ignore
            rule = "Each layer of a tower is a module of its own: merging remembers its place on it."
            raise UnsupportedModelError(complaint(rule, "layers that share modules", "Use the plain model."))
        return layers

    def _layer_in(self, item: nn.Module, index: int) -> nn.Module:
        layer = next((module for module in item.modules() if _is_a(module, self.layer)), None)
        if layer is None:
            rule = f"A layer of {self.tower} is a {self.layer}."
            got = f"layer {index} is a {type(item).__name__}"
            raise UnsupportedModelError(complaint(rule, got, "Layers of another kind cannot be merged exactly."))
        return layer


def _is_a(module: nn.Module, name: str) -> bool:
    """Whether transformers' class `name` is among the classes of `module`."""
    return any(c.__name__ == name and c.__module__.startswith("transformers.") for c in type(module).__mro__)
