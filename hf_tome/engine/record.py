"""One layer in one forward.

A layer passes its record to its forward, which gradient checkpointing may run again in the backward: so a recompute
never reads the state of another forward.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from hf_tome.core import MergePlan, ops
from hf_tome.core.options.combine import mean
from hf_tome.engine.decision import decide
from hf_tome.engine.positions import Positions
from hf_tome.engine.settings import Settings
from hf_tome.errors import ToMeValueError, complaint

if TYPE_CHECKING:
    from jaxtyping import Float
    from transformers import PretrainedConfig

    from hf_tome.engine.layer import LayerSite


@dataclass(eq=False)
class LayerRecord:
    """One layer in one forward: what it is told, and what it did.

    Attributes:
        site: the patched layer.
        settings: of its tower.
        r: tokens to merge, already capped; of packed images, in the longest.
        lengths: tokens of each image entering the layer, where several are packed in one sequence; else None.
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
        left: tokens of each packed image leaving the layer.
        log_totals: (batch, 1, 1, groups) what is `log_sizes` to the next layer.
        positions: of its tokens, in families where these must follow them.
        seen: (batch, tokens, channels) what a projection gave, until its attention takes it for the metric.
        offsets: (batch, tokens, channels) of each token from its group's features when it merged, for
            restore="residual".
    """

    site: LayerSite
    settings: Settings
    r: int
    lengths: list[int] | None
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
    left: list[int] | None = None
    log_totals: Float[Tensor, "batch 1 1 groups"] | None = None
    positions: Positions | None = None
    seen: Tensor | None = None
    offsets: Float[Tensor, "batch tokens channels"] | None = None

    def merge(
        self,
        x: Float[Tensor, "batch tokens channels"],
        attended: Float[Tensor, "batch tokens channels"] | None = None,
        norm: nn.Module | None = None,
        *,
        entering: Float[Tensor, "batch tokens channels"],
    ) -> Float[Tensor, "batch groups channels"] | tuple[Tensor, Tensor]:
        """A block's `merge`: the tokens of x, or of x + attended, after the merge; with a norm also what it gives.

        Packed images may have no batch axis.

        Raises:
            UnsupportedModelError: if the layer's attention did not go through transformers' attention interface.
            ToMeValueError: if offsets would lose their gradient.
        """
        if attended is not None and not self._adds(x, attended):
            x, attended = x + attended, None
        if x.ndim == 3:
            return self._normed(x, attended, norm, entering)
        merged = self._normed(x[None], None if attended is None else attended[None], norm, entering[None])
        return merged[0] if isinstance(merged, Tensor) else (merged[0][0], merged[1][0])

    def _normed(
        self, x: Tensor, attended: Tensor | None, norm: nn.Module | None, entering: Tensor
    ) -> Tensor | tuple[Tensor, Tensor]:
        if self.plan is None and (self.r > 0 or self.sizes is not None):
            decide(self, x, entering)
        if self.plan is not None and self.shares is not None and attended is not None and ops.norms(norm, x):
            return ops.merge_norm(x, *self.plan.indices, self.shares, attended, norm)
        x = self._merged(x, attended)
        return x if norm is None else (x, norm(x))

    def _merged(self, x: Tensor, attended: Tensor | None) -> Tensor:
        if self.plan is None or self.shares is None:
            return x if attended is None else x + attended
        if attended is not None:
            return self.plan.merge(x, self.shares, attended)
        merged = self.settings.recipe.combine(self.site.index).merge(self.plan, x, self.sizes, self.shares)
        if self.settings.config.restore == "residual":
            self.offsets = self._offsets(x, merged)
        return merged

    def _offsets(self, x: Tensor, merged: Tensor) -> Float[Tensor, "batch tokens channels"]:
        """The difference of each token from its merged group."""
        if self.grad and not torch.is_grad_enabled():
            rule = 'With restore="residual", gradient checkpointing must be non-reentrant: offsets leave the layer.'
            cure = 'Call model.gradient_checkpointing_enable({"use_reentrant": False}), or leave restore at True.'
            raise ToMeValueError(complaint(rule, "a layer that runs without gradients in a forward with them", cure))
        assert self.plan is not None
        return x - self.plan.unmerge(merged)

    def _adds(self, x: Tensor, attended: Tensor) -> bool:
        """Whether the merge adds the two itself: for a mean, if nothing else reads their sum."""
        if not ops.adds(x, attended):
            return False
        recipe, restore = self.settings.recipe, self.settings.config.restore
        return recipe.metric != "x" and restore != "residual" and recipe.combine(self.site.index).merge is mean
