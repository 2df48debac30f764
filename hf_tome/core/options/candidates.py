"""The input of a matching: the tokens of one layer, what they are compared by, and how many must go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from hf_tome.core.ops import reference
from hf_tome.core.options.distance import Distance
from hf_tome.core.options.draw import draw

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int


@dataclass(eq=False)
class Candidates:
    """The tokens of one layer, as a matching sees them.

    Attributes:
        metric: (batch, tokens, channels) what they are compared by.
        r: how many to remove: at least 1, at most half of the mergeable ones.
        protected: how many at the front must stay.
        sizes: (batch, tokens) float32, original tokens in each; padding has 0.
        padded: (batch, tokens) True where a token is padding; None where there is none.
        attention: (batch, tokens) importance by the attention: what each receives from the protected tokens, or from
            all where none is protected, averaged over heads; or its page rank. None unless the matching asks for it.
        layer: index of the layer, from 0.
        layers: number of layers.
        distance: scores of tokens with tokens; larger is more similar.
        partition: gives sources and destinations.
        seed: the user's.
    """

    metric: Float[Tensor, "batch tokens channels"]
    r: int
    protected: int
    sizes: Float[Tensor, "batch tokens"]
    padded: Bool[Tensor, "batch tokens"] | None
    attention: Float[Tensor, "batch tokens"] | None
    layer: int
    layers: int
    distance: Distance
    partition: Callable[[Candidates], tuple[Tensor, Tensor]]
    seed: int

    @property
    def tokens(self) -> int:
        """How many there are."""
        return self.metric.shape[1]

    @property
    def places(self) -> Int[Tensor, " tokens"]:
        """0, 1, ..., tokens - 1."""
        return torch.arange(self.tokens, device=self.metric.device)

    def rows(self, places: Int[Tensor, "*batch n"]) -> Int[Tensor, "batch n"]:
        """The same places in each sample; places of each sample stay as they are."""
        return places.expand(self.metric.shape[0], -1)

    def draw(self) -> Int[Tensor, " tokens"]:
        """A random number for each token, by seed and layer. The same in each sample, forward and on every device."""
        return draw(self.tokens, self.seed, self.layer, self.metric.device)

    def scores(self, a: Int[Tensor, "batch m"], b: Int[Tensor, "batch n"]) -> Float[Tensor, "batch m n"]:
        """The score of each token at `a` with each at `b`: infinity for padding in `a`, minus infinity in `b`."""
        if self.padded is None:
            return self.distance(self._at(a), self._at(b), None)
        from_padding, to_padding = self.padded.gather(1, a), self.padded.gather(1, b)
        scores = self.distance(self._at(a), self._at(b), to_padding)
        scores = scores.masked_fill(to_padding[:, None], -torch.inf)
        return scores.masked_fill(from_padding[:, :, None], torch.inf)

    def nearest(self, a: Int[Tensor, "batch m"], b: Int[Tensor, "batch n"]) -> tuple[Tensor, Tensor]:
        """The best score of each token at `a` with one at `b`, and the index in `b` of that one: both (batch, m)."""
        padded = None if self.padded is None else (self.padded.gather(1, a), self.padded.gather(1, b))
        hidden = None if padded is None else padded[1]
        return reference.nearest(lambda x, y: self.distance(x, y, hidden), self._at(a), self._at(b), padded)

    def _at(self, places: Int[Tensor, "batch n"]) -> Float[Tensor, "batch n channels"]:
        return self.metric.gather(1, places[..., None].expand(-1, -1, self.metric.shape[2]))
