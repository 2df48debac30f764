"""Which tokens of a layer merge, by the matching of the settings."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from hf_tome.core import Candidates, MergePlan, max_merge, ops
from hf_tome.engine.packing import decide_each
from hf_tome.errors import UnsupportedModelError, complaint

if TYPE_CHECKING:
    from jaxtyping import Float

    from hf_tome.engine.record import LayerRecord


def decide(
    record: LayerRecord, x: Float[Tensor, "batch tokens channels"], entering: Float[Tensor, "batch tokens channels"]
) -> None:
    """Write plan, shares and totals on a layer's record.

    Args:
        record: of a layer that has attended, and has not merged yet.
        x: its tokens after the attention's residual.
        entering: its input.

    Raises:
        UnsupportedModelError: if its attention did not go through transformers' attention interface.
    """
    metric, record.metric = record.metric, None
    if metric is None:
        rule = "The keys of a layer pass through transformers' attention interface, on the attention that was patched."
        cure = "Call apply_tome again where the attention was replaced, else use the plain model."
        raise UnsupportedModelError(complaint(rule, "another attention", cure))
    recipe, family = record.settings.recipe, record.settings.family
    if recipe.metric in ("x", "x_pre"):
        metric = (x if recipe.metric == "x" else entering).detach()[:, None]
    elif family.messages:
        metric = metric[:, :, : -family.messages]
    metric = _heads(metric, recipe.heads)
    if record.lengths is not None:
        if record.r > 0:
            decide_each(record, metric, _match)
        return
    tokens = metric.shape[2] - family.protected_at_end  # those that may merge, and the protected ones in front
    r = min(record.r, max_merge(tokens, family.protected))  # a user's hook may have dropped tokens
    if r == 0:
        return
    sizes = None if record.sizes is None else record.sizes[:, :tokens]
    _match(record, metric[:, :, :tokens], sizes, r)
    if family.protected_at_end and record.plan is not None and record.totals is not None:
        last = torch.arange(tokens, metric.shape[2], device=metric.device).expand(metric.shape[0], -1)
        record.plan = replace(record.plan, leaders=torch.cat([record.plan.leaders, last], dim=1))
        last_sizes = torch.ones_like(last, dtype=torch.float32) if record.sizes is None else record.sizes[:, tokens:]
        record.totals, record.log_totals = torch.cat([record.totals, last_sizes], dim=1), None


def _match(
    record: LayerRecord, metric: Float[Tensor, "batch heads tokens channels"], sizes: Tensor | None, r: int
) -> None:
    """Decide the merge of tokens of which only some at the front are protected."""
    recipe, protected = record.settings.recipe, record.settings.family.protected
    if recipe.paper:
        decided = ops.decide(metric, sizes, record.forward.padding, r, protected)
        record.plan, (record.totals, record.shares, record.log_totals) = MergePlan(*decided[:3]), decided[3:]
        return
    metric = metric.mean(dim=1)
    if sizes is None:
        sizes = metric.new_ones(metric.shape[:2], dtype=torch.float32)
    candidates = Candidates(
        metric=metric,
        r=r,
        protected=protected,
        sizes=sizes,
        padded=sizes == 0 if record.forward.padding else None,
        attention=None if record.importance is None else record.importance[:, : metric.shape[1]],
        layer=record.site.index,
        layers=record.settings.layers,
        distance=recipe.distance,
        partition=recipe.partition,
        seed=recipe.seed,
    )
    record.importance = None
    record.plan = recipe.matching.plan(candidates)
    if record.plan is not None:
        record.totals, record.shares = recipe.combine(record.site.index).share(record.plan, sizes)


def _heads(metric: Float[Tensor, "batch heads tokens channels"], heads: str) -> Tensor:
    """The metric with all heads concatenated into one for "concat"; for "mean" the matching takes the mean."""
    return metric.transpose(1, 2).flatten(2)[:, None] if heads == "concat" else metric
