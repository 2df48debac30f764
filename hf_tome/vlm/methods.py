"""How the visual tokens that stay are chosen: by merging, or by a method that merging is compared with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import normalize

from hf_tome.core import match_bipartite, max_merge
from hf_tome.vlm.reduction import Reduction

if TYPE_CHECKING:
    from jaxtyping import Float


@dataclass(frozen=True, eq=False)
class Item:
    """The visual tokens of one image or video.

    Attributes:
        x: their features, as the language model gets them, in at least float32 and without a gradient.
        keep: how many stay, at least 1.
        words: the embeddings of the prompt's words, for "question" alone.
        attention: what each receives in the vision tower, for "attention" alone.
        generator: for random choices.
    """

    x: Float[Tensor, "tokens channels"]
    keep: int
    words: Float[Tensor, "words channels"] | None
    attention: Float[Tensor, " tokens"]
    generator: torch.Generator


Method = Callable[[Item], Reduction]


def merge(item: Item) -> Reduction:
    """Bipartite soft matching by cosine (ToMe, section 3), again and again: each time at most half can merge."""
    means, sizes = item.x[None], item.x.new_ones(1, len(item.x))
    leaders = groups = torch.arange(len(item.x), device=item.x.device)
    while (surplus := len(leaders) - item.keep) > 0:
        plan = match_bipartite(means, min(surplus, max_merge(len(leaders), 0)))
        assert plan is not None
        totals, shares = plan.share(sizes)
        order = plan.leaders[0].argsort()  # tokens stay in raster order
        groups = order.argsort()[plan.groups[0]][groups]
        means, sizes, leaders = plan.merge(means, shares)[:, order], totals[:, order], leaders[plan.leaders[0][order]]
    return Reduction(leaders, groups)


def diverse(item: Item) -> Reduction:
    """The most different tokens: each next one is the farthest, by cosine, from those chosen before (DivPrune)."""
    x = normalize(item.x, dim=-1)
    distances = 1 - x @ x.mT
    nearest = distances.clone().fill_diagonal_(torch.inf).min(dim=1).values
    chosen = [int(nearest.argmax())]
    nearest = distances[chosen[0]].clone()
    while len(chosen) < item.keep:
        nearest[chosen[-1]] = -torch.inf  # never again, whatever rounding says
        chosen.append(int(nearest.argmax()))
        nearest = torch.minimum(nearest, distances[chosen[-1]])
    return Reduction(torch.tensor(sorted(chosen), device=x.device))


def norm(item: Item) -> Reduction:
    """The tokens of the largest norm."""
    return _best(torch.linalg.vector_norm(item.x, dim=-1), item.keep)


def attention(item: Item) -> Reduction:
    """The tokens that the tower's class token attends to most (VisionZip's dominant tokens)."""
    return _best(item.attention, item.keep)


def question(item: Item) -> Reduction:
    """The tokens most similar, by cosine, to any word of the prompt."""
    assert item.words is not None
    return _best((normalize(item.x, dim=-1) @ normalize(item.words, dim=-1).mT).amax(dim=1), item.keep)


def uniform(item: Item) -> Reduction:
    """Tokens at even distances."""
    return Reduction(torch.arange(item.keep, device=item.x.device) * len(item.x) // item.keep)


def random(item: Item) -> Reduction:
    """Any tokens."""
    order = torch.randperm(len(item.x), generator=item.generator)[: item.keep]
    return Reduction(order.sort().values.to(item.x.device))


def _best(scores: Float[Tensor, " tokens"], keep: int) -> Reduction:
    """The tokens of the highest scores, the first of equals."""
    return Reduction(scores.sort(descending=True, stable=True).indices[:keep].sort().values)


METHODS: dict[str, Method] = {
    method.__name__: method for method in (merge, diverse, norm, attention, question, uniform, random)
}
