"""The state of one forward of one tower: token sizes, and the merges so far.

It lives in a `threading.local`, never on a module. The tower's hooks open and close it (`engine.tower`). Each layer
gets a record of its own from it (`engine.record`).
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from types import FrameType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from hf_tome.core import MergePlan, compose, spread
from hf_tome.engine.exports import check_length
from hf_tome.engine.padding import can_be_read, fitting, hides, sizes_of
from hf_tome.engine.positions import Positions, merged
from hf_tome.engine.premerge import premerge
from hf_tome.engine.record import LayerRecord
from hf_tome.engine.settings import Settings

if TYPE_CHECKING:
    from jaxtyping import Float
    from transformers import PretrainedConfig

    from hf_tome.engine.layer import LayerSite
    from hf_tome.engine.tower import TowerSite


@dataclass(eq=False)
class Forward:
    """One forward of one tower.

    Attributes:
        site: the patched tower.
        settings: what it merges by. They stay, whatever `apply_tome` changes meanwhile.
        config: the tower's.
        implementation: the attention implementation that it names.
        shape: shape of the main input, or () where it was no tensor.
        wrapped: whether wrappers stand around the layers, such as those for checkpointing.
        grad: whether gradients were on when it began.
        previous: the forward that was running in this thread when this one began.
        caller: the Python frame that runs it; None in a compiled forward.
        sizes: (batch, tokens) float32; None while every size is 1.
        padding: whether a mask said which tokens are padding, so that a size may be 0.
        table: the positions that were added to its embedded tokens, where some merge before the first layer.
        counts: tokens entering each layer so far.
        plans: the merge of each layer so far, that of the first with what merged before it; None where nothing did.
        lengths: tokens that are left of each image, where several are packed in one sequence; else None.
        offsets: of the tokens in each merge, see `LayerRecord`.
        batch: batch size, known from the first layer on.
        device: where the tokens are.
        log_sizes: as an attention mask, where the last merge has computed it.
        positions: of the tokens that are left, in families where these must follow them; None before any merge.
        premerged: tokens that merged before the first layer.
        embedded: (batch, n, channels) all tokens as they were before that; None where none merged.
    """

    site: TowerSite
    settings: Settings
    config: PretrainedConfig
    implementation: str
    shape: tuple[int, ...]
    wrapped: bool
    grad: bool
    previous: Forward | None
    caller: FrameType | None
    table: Tensor | None
    sizes: Float[Tensor, "batch tokens"] | None = None
    padding: bool = False
    counts: list[int] = field(default_factory=list)
    plans: list[MergePlan | None] = field(default_factory=list)
    lengths: list[int] | None = None
    offsets: list[Tensor | None] = field(default_factory=list)
    batch: int = 0
    device: torch.device | None = None
    log_sizes: Float[Tensor, "batch 1 1 tokens"] | None = None
    positions: Positions | None = None
    premerged: int = 0
    embedded: Float[Tensor, "batch tokens channels"] | None = None

    def take_mask(self, mask: Any) -> None:
        """Turn a padding mask into sizes, as the tower passes it to its first layer."""
        about = self.settings.family.mask
        if mask is None or about is None:
            return
        if hides(mask) or not (isinstance(mask, Tensor) and can_be_read(mask)):
            self.sizes, self.padding = sizes_of(mask, about), True

    def enter(self, site: LayerSite, hidden_states: Float[Tensor, "batch tokens channels"]) -> LayerRecord:
        """Make the record for a layer that is about to run on `hidden_states`."""
        self.batch, tokens = hidden_states.shape[:2]
        self.device = hidden_states.device
        self.counts.append(tokens)
        check_length(tokens)
        if len(self.counts) == 1 and self.sizes is not None:
            self.sizes = fitting(self.sizes, hidden_states)
        before = None if site.index else premerge(self, hidden_states)
        if before is not None:
            self.sizes, self.premerged, self.embedded = before.totals, tokens - before.plan.count, hidden_states
            tokens = before.plan.count
        r = self.settings.r(site.index, tokens if self.lengths is None else max(self.lengths))
        return LayerRecord(site, self, r, self.lengths, self.sizes, self.log_sizes, self.positions, before=before)

    def leave(self, record: LayerRecord) -> None:
        """Store the results of a layer; of the first one together with the merge before it."""
        plan, offsets = record.plan, record.offsets
        if record.before is not None:
            plan, offsets = record.before.then(plan, offsets)
        self.plans.append(plan)
        self.offsets.append(offsets)
        if record.plan is not None and record.shares is not None:
            self.sizes, self.log_sizes, self.lengths = record.totals, record.log_totals, record.left
            self.positions = merged(record.positions, record.plan, record.shares)

    def restore(self, x: Any, layers: int | None = None) -> Any:
        """Features (batch, n, ...) after the first `layers` layers (default all), back at all original positions.

        Of a tuple, as some layers return it, the first element. With restore="residual" each position gets its own
        offset from its group back: the residual stream carries it on unchanged, whatever later layers add.
        """
        if isinstance(x, tuple):
            return (self.restore(x[0], layers), *x[1:])
        if self.lengths is not None and x.ndim == 2:  # packed images have no batch axis
            return self.restore(x[None], layers)[0]
        if self.settings.config.restore == "residual":
            for plan, offsets in zip(self.plans[:layers][::-1], self.offsets[:layers][::-1], strict=True):
                x = x if plan is None or offsets is None else plan.unmerge(x) + offsets
            return x
        groups = compose(self.plans[:layers])
        return x if groups is None else spread(x, groups)


class _Now:
    """The forward and the layer that run in one thread."""

    def __init__(self) -> None:
        self.forward: Forward | None = None
        self.record: LayerRecord | None = None


class _Local(threading.local):
    # `torch.compile` forgets what compiled code sets on a threading.local, but not what it sets on an object there.
    # Made in each thread's __init__: as a class attribute, it could not tell that it changes.
    def __init__(self) -> None:
        self.now = _Now()


LOCAL = _Local()
