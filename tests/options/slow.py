"""Slow, obvious oracles of every option: one sample, plain Python floats (float64), loops. No code of the package.

A matching gives a dict: which token goes into which. All others stay.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, inf, log, sqrt

Vector = list[float]
Joins = dict[int, int]


@dataclass
class Sample:
    """What a matching is given."""

    metric: list[Vector]
    r: int
    protected: int
    padded: list[bool]
    attention: Vector
    layer: int
    layers: int
    distance: str
    partition: str
    seed: int

    @property
    def mergeable(self) -> list[int]:
        return list(range(self.protected, len(self.metric)))


def dot(a: Vector, b: Vector) -> float:
    return sum(v * w for v, w in zip(a, b, strict=True))


def length(a: Vector) -> float:
    return sqrt(dot(a, a))


def one_score(distance: str, a: Vector, b: Vector) -> float:
    if distance == "cosine":
        return dot(a, b) / (length(a) * length(b)) if length(a) and length(b) else 0.0
    if distance == "euclidean":
        return -sqrt(sum((v - w) ** 2 for v, w in zip(a, b, strict=True)))
    return dot(a, b)


def scores(given: Sample, token: int, others: list[int]) -> Vector:
    """How much `token` wants to go to each of the others."""
    if given.padded[token]:
        return [inf] * len(others)
    found = [one_score(given.distance, given.metric[token], given.metric[other]) for other in others]
    real = [other for other in others if not given.padded[other]]
    if given.distance == "softmax":
        scale = sqrt(len(given.metric[0]))
        total = sum(exp(one_score("dot", given.metric[token], given.metric[other]) / scale) for other in real)
        found = [log(exp(score / scale) / total) if total else -inf for score in found]
    return [-inf if given.padded[other] else score for other, score in zip(others, found, strict=True)]


def nearest(given: Sample, token: int, others: list[int]) -> tuple[float, int]:
    """The best score, and the first of the others that has it."""
    found = scores(given, token, others)
    return max(found), others[found.index(max(found))]


def draw(count: int, seed: int, layer: int) -> list[int]:
    numbers = []
    for number in range(count):
        for word in (seed, layer):
            number = (number + word * 0x9E3779B1 + 0x7F4A7C15) % 2**32
            number = (number ^ number >> 16) * 0x7FEB352D % 2**32
            number = (number ^ number >> 15) * 0x2C1B3C6D % 2**32
            number = (number ^ number >> 12) * 0x297A2D39 % 2**32
            number = number ^ number >> 15
        numbers.append(number)
    return numbers


def halves(given: Sample) -> tuple[list[int], list[int]]:
    """Sources and destinations."""
    tokens = given.mergeable
    half = (len(tokens) + 1) // 2
    if given.partition == "alternating":
        return [token for token in tokens if token % 2 == 0], [token for token in tokens if token % 2 == 1]
    if given.partition == "sequential":
        return tokens[:half], tokens[half:]
    if given.partition == "energy":
        return by_energy(given)[::2], by_energy(given)[1::2]
    numbers = draw(len(given.metric), given.seed, given.layer)
    sources = sorted(tokens, key=lambda token: numbers[token])[:half]
    return sorted(sources), [token for token in tokens if token not in sources]


def best_proposals(given: Sample, sources: list[int], destinations: list[int]) -> Joins:
    proposals = [(*nearest(given, source, destinations), source) for source in sources]
    best = sorted(proposals, key=lambda proposal: -proposal[0])[: given.r]
    return {source: target for _, target, source in best}


def bipartite(given: Sample) -> Joins:
    return best_proposals(given, *halves(given))


def kth(given: Sample) -> Joins:
    tokens = given.mergeable
    every = min(4, len(tokens))
    destinations = [token for place, token in enumerate(tokens) if place % 4 == every - 1]
    return best_proposals(given, [token for token in tokens if token not in destinations], destinations)


def greedy(given: Sample) -> Joins:
    free, joins = given.mergeable, {}
    for _ in range(given.r):
        best, pair = -inf, None
        for i in free:
            for j in free:
                if i < j:
                    padding = given.padded[i] or given.padded[j]
                    score = inf if padding else one_score(given.distance, given.metric[i], given.metric[j])
                    if score > best:
                        best, pair = score, (i, j)
        assert pair is not None
        stays, goes = pair if given.padded[pair[1]] or not given.padded[pair[0]] else pair[::-1]
        joins[goes] = stays
        free = [token for token in free if token not in pair]
    return joins


def kmeans(given: Sample, iterations: int = 5) -> Joins:
    tokens = given.mergeable
    count = len(tokens) - given.r
    points = {token: given.metric[token] for token in tokens}
    if given.distance == "cosine":
        points = {t: [v / length(point) if length(point) else 0.0 for v in point] for t, point in points.items()}
    real, padding = [t for t in tokens if not given.padded[t]], [t for t in tokens if given.padded[t]]
    spread = max(len(real), count)
    centres = [points[(real + padding)[number * spread // count]] for number in range(count)]

    def assign() -> dict[int, tuple[int, float]]:
        found = {}
        for token in tokens:
            near = [one_score(given.distance, points[token], centre) for centre in centres]
            found[token] = near.index(max(near)), max(near)
        return found

    for _ in range(iterations):
        clusters = assign()
        for number in range(count):
            members = [points[token] for token in real if clusters[token][0] == number]
            if members:
                centres[number] = [sum(column) / len(members) for column in zip(*members, strict=True)]
    clusters = assign()
    near_first = sorted(tokens, key=lambda token: inf if given.padded[token] else -clusters[token][1])
    leads: dict[int, int] = {}
    for token in near_first:
        leads.setdefault(clusters[token][0], token)
    staying = set(leads.values())
    for token in [t for t in reversed(near_first) if not given.padded[t]] + near_first:
        if len(staying) < count:
            staying.add(token)
    return {token: leads[clusters[token][0]] for token in tokens if token not in staying}


def energies(given: Sample) -> dict[int, float]:
    margin = 0.9 - 0.9 * given.layer / given.layers
    real = [token for token in given.mergeable if not given.padded[token]]
    energy = {}
    for token in given.mergeable:
        found = [one_score("cosine", given.metric[token], given.metric[other]) for other in real]
        likeness = [x if x >= margin else exp(x - margin) - 1 for x in found]
        energy[token] = inf if given.padded[token] else sum(likeness) / len(real)
    return energy


def by_energy(given: Sample) -> list[int]:
    energy = energies(given)
    return sorted(given.mergeable, key=lambda token: -energy[token])


def pitome(given: Sample) -> Joins:
    falling = by_energy(given)[: 2 * given.r]
    return {source: nearest(given, source, falling[1::2])[1] for source in falling[::2]}


def pitome_late(given: Sample) -> Joins:
    if given.layer >= given.layers / 2:
        return pitome(given)
    return best_proposals(given, by_energy(given)[::2], by_energy(given)[1::2])


def dropped(given: Sample, worth: Vector) -> list[int]:
    """The tokens of least worth, padding first; of equals, the last ones."""
    falling = sorted(given.mergeable, key=lambda token: inf if given.padded[token] else -worth[token])
    return falling[-given.r :]


def prune(given: Sample, worth: Vector) -> Joins:
    out = dropped(given, worth)
    kept = [token for token in given.mergeable if token not in out]
    return {token: nearest(given, token, kept)[1] for token in out}


def random_prune(given: Sample) -> Joins:
    return prune(given, [float(number) for number in draw(len(given.metric), given.seed, given.layer)])


def attention_prune(given: Sample) -> Joins:
    return prune(given, given.attention)


def page_rank(heads: list[list[Vector]]) -> Vector:
    """From the attention weights of each head, ten steps of a walk along them."""
    ranks = []
    for weights in heads:
        tokens = range(len(weights))
        rank = [1 / len(weights)] * len(weights)
        for _ in range(10):
            rank = [sum(rank[query] * weights[query][token] for query in tokens) for token in tokens]
        ranks.append(rank)
    return [sqrt(dot(column, column) / len(heads)) for column in map(list, zip(*ranks, strict=True))]


def evit(given: Sample) -> Joins:
    worth = given.attention
    out = dropped(given, worth)
    kept = [token for token in given.mergeable if token not in out]
    worst = max(kept, key=lambda token: (inf if given.padded[token] else -worth[token], token))
    return dict.fromkeys(out, worst)


MATCHINGS = {
    each.__name__: each
    for each in (bipartite, kth, greedy, kmeans, pitome, pitome_late, random_prune, attention_prune, evit)
} | {"pagerank_prune": attention_prune}


def combine(how: str, members: list[Vector], sizes: Vector) -> Vector:
    """What a group becomes; its leader stands first. A size of 0 is padding, which counts only where all is."""
    real = [(vector, size) for vector, size in zip(members, sizes, strict=True) if size]
    if not real:
        return members[0]
    columns = list(zip(*[vector for vector, _ in real], strict=True))
    if how == "max":
        return [max(column) for column in columns]
    weights = [1.0 if how == "mean" else size for _, size in real]
    if how == "keep" and sizes[0]:
        weights = [1.0] + [0.0] * (len(real) - 1)
    mean = [dot(list(column), weights) / sum(weights) for column in columns]
    if how != "mlerp" or len(members) == 1:
        return mean
    return [v * max(length(vector) for vector, _ in real) / length(mean) for v in mean]
