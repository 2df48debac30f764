"""What one forward of one tower remembers: token sizes and the merges so far.

The state lives in a `threading.local`, never on a module: it is made when the tower's forward begins and dropped when
it ends. Layers hand a record of their own to the code that may run again in a backward (gradient checkpointing), so
that a recompute never reads the state of another forward.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from hf_tome.config import ToMeConfig
from hf_tome.core import Given, MergePlan, PatchGrid, Recipe, Schedule, compose, max_merge, spread
from hf_tome.core.ops import small
from hf_tome.core.options.combine import Combine
from hf_tome.errors import ToMeValueError, UnsupportedModelError, complaint

if TYPE_CHECKING:
    from jaxtyping import Float
    from transformers import PretrainedConfig


@dataclass(eq=False)
class TowerSite:
    """The settings of one patched tower. Layers and hooks read them at each forward, so a change needs no re-patch.

    Attributes:
        config: the user's settings.
        schedule: the checked form of `config.r`.
        recipe: what stands behind the names of its options.
        prop_attn: whether log-size is added to the attention, the family's default already applied.
        protected: tokens at the front that never merge.
        layers: number of layers.
        mask_position: place of `attention_mask` among the positional arguments of the tower's forward, or None.
        input_name: name of the tower's main input.
        grid: how patches lie on the main input.
        listeners: called with each `Forward` that ends; `trace_tome` adds itself here.
    """

    config: ToMeConfig
    schedule: Schedule
    recipe: Recipe
    prop_attn: bool
    protected: int
    layers: int
    mask_position: int | None
    input_name: str
    grid: PatchGrid
    listeners: list[Callable[[Forward], None]] = field(default_factory=list)

    def __getstate__(self) -> dict[str, Any]:
        # a deepcopy or pickle made inside a `trace_tome` block is not traced, and keeps no trace alive; a matching of
        # the user's may be a function that no pickle can find
        return {**vars(self), "listeners": [], "recipe": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, recipe=state["config"].recipe)


@dataclass(eq=False)
class LayerRecord:
    """One layer in one forward: what it is told, and what it did.

    Attributes:
        r: tokens to merge, already capped.
        layer: its index, from 0.
        layers: how many its tower has.
        protected: tokens at the front that never merge.
        prop_attn: whether log-size is added to the attention.
        recipe: the options of the merge.
        combine: what a group becomes in this layer.
        config: the tower's config.
        implementation: the attention implementation that it names in this forward.
        sizes: (batch, tokens) float32 entering the layer; None while every size is 1.
        padding: whether some sizes may be 0 (padding).
        plan: the merge, decided at the first run and kept, so that a recompute repeats it exactly.
        shares: (batch, r) share of each joiner in its group.
        totals: (batch, groups) float32 sizes leaving the layer.
    """

    r: int
    layer: int
    layers: int
    protected: int
    prop_attn: bool
    recipe: Recipe
    combine: Combine
    config: PretrainedConfig
    implementation: str
    sizes: Float[Tensor, "batch tokens"] | None
    padding: bool
    plan: MergePlan | None = None
    shares: Float[Tensor, "batch r"] | None = None
    totals: Float[Tensor, "batch groups"] | None = None

    def decide(
        self,
        metric: Float[Tensor, "batch tokens channels"],
        attention: Float[Tensor, "batch tokens"] | None = None,
    ) -> None:
        """Match the tokens by `metric`, and the attention that they receive, and keep the plan."""
        sizes = metric.new_ones(metric.shape[:2], dtype=torch.float32) if self.sizes is None else self.sizes
        given = Given(
            metric=metric,
            r=self.r,
            protected=self.protected,
            sizes=sizes,
            padded=sizes == 0 if self.padding else None,
            attention=attention,
            layer=self.layer,
            layers=self.layers,
            distance=self.recipe.distance,
            partition=self.recipe.partition,
            seed=self.recipe.seed,
        )
        self.plan = self.recipe.matching(given)
        if self.plan is not None:
            self.totals, self.shares = self.combine.share(self.plan, sizes)

    def decide_at_once(self, keys: Float[Tensor, "batch heads tokens channels"]) -> bool:
        """The same by the keys themselves, where options and input are such that a compiled loop can; else False."""
        tokens = keys.shape[2]
        r = min(self.r, max_merge(tokens, self.protected))  # a hook of the user's may have dropped tokens
        fitting = self.sizes is None or self.sizes.shape == (len(keys), tokens)
        if r == 0 or not fitting or not self.recipe.paper or not small.fits_keys(keys):
            return False
        plan = small.decide(keys, self.sizes, self.padding, r, self.protected)
        self.plan, (self.totals, self.shares) = MergePlan(*plan[:3]), plan[3:]
        return True

    def merge(self, x: Float[Tensor, "batch tokens features"]) -> Float[Tensor, "batch groups features"]:
        """Features of this layer's tokens, merged; unchanged where nothing merges."""
        if self.plan is None or self.shares is None:
            return x
        return self.combine.merge(self.plan, x, self.sizes, self.shares)

    def mean(self, x: Float[Tensor, "batch tokens features"]) -> Float[Tensor, "batch groups features"]:
        """The mean of each group, whatever groups are combined to."""
        return x if self.plan is None or self.shares is None else self.plan.merge(x, self.shares)


