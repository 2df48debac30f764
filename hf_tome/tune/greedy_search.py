"""The search for a schedule: greedily from no merging, then by exchanges between layers at equal multiply-adds.

It knows no model: the drift of a schedule is a function that it calls.
"""

from __future__ import annotations

from collections.abc import Callable

from hf_tome.tune.space import PerLayer, Space

Drift = Callable[[PerLayer], float]
Allowed = Callable[[PerLayer], bool]
Search = Callable[[Space, Drift, int, Allowed | None], PerLayer]

SHARES = (0.18, 0.09, 0.045)  # of all that is to be saved: what one step saves or moves, coarse to fine
TRIES = 4  # exchanges that are tried before prices are measured again


def search_greedily(space: Space, drift: Drift, macs: int, bound: Allowed | None = None) -> PerLayer:
    """Look for the schedule of least drift with at most `macs` multiply-adds, or with the fewest that are allowed.

    Args:
        space: the schedules.
        drift: the KL divergence of a schedule, cached: the search asks for some schedules again.
        macs: multiply-adds at which the search ends; at least those of `space.everything`.
        bound: whether a schedule is allowed; None where all are.
    """
    schedule, allowed, most = space.nothing, bound or (lambda schedule: True), space.macs(space.nothing)
    saving = most - macs if bound is None else most // 3  # how much a bound allows is not known beforehand
    for share in SHARES:
        step = max(1, int(share * saving))
        schedule = merged_greedily(space, drift, schedule, macs, step, allowed)
        level = max(macs, space.macs(schedule))
        usual = [each for each in usual_schedules(space, level).values() if allowed(each)]
        schedule = exchanged(space, drift, min([schedule, *usual], key=drift), level, step, allowed)
    return schedule


def usual_shapes(layers: int) -> dict[str, list[float]]:
    """The schedules that the paper compares with all others (appendix D), as shapes for `Space.along`."""
    falling = [2.0 * (layers - 1 - layer) / max(1, layers - 1) for layer in range(layers)]
    return {"constant": [1.0] * layers, "decreasing": falling if layers > 1 else [1.0]}


def usual_schedules(space: Space, macs: int) -> dict[str, PerLayer]:
    """The same with as many multiply-adds as `macs` or just fewer; those that can save so much."""
    found = {name: space.along(shape, macs) for name, shape in usual_shapes(space.layers).items()}
    return {name: schedule for name, schedule in found.items() if schedule is not None}


def merged_greedily(space: Space, drift: Drift, schedule: PerLayer, macs: int, step: int, allowed: Allowed) -> PerLayer:
    """Save `step` multiply-adds at a time in the layer with the lowest price, until `macs` are left.

    The price is the drift that each saved multiply-add costs. Prices rise as more is merged, mostly, so that an old
    price is taken as a lower bound: only the lowest is asked for anew (lazy greedy; Minoux, 1978).
    """
    prices = dict.fromkeys(range(space.layers), float("-inf"))
    while space.macs(schedule) > macs:
        fresh: set[int] = set()
        while True:
            layer = min(prices, key=lambda each: prices[each])
            after = space.changed(schedule, layer, max(macs, space.macs(schedule) - step))
            if layer in fresh:
                break
            prices[layer] = price(drift, space, schedule, after)
            fresh.add(layer)
        if prices[layer] == float("inf") or not allowed(after):
            return schedule
        schedule = after
    return schedule


def price(drift: Drift, space: Space, before: PerLayer, after: PerLayer) -> float:
    """Drift that each multiply-add costs which `after` saves beyond `before`; infinite if it saves none."""
    saved = space.macs(before) - space.macs(after)
    return (drift(after) - drift(before)) / saved if saved > 0 else float("inf")


def exchanged(space: Space, drift: Drift, schedule: PerLayer, macs: int, step: int, allowed: Allowed) -> PerLayer:
    """Move merging from one layer to another, with at most `macs` multiply-adds, as long as that lowers the drift.

    One layer merges about `step` multiply-adds less, another as many more. The pairs with the best prices are tried.
    """
    better = True
    while better:
        better = False
        for giver, taker in _pairs(space, drift, schedule, step)[:TRIES]:
            moved = space.changed(_less(space, schedule, giver, step), taker, macs)
            if space.macs(moved) <= macs and drift(moved) < drift(schedule) and allowed(moved):
                schedule, better = moved, True
    return schedule


def _pairs(space: Space, drift: Drift, schedule: PerLayer, step: int) -> list[tuple[int, int]]:
    """Pairs (giver, taker) whose prices say that an exchange lowers the drift; the best first."""
    dear, cheap = {}, {}
    for layer in range(space.layers):
        if schedule[layer]:
            dear[layer] = price(drift, space, _less(space, schedule, layer, step), schedule)
        cheap[layer] = price(drift, space, schedule, space.changed(schedule, layer, space.macs(schedule) - step))
    gains = {(a, b): dear[a] - cheap[b] for a in dear for b in cheap if a != b}
    return sorted((pair for pair, gain in gains.items() if gain > 0), key=lambda pair: -gains[pair])


def _less(space: Space, schedule: PerLayer, layer: int, step: int) -> PerLayer:
    """The schedule with less merged in `layer`: about `step` more multiply-adds, one token at least."""
    less = space.changed(schedule, layer, space.macs(schedule) + step)
    return less if less != schedule else space.set(schedule, layer, max(0, schedule[layer] - 1))
