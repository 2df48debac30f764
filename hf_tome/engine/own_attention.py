"""Proportional attention for modules that do not use transformers' attention interface.

Such a module passes its attention weights to a dropout module. A pre-hook there multiplies each weight by the size of
its key and divides by the sum, which is softmax(scores + log(size)). Hooks on the projections take the keys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from hf_tome.engine.attention import log_sizes
from hf_tome.engine.record import LayerRecord
from hf_tome.engine.state import LOCAL
from hf_tome.errors import UnsupportedModelError, complaint
from hf_tome.families import Family, OwnAttention

if TYPE_CHECKING:
    from jaxtyping import Float


def check_parts(attention: nn.Module, family: Family, own: OwnAttention) -> None:
    """Refuse an attention that is not the family's own, or has other parts.

    Raises:
        UnsupportedModelError: with the reason.
    """
    home = type(attention).forward.__globals__["__name__"]
    parts = {name for name, _ in attention.named_children()}
    if not home.startswith("transformers.") or not {own.dropout, *own.projections} <= parts:
        rule = f"The attention of a {family.layer} is transformers' own, with {own.dropout} and {own.projections}."
        raise UnsupportedModelError(complaint(rule, type(attention).__name__, "Use the plain model."))


def keep_projected(projection: nn.Module, args: Any, output: Tensor) -> None:
    """Hook behind a projection: keep its output for the metric, if it is the one that the settings name."""
    record, own = LOCAL.now.record, _own()
    if record is None or own is None or record.plan is not None:
        return
    wanted = own.projections[0 if len(own.projections) == 1 else _place(record)]
    if record.site.attention.get_submodule(wanted) is projection:
        record.projected = output


def weigh_by_sizes(dropout: nn.Module, args: tuple[Any, ...]) -> tuple[Tensor] | None:
    """Pre-hook of the dropout: attention weights (batch, heads, queries, keys), weighted by the sizes of the keys."""
    record, own = LOCAL.now.record, _own()
    if record is None or own is None or record.site.attention.get_submodule(own.dropout) is not dropout:
        return None
    weights: Tensor = args[0]
    bias = log_sizes(record)
    if bias is not None:
        weights = weights * bias.exp().to(weights.dtype)[:, None, None]
        weights = weights / weights.sum(dim=-1, keepdim=True)
    if record.projected is not None:
        record.metric, record.projected = _heads(record, own, record.projected, weights.shape[1]).detach(), None
        matching = record.settings.recipe.matching
        if record.r > 0 and matching.attention is not None:
            record.importance = matching.attention(weights.detach(), record.settings.family.protected)
    return (weights,)


def _own() -> OwnAttention | None:
    record = LOCAL.now.record
    return None if record is None else record.settings.family.own_attention


def _place(record: LayerRecord) -> int:
    """The index of the metric among queries, keys and values; the default is keys."""
    return {"q": 0, "v": 2}.get(record.settings.recipe.metric, 1)


def _heads(
    record: LayerRecord, own: OwnAttention, projected: Float[Tensor, "batch tokens width"], heads: int
) -> Float[Tensor, "batch heads tokens channels"]:
    if len(own.projections) == 1:  # queries, keys and values side by side
        projected = projected.chunk(3, dim=-1)[_place(record)]
    return projected.unflatten(-1, (heads, -1)).transpose(1, 2)
