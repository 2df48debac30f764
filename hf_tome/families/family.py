"""The form of a family: where its layers are, and the facts that merging needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import transformers
from torch import nn

from hf_tome.core import PatchGrid
from hf_tome.errors import UnsupportedModelError, complaint
from hf_tome.families.blocks import Block
from hf_tome.families.inputs import Inputs
from hf_tome.families.widths import Widths, named_widths


@dataclass(frozen=True)
class Mask:
    """The argument that says which tokens are padding. It becomes token sizes.

    Attributes:
        argument: its name.
        module: path in the tower of the module that gets it; the tower itself by default.
        stays: whether the module gets it all the same, since embeddings or a head inside read it too. Else the module
            gets None.
        ignored: whether the module reads it nowhere: then it does not become sizes either.
        shape: its axes.
        per_pair: whether it may also be (batch, 1, tokens, tokens), as attention adds it: 0 where a token is seen. Its
            rows must be equal, as they are for padding.
        inside: whether the tower makes it of its inputs, and hands it to the layers: it is taken at the first one.
    """

    argument: str = "attention_mask"
    module: str = ""
    stays: bool = False
    ignored: bool = False
    shape: str = "batch, tokens"
    per_pair: bool = False
    inside: bool = False


@dataclass(frozen=True)
class OwnAttention:
    """The parts of an attention that computes by itself, without transformers' attention interface.

    Attributes:
        dropout: name of the module that gets the attention weights, (batch, heads, queries, keys).
        projections: names of those that give queries, keys and values, in this order; one name where one gives all.
    """

    dropout: str
    projections: tuple[str, ...]


@dataclass(frozen=True)
class Refusal:
    """A switch in a family's config with which its layers cannot be merged.

    Attributes:
        switch: name of the config's attribute.
        value: what it must not be; of True and False the truth counts.
        reason: why not.
        cure: what to do.
    """

    switch: str
    value: bool | str
    reason: str
    cure: str = "Use the plain model, or a checkpoint without it."


@dataclass(frozen=True)
class Family:
    """One model family of transformers.

    Attributes:
        model_type: as in the model's config.
        modality: "image", "video" or "audio".
        towers: class names of the encoders that hold the layers.
        layers: path of the layer list in the tower.
        layer: class name of a layer. It must be pre-norm.
        attention: path in a layer of the module that calls transformers' attention interface.
        block: the layer's forward with the merge in it.
        protected: tokens at the front that never merge: class, distillation and register tokens.
        prop_attn: default for proportional attention; off for MAE-trained families (ToMe, section 4.2).
        grid: how patches lie on the main input, the tower's first argument, from the tower's config.
        inputs: random inputs of a tower, from its config and a batch size.
        widths: widths of a layer and of its MLP, from the tower's config.
        token_heads: head classes that read only protected tokens, so that they work on a short sequence.
        whole: classes of towers, or of modules in a tower, that read every token: they need restored ones.
        counted: attributes of the config that say how many more tokens are protected at the front.
        counted_at_end: the same for tokens at the end.
        protected_at_end: tokens at the end that never merge.
        mask: the padding mask; None where the tower takes none.
        collector: path in the tower of the module that collects hidden states; the tower itself by default.
        layerdrop: path of the share of layers that training skips, from the tower; none by default.
        positions: argument of a layer that says where tokens are, so that it must follow them; none by default. Keys
            are turned by it then, so that tokens are compared by their values in place of keys.
        boundaries: argument of a layer that tells images apart, where all stand in one sequence: it says where each
            begins (images + 1,), or is a mask that hides them from each other; none by default. Each merges by itself.
        taps: path in the tower of the modules that read hidden states between its layers, restored.
        own_attention: the parts of an attention that computes by itself; None where it calls transformers' interface.
        messages: tokens that a layer puts behind its own for its attention alone.
        packed: the second argument of a tower, if it packs images of several sizes in one sequence; they are refused.
        since: the first version of transformers known to have these layers.
        refusals: what in a config rules merging out.
        approximation: what is not exact beside the merge itself, and what that costs; empty where nothing is.
        advice: an r that was measured, and what it costs; empty where none was.
    """

    model_type: str
    modality: str
    towers: tuple[str, ...]
    layers: str
    layer: str
    attention: str
    block: Block
    protected: int
    prop_attn: bool
    grid: Callable[[Any], PatchGrid]
    inputs: Callable[[Any, int], Inputs]
    token_heads: tuple[str, ...] = ()
    widths: Widths = named_widths
    whole: tuple[str, ...] = ()
    counted: tuple[str, ...] = ()
    counted_at_end: tuple[str, ...] = ()
    protected_at_end: int = 0
    mask: Mask | None = None
    collector: str = ""
    layerdrop: str = ""
    positions: str = ""
    boundaries: str = ""
    taps: str = ""
    own_attention: OwnAttention | None = None
    messages: int = 0
    packed: str = ""
    since: tuple[int, int] = (5, 10)
    refusals: tuple[Refusal, ...] = ()
    approximation: str = ""
    advice: str = ""

    @property
    def is_too_new(self) -> bool:
        """Whether the installed transformers is older than the layers that are described here."""
        return tuple(map(int, transformers.__version__.split(".")[:2])) < self.since

    def owns(self, module: nn.Module) -> bool:
        """Whether `module` is a tower of this family: transformers' class or a subclass of it."""
        return is_one_of(module, self.towers)

    def of(self, config: Any) -> Family:
        """The family with the numbers of protected tokens that a tower's config asks for."""
        return replace(
            self,
            protected=self.protected + sum(getattr(config, name) for name in self.counted),
            protected_at_end=self.protected_at_end + sum(getattr(config, name) for name in self.counted_at_end),
            counted=(),
            counted_at_end=(),
        )

    def check(self, config: Any) -> None:
        """Refuse a tower whose config rules merging out.

        Raises:
            UnsupportedModelError: with the reason.
        """
        for refusal in self.refusals:
            value = getattr(config, refusal.switch, None)
            if value is not None and (value if isinstance(refusal.value, str) else bool(value)) == refusal.value:
                rule = f"A {self.model_type} model with {refusal.switch}={value} cannot be merged: {refusal.reason}."
                raise UnsupportedModelError(complaint(rule, f"{type(config).__name__} with it", refusal.cure))

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
        layer = next((module for module in item.modules() if is_one_of(module, (self.layer,))), None)
        if layer is None:
            rule = f"A layer of a {self.model_type} encoder is a {self.layer}."
            got = f"layer {index} is a {type(item).__name__}"
            raise UnsupportedModelError(complaint(rule, got, "Layers of another kind cannot be merged exactly."))
        return layer


def is_one_of(module: nn.Module, names: tuple[str, ...]) -> bool:
    """Whether one of transformers' classes of these names is among the classes of `module`."""
    return any(c.__name__ in names and c.__module__.startswith("transformers.") for c in type(module).__mro__)
