"""The form of a family: the names of its parts, and the facts that merging needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn
from transformers import PretrainedConfig

from hf_tome.core import PatchGrid
from hf_tome.errors import UnsupportedModelError, complaint
from hf_tome.families.block import Block


@dataclass(frozen=True)
class Family:
    """One model family of transformers.

    Attributes:
        model_type: as in the model's config.
        modality: "image", "video" or "audio".
        tower: class name of the encoder that holds the layers.
        layers: path of the layer list in the tower.
        layer: class name of a layer. It must be pre-norm.
        block: what its forward runs, in order.
        children: the exact child modules of a layer. Another set means another forward, which may not merge exactly.
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
    block: Block
    children: frozenset[str]
    protected: int
    prop_attn: bool
    grid: Callable[[PretrainedConfig], PatchGrid]
    token_heads: tuple[str, ...]

    def owns(self, module: nn.Module) -> bool:
        """Whether `module` is a tower of this family: transformers' class or a subclass of it."""
        return is_a(module, self.tower)

    def layers_of(self, tower: nn.Module) -> list[nn.Module]:
        """The tower's layers, checked to be of the expected make.

        Raises:
            UnsupportedModelError: if a layer is of another class or has other child modules.
        """
        layers: list[nn.Module] = list(tower.get_submodule(self.layers))  # pyright: ignore
        if len({id(layer) for layer in layers}) < len(layers):
            rule = "Each layer of a tower is a module of its own: merging remembers its place on it."
            got = f"{len(layers)} layers that share modules"
            raise UnsupportedModelError(complaint(rule, got, "Use the plain model."))
        for index, layer in enumerate(layers):
            children = {name for name, _ in layer.named_children()}
            if not is_a(layer, self.layer) or children != self.children:
                rule = f"A layer of {self.tower} is a {self.layer} with the modules {sorted(self.children)}."
                got = f"layer {index} is a {type(layer).__name__} with {sorted(children)}"
                cure = "Layers with another forward cannot be merged exactly: use the plain model."
                raise UnsupportedModelError(complaint(rule, got, cure))
            self._check_parts(layer, index)
        return layers

    def _check_parts(self, layer: nn.Module, index: int) -> None:
        for path in (self.block.attention, self.block.norm2, self.block.mlp_out):  # the general way needs no more
            try:
                layer.get_submodule(path)
            except AttributeError:
                rule = f"A {self.layer} has a module {path!r}."
                cure = "Layers of another make cannot be merged: use the plain model."
                raise UnsupportedModelError(complaint(rule, f"layer {index} has none", cure)) from None


def is_a(module: nn.Module, name: str) -> bool:
    """Whether transformers' class `name` is among the classes of `module`."""
    return any(c.__name__ == name and c.__module__.startswith("transformers.") for c in type(module).__mro__)
