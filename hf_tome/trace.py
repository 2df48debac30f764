"""What happened to the tokens of a forward: counts, sizes, groups, grid."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from hf_tome.api import module_of
from hf_tome.core import Grid, MergePlan, PatchGrid, compose, spread
from hf_tome.engine.patch import sites_in
from hf_tome.engine.state import Forward
from hf_tome.errors import NotPatchedError, ToMeTypeError, ToMeValueError, complaint

if TYPE_CHECKING:
    from jaxtyping import Float, Int


@dataclass(frozen=True, eq=False)
class ForwardTrace:
    """One forward of one tower.

    Attributes:
        token_counts: [n_0, ..., n_L]: tokens entering layer 0, ..., leaving layer L-1.
        sizes: (batch, n_L) float32: original tokens in each final token; padding counts 0.
        grid: patch grid: (height, width), (time, height, width) or (frequency, time).
        patches: how the patches of the grid lie on the input.
        protected: tokens (class, distillation) before the patches.
        plans: the merge of each layer, None where it merged nothing.
        protected_at_end: tokens (detection) after the patches.
        premerged: tokens that merged before the first layer; its own merge and theirs are one plan.
    """

    token_counts: list[int]
    sizes: Float[Tensor, "batch final"]
    grid: Grid
    patches: PatchGrid
    protected: int
    plans: list[MergePlan | None]
    protected_at_end: int = 0
    premerged: int = 0

    @property
    def groups(self) -> Int[Tensor, "batch tokens"]:
        """(batch, n_0) int64: the final token that each original token went into."""
        return self.groups_at(len(self.plans))

    def groups_at(self, layers: int) -> Int[Tensor, "batch tokens"]:
        """(batch, n_0) int64: the token that each original token is in after the first `layers` layers.

        Raises:
            ToMeTypeError, ToMeValueError: if `layers` is no int, or the model has no such layer.
        """
        rule = f"layers counts the layers passed, 0 to {len(self.plans)}."
        if isinstance(layers, bool) or not isinstance(layers, int):
            raise ToMeTypeError(complaint(rule, layers, "0 is the input, the largest number the output."))
        if not 0 <= layers <= len(self.plans):
            raise ToMeValueError(complaint(rule, layers, "0 is the input, the largest number the output."))
        groups = compose(self.plans[:layers])
        if groups is not None:
            return groups
        start = torch.arange(self.token_counts[0], device=self.sizes.device)
        return start.repeat(len(self.sizes), 1)

    def patch_groups(self, layers: int) -> Int[Tensor, "batch patches"]:
        """`groups_at` of the patches alone, without the protected tokens before and behind them.

        Raises as `groups_at`.
        """
        return self.groups_at(layers)[:, self.protected : self.token_counts[0] - self.protected_at_end]

    def unmerge(self, features: Float[Tensor, "batch final *features"]) -> Float[Tensor, "batch tokens *features"]:
        """Features of the final tokens, copied to every original position.

        Raises:
            ToMeTypeError, ToMeValueError: if they are no tensor (batch, final tokens, ...) of this forward.
        """
        rule = f"Features of the final tokens are a tensor {(*self.sizes.shape, '...')}."
        cure = "Pass the features that the forward gave with restore=False; restored ones are unmerged already."
        if not isinstance(features, Tensor):
            raise ToMeTypeError(complaint(rule, features, cure))
        if features.shape[:2] != self.sizes.shape:
            raise ToMeValueError(complaint(rule, f"shape {tuple(features.shape)}", cure))
        groups = compose(self.plans)
        return features if groups is None else spread(features, groups)


class Trace:
    """The forwards inside a `trace_tome` block, oldest first; its attributes are those of the last one."""

    def __init__(self) -> None:
        self.forwards: list[ForwardTrace] = []

    def __len__(self) -> int:
        return len(self.forwards)

    def __getitem__(self, index: int) -> ForwardTrace:
        return self.forwards[index]

    @property
    def last(self) -> ForwardTrace:
        """The latest forward.

        Raises:
            ToMeValueError: if none has run inside the block.
        """
        if not self.forwards:
            rule = "A trace is filled by a forward of the model inside the `with` block."
            raise ToMeValueError(complaint(rule, "no forward", "Call model(**inputs) inside `with trace_tome(model)`."))
        return self.forwards[-1]

    @property
    def token_counts(self) -> list[int]:
        """See `ForwardTrace.token_counts`."""
        return self.last.token_counts

    @property
    def sizes(self) -> Float[Tensor, "batch final"]:
        """See `ForwardTrace.sizes`."""
        return self.last.sizes

    @property
    def groups(self) -> Int[Tensor, "batch tokens"]:
        """See `ForwardTrace.groups`."""
        return self.last.groups

    @property
    def grid(self) -> Grid:
        """See `ForwardTrace.grid`."""
        return self.last.grid

    def unmerge(self, features: Float[Tensor, "batch final *features"]) -> Float[Tensor, "batch tokens *features"]:
        """See `ForwardTrace.unmerge`."""
        return self.last.unmerge(features)

    def record(self, forward: Forward) -> None:
        """Add a forward that has ended."""
        last, patches, family = forward.plans[-1], forward.site.grid, forward.settings.family
        count = forward.counts[-1] if last is None else last.count
        sizes = torch.ones(forward.batch, count, device=forward.device) if forward.sizes is None else forward.sizes
        self.forwards.append(
            ForwardTrace(
                token_counts=[*forward.counts, count],
                sizes=sizes,
                grid=patches.shape(forward.shape) if forward.shape else (),
                patches=patches,
                protected=family.protected,
                plans=list(forward.plans),
                protected_at_end=family.protected_at_end,
                premerged=forward.premerged,
            )
        )


@contextmanager
def trace_tome(model: Any) -> Iterator[Trace]:
    """Record what happens to the tokens of each forward of `model` inside the block.

        with trace_tome(model) as trace:
            model(**inputs)
        trace.token_counts

    Raises:
        ToMeTypeError: if `model` is neither a torch module nor a pipeline.
        NotPatchedError: if `apply_tome` was not called on it.
    """
    sites = sites_in(module_of(model))
    if not sites:
        rule = "trace_tome needs a patched model."
        raise NotPatchedError(complaint(rule, type(model).__name__, "Call apply_tome(model, r=16) first."))
    trace = Trace()
    for site in sites:
        site.listeners.append(trace.record)
    try:
        yield trace
    finally:
        for site in sites:
            site.listeners.remove(trace.record)
