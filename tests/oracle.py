"""A slow, obvious oracle of token merging: one sample, plain Python floats (float64), loops, no tensor tricks.

It follows ToMe, section 3 and appendix D, and shares no code with the package.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf, sqrt

Vector = list[float]
Rows = list[Vector]  # one vector per token
Alike = Callable[[Vector, Vector], float]


@dataclass(frozen=True)
class Merge:
    """What a merge does to one sample: the tokens (by old position) that each new token is made of, in new order."""

    members: list[list[int]]

    @property
    def groups(self) -> list[int]:
        """The new position of each old token."""
        tokens = sum(len(old) for old in self.members)
        return [next(new for new, old in enumerate(self.members) if token in old) for token in range(tokens)]

    def sizes(self, sizes: Vector) -> Vector:
        """How many original tokens each new token stands for."""
        return [sum(sizes[token] for token in old) for old in self.members]

    def merge(self, x: Rows, sizes: Vector) -> Rows:
        """The mean of each group, weighted by size; its first token for a group of padding alone."""
        merged = []
        for old in self.members:
            total = sum(sizes[token] for token in old)
            shares = [sizes[token] / total for token in old] if total else [1.0] + [0.0] * (len(old) - 1)
            columns = range(len(x[0]))
            merged.append([sum(w * x[token][c] for w, token in zip(shares, old, strict=True)) for c in columns])
        return merged

    def unmerge(self, x: Rows) -> Rows:
        """A copy of its group's vector for each old token."""
        return [x[group] for group in self.groups]


def most_removed(tokens: int, protected: int) -> int:
    """Half of the tokens that may merge at all."""
    mergeable = 0
    for token in range(tokens):
        if token >= protected:
            mergeable += 1
    return mergeable // 2


def cosine(a: Vector, b: Vector) -> float:
    """Cosine similarity; 0 where a vector is zero."""
    length_a, length_b = sqrt(sum(v * v for v in a)), sqrt(sum(v * v for v in b))
    if length_a == 0 or length_b == 0:
        return 0.0
    return sum((v / length_a) * (w / length_b) for v, w in zip(a, b, strict=True))


def nearness(a: Vector, b: Vector) -> float:
    """Minus the distance."""
    return -sqrt(sum((v - w) ** 2 for v, w in zip(a, b, strict=True)))


def similarity(metric: Rows, source: int, destination: int, padded: list[bool], alike: Alike) -> float:
    """How much `source` wants to go into `destination`: padding above all, and nothing real into padding."""
    if padded[source]:
        return inf
    if padded[destination]:
        return -inf
    return alike(metric[source], metric[destination])


def match(metric: Rows, r: int, protected: int = 0, padded: list[bool] | None = None, alike: Alike = cosine) -> Merge:
    """Bipartite soft matching of one sample.

    Args:
        metric: one vector per token.
        r: how many tokens to remove, at most half of the mergeable ones.
        protected: tokens at the front that never merge.
        padded: which tokens are padding.
        alike: how similar two vectors are.
    """
    tokens = len(metric)
    padded = padded or [False] * tokens
    r = min(r, most_removed(tokens, protected))
    sources = [token for token in range(protected, tokens) if token % 2 == 0]
    destinations = [token for token in range(protected, tokens) if token % 2 == 1]

    edges = []  # (similarity, source, its best destination)
    for source in sources:
        best, best_similarity = None, -inf
        for destination in destinations:
            found = similarity(metric, source, destination, padded, alike)
            if best is None or found > best_similarity:  # of equals, the first
                best, best_similarity = destination, found
        edges.append((best_similarity, source, best))
    falling = sorted(edges, key=lambda edge: -edge[0])  # sorted is stable: of equals, the first

    taken, left = falling[:r], [source for _, source, _ in falling[r:]]
    if protected:
        left = sorted(left)
    front = [[token] for token in range(min(protected, tokens))]
    middle = [[source] for source in left]
    back = [[target] + [source for _, source, best in taken if best == target] for target in destinations]
    return Merge(front + middle + back)


def then(first: Merge, second: Merge) -> Merge:
    """One merge that does what two do, one after the other."""
    return Merge([[token for middle in old for token in first.members[middle]] for old in second.members])
