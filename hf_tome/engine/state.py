"""What one forward of one tower remembers: token sizes, and the merges so far.

The state lives in a `threading.local`, never on a module. The tower's hooks open and close it (`engine.tower`), the
layers read it (`engine.layer`). Each layer hands a record of its own to the code that may run again in a backward
(gradient checkpointing), so that a recompute never reads the state of another forward.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from types import FrameType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from hf_tome.config import ToMeConfig
from hf_tome.core import MergePlan, Recipe, Schedule, compose, max_merge, ops, spread
from hf_tome.core.options.combine import mean
from hf_tome.engine.decision import decide
from hf_tome.engine.padding import can_be_read, fitting, hides, sizes_of
from hf_tome.engine.positions import Positions, merged
from hf_tome.errors import ToMeValueError, complaint
from hf_tome.families import Family

if TYPE_CHECKING:
    from jaxtyping import Float
    from transformers import PretrainedConfig

    from hf_tome.engine.layer import LayerSite
    from hf_tome.engine.tower import TowerSite


@dataclass(frozen=True)
class Settings:
    """What a tower merges by. Frozen: a forward keeps the settings that it began with.

    Attributes:
        config: the user's settings.
        family: the tower's.
        layers: how many it has.
        schedule, recipe: what stands behind the config.
        prop_attn: whether log-size is added to the attention: what user, matching or family says, in this order.
    """

    config: ToMeConfig
    family: Family
    layers: int
    schedule: Schedule = field(init=False)
    recipe: Recipe = field(init=False)
    prop_attn: bool = field(init=False)

    def __post_init__(self) -> None:
        recipe = self.config.recipe
        choices = self.config.prop_attn, recipe.matching.prop_attn, self.family.prop_attn
        prop_attn = next(choice for choice in choices if choice is not None)
        vars(self).update(schedule=self.config.schedule, recipe=recipe, prop_attn=prop_attn)

    def r(self, layer: int, tokens: int) -> int:
        """How many of its tokens a layer merges."""
        protected = self.family.protected + self.family.protected_at_end
        wanted = self.schedule.wanted(layer, self.layers, tokens - protected)
        return min(wanted, max_merge(tokens, protected))

    def __reduce__(self) -> tuple[Any, ...]:
        return Settings, (self.config, self.family, self.layers)  # no pickle can find a user's own matching


@dataclass(eq=False)
class LayerRecord:
    """One layer in one forward: what it is told, and what it did.

    Attributes:
        site: the patched layer.
        settings: of its tower.
        r: tokens to merge, already capped.
        config: the tower's config.
        implementation: the attention implementation that it names in this forward.
        sizes: (batch, tokens) float32 entering the layer; None while every size is 1.
        padding: whether some sizes may be 0 (padding).
        grad: whether gradients were on when the forward began.
        log_sizes: (batch, 1, 1, tokens) as an attention mask, where the merge before has written it already.
        metric: (batch, heads, tokens, channels), what its attention has seen of the tokens: keys, queries or values.
        importance: (batch, tokens) by the attention weights, where the matching asks for it.
        plan: the merge, decided at the first run and kept, so that a recompute repeats it exactly.
        shares: (batch, r) share of each joiner in its group.
        totals: (batch, groups) float32 sizes leaving the layer.
        log_totals: (batch, 1, 1, groups) what is `log_sizes` to the next layer.
        positions: of its tokens, in families where these must follow them.
        seen: (batch, tokens, channels) what a projection gave, until its attention takes it for the metric.
        offsets: (batch, tokens, channels) of each token from its group's features when it merged, for
            restore="residual".
    """

    site: LayerSite
    settings: Settings
    r: int
    config: PretrainedConfig
    implementation: str
    sizes: Float[Tensor, "batch tokens"] | None
    padding: bool
    grad: bool
    log_sizes: Float[Tensor, "batch 1 1 tokens"] | None = None
    metric: Float[Tensor, "batch heads tokens channels"] | None = None
    importance: Float[Tensor, "batch tokens"] | None = None
    plan: MergePlan | None = None
    shares: Float[Tensor, "batch r"] | None = None
    totals: Float[Tensor, "batch groups"] | None = None
    log_totals: Float[Tensor, "batch 1 1 groups"] | None = None
    positions: Positions | None = None
    seen: Tensor | None = None
    offsets: Float[Tensor, "batch tokens channels"] | None = None

    def merge(
        self,
        x: Float[Tensor, "batch tokens channels"],
        attended: Float[Tensor, "batch tokens channels"] | None = None,
        *,
        entering: Float[Tensor, "batch tokens channels"],
    ) -> Float[Tensor, "batch groups channels"]:
        """A block's `merge`: the tokens of x, or of x + attended, after the merge.

        Raises:
            UnsupportedModelError: if the layer's attention did not go through transformers' attention interface.
            ToMeValueError: if offsets would lose their gradient.
        """
        if attended is not None and not self._adds(x, attended):
            x, attended = x + attended, None
        return self._merged(x, attended, entering)

    def _merged(self, x: Tensor, attended: Tensor | None, entering: Tensor) -> Tensor:
        if self.plan is None and (self.r > 0 or self.sizes is not None):
            decide(self, x, entering)
        if self.plan is None or self.shares is None:
            return x if attended is None else x + attended
        if attended is not None:
            return self.plan.merge(x, self.shares, attended)
        merged = self.settings.recipe.combine(self.site.index).merge(self.plan, x, self.sizes, self.shares)
        if self.settings.config.restore == "residual":
            self.offsets = self._offsets(x, merged)
        return merged

    def _offsets(self, x: Tensor, merged: Tensor) -> Float[Tensor, "batch tokens channels"]:
        """How far each token is from what its group became."""
        if self.grad and not torch.is_grad_enabled():
            rule = 'With restore="residual", gradient checkpointing must be non-reentrant: offsets leave the layer.'
            cure = 'Call model.gradient_checkpointing_enable({"use_reentrant": False}), or leave restore at True.'
            raise ToMeValueError(complaint(rule, "a layer that runs without gradients in a forward with them", cure))
        assert self.plan is not None
        return x - self.plan.unmerge(merged)

    def _adds(self, x: Tensor, attended: Tensor) -> bool:
        """Whether the merge itself adds the two: a mean can, where nobody else reads their sum."""
        if not ops.adds(x, attended):
            return False
        recipe, restore = self.settings.recipe, self.settings.config.restore
        return recipe.metric != "x" and restore != "residual" and recipe.combine(self.site.index).merge is mean


@dataclass(eq=False)
class Forward:
    """One forward of one tower.

    Attributes:
        site: the patched tower.
        settings: those that it began with.
        config: the tower's.
        implementation: the attention implementation that it names.
        shape: shape of the main input, or () where it was no tensor.
        sizes: (batch, tokens) float32; None while every size is 1.
        padding: whether a mask said which tokens are padding.
        wrapped: whether wrappers stand around the layers, such as those for checkpointing.
        grad: whether gradients were on when it began.
        previous: the forward that was under way in this thread when this one began.
        caller: the Python frame that runs it; None in a compiled forward.
        counts: tokens entering each layer so far.
        plans: the merge of each layer so far; None where it merged nothing.
        offsets: of the tokens in each merge, see `LayerRecord`.
        batch: batch size, known from the first layer on.
        device: where the tokens are.
        log_sizes: as an attention mask, where the last merge has written it.
        positions: of the tokens that are left, in families where these must follow them; None before any merge.
    """

    site: TowerSite
    settings: Settings
    config: PretrainedConfig
    implementation: str
    shape: tuple[int, ...]
    sizes: Float[Tensor, "batch tokens"] | None
    padding: bool
    wrapped: bool
    grad: bool
    previous: Forward | None
    caller: FrameType | None
    counts: list[int] = field(default_factory=list)
    plans: list[MergePlan | None] = field(default_factory=list)
    offsets: list[Tensor | None] = field(default_factory=list)
    batch: int = 0
    device: torch.device | None = None
    log_sizes: Float[Tensor, "batch 1 1 tokens"] | None = None
    positions: Positions | None = None

    def take_mask(self, mask: Any) -> None:
        """A padding mask, as the tower hands it to its first layer, becomes sizes."""
        fact = self.settings.family.mask
        if mask is None or fact is None:
            return
        if hides(mask) or not (isinstance(mask, Tensor) and can_be_read(mask)):
            self.sizes, self.padding = sizes_of(mask, fact), True

    def enter(self, site: LayerSite, hidden_states: Float[Tensor, "batch tokens channels"]) -> LayerRecord:
        """The record for a layer that is about to run on `hidden_states`."""
        self.batch, tokens = hidden_states.shape[:2]
        self.device = hidden_states.device
        self.counts.append(tokens)
        if len(self.counts) == 1 and self.sizes is not None:
            self.sizes = fitting(self.sizes, hidden_states)
        r = self.settings.r(site.index, tokens)
        record = LayerRecord(
            site, self.settings, r, self.config, self.implementation, self.sizes, self.padding, self.grad
        )
        record.log_sizes, record.positions = self.log_sizes, self.positions
        return record

    def leave(self, record: LayerRecord) -> None:
        """Take over what a layer did."""
        self.plans.append(record.plan)
        self.offsets.append(record.offsets)
        if record.plan is not None and record.shares is not None:
            self.sizes, self.log_sizes = record.totals, record.log_totals
            self.positions = merged(record.positions, record.plan, record.shares)

    def restore(self, x: Any, layers: int | None = None) -> Any:
        """Features (batch, n, ...) after the first `layers` layers (default all), back at all original positions.

        Of a tuple, as some layers return it, the first element. With restore="residual" each position gets its own
        offset from its group back: the residual stream carries it on unchanged, whatever later layers add.
        """
        if isinstance(x, tuple):
            return (self.restore(x[0], layers), *x[1:])
        if self.settings.config.restore == "residual":
            for plan, offsets in zip(self.plans[:layers][::-1], self.offsets[:layers][::-1], strict=True):
                x = x if plan is None or offsets is None else plan.unmerge(x) + offsets
            return x
        groups = compose(self.plans[:layers])
        return x if groups is None else spread(x, groups)


class _Now:
    """What is under way in one thread."""

    def __init__(self) -> None:
        self.forward: Forward | None = None
        self.record: LayerRecord | None = None


class _Local(threading.local):
    # `torch.compile` forgets what compiled code sets on a threading.local, but not what it sets on an object there.
    # Made in each thread's __init__: as a class attribute, it could not tell that it changes.
    def __init__(self) -> None:
        self.now = _Now()


LOCAL = _Local()