@dataclass(eq=False)
class Frame:
    """The layer that runs now in this thread.

    Attributes:
        record: what it is told.
        entering: its input.
        metric: the keys that its attention has seen, with their heads averaged; or queries or values.
        attention: the attention that each token receives, where the matching asks for it.
        before: the residual before the merge, where that combines tokens in another way than by a mean.
    """

    record: LayerRecord
    entering: Float[Tensor, "batch tokens channels"]
    metric: Float[Tensor, "batch tokens channels"] | None = None
    attention: Float[Tensor, "batch tokens"] | None = None
    before: Float[Tensor, "batch tokens channels"] | None = None

    def decide(self, x: Float[Tensor, "batch tokens channels"]) -> None:
        """Decide the merge by what the attention has seen, or by x, its tokens after the residual."""
        if self.record.plan is not None:
            return
        if self.metric is None:
            rule = "The keys of a layer must pass through transformers' attention interface before its second norm."
            raise UnsupportedModelError(complaint(rule, "an attention that computes by itself", "Use the plain model."))
        by = {"x": x, "x_pre": self.entering}.get(self.record.recipe.metric)
        self.record.decide(self.metric if by is None else by.detach(), self.attention)
        self.metric = self.attention = None


@dataclass(eq=False)
class Forward:
    """One forward of one tower.

    Attributes:
        site: the tower's settings.
        config: the tower's.
        implementation: the attention implementation that it names.
        shape: shape of the main input, or () where it was no tensor.
        sizes: (batch, tokens) float32; None while every size is 1.
        padding: whether an attention mask came in.
        counts: tokens entering each layer so far, and leaving the last.
        plans: the merge of each layer so far; None where it merged nothing.
        batch: batch size, known from the first layer on.
        previous: the forward that was under way in this thread when this one began.
    """

    site: TowerSite
    config: PretrainedConfig
    implementation: str
    shape: tuple[int, ...]
    sizes: Float[Tensor, "batch tokens"] | None
    padding: bool
    previous: Forward | None
    counts: list[int] = field(default_factory=list)
    plans: list[MergePlan | None] = field(default_factory=list)
    batch: int = 0
    device: torch.device | None = None

    def enter(self, layer: int, hidden_states: Float[Tensor, "batch tokens channels"]) -> LayerRecord:
        """The record for a layer that is about to run on `hidden_states`."""
        self.batch, tokens = hidden_states.shape[:2]
        self.device = hidden_states.device
        self.counts.append(tokens)
        site = self.site
        if layer == 0 and self.sizes is not None:
            self.sizes = _fitting(self.sizes, hidden_states)
        wanted = site.schedule.wanted(layer, site.layers, tokens - site.protected)
        r = min(wanted, max_merge(tokens, site.protected))
        told = layer, site.layers, site.protected, site.prop_attn, site.recipe, site.recipe.combine(layer)
        return LayerRecord(r, *told, self.config, self.implementation, self.sizes, self.padding)

    def leave(self, record: LayerRecord) -> None:
        """Take over what a layer did."""
        self.plans.append(record.plan)
        if record.plan is not None:
            self.sizes = record.totals

    def restore(self, x: Tensor, layers: int | None = None) -> Tensor:
        """Features (batch, n, ...) after the first `layers` layers (default all), back at all original positions."""
        groups = compose(self.plans[:layers])
        return x if groups is None else spread(x, groups)


def _fitting(sizes: Tensor, hidden_states: Tensor) -> Tensor:
    """The sizes on the device of the tokens that they belong to."""
    if sizes.shape != hidden_states.shape[:2]:
        rule = f"attention_mask is (batch, tokens) = {tuple(hidden_states.shape[:2])}, special tokens included."
        raise ToMeValueError(complaint(rule, f"shape {tuple(sizes.shape)}", "Give one entry to each token."))
    return sizes.to(hidden_states.device)


class _Now:
    """What is under way in one thread."""

    def __init__(self) -> None:
        self.forward: Forward | None = None
        self.frame: Frame | None = None


class _Local(threading.local):
    # `torch.compile` forgets what compiled code sets on a threading.local, but not what it sets on an object there.
    # Made in each thread's __init__: as a class attribute, it could not tell that it changes.
    def __init__(self) -> None:
        self.now = _Now()


LOCAL = _Local()
