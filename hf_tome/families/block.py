"""The form of a pre-norm layer: where its parts are, in the order in which its forward runs them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Block:
    """Paths in a layer.

    Attributes:
        norm1: the norm before the attention.
        attention: the module that calls transformers' attention interface.
        projections: names, on that module, of the projections to queries, keys and values.
        head_width: name, on that module, of the channels of a head.
        attention_dropout: name, on that module, of the dropout of attention weights.
        out: the projection of the heads' outputs.
        dropout1: the dropout between it and the addition of the first residual.
        norm2: the norm before the MLP.
        mlp: the MLP's modules, one after the other.
        dropout2: the dropout between them and the addition of the second residual.
        mlp_out: the last module before that addition that a forward runs only once.
    """

    norm1: str
    attention: str
    projections: tuple[str, str, str]
    head_width: str
    attention_dropout: str
    out: str
    dropout1: str
    norm2: str
    mlp: tuple[str, ...]
    dropout2: str
    mlp_out: str

    @property
    def paths(self) -> tuple[str, ...]:
        """All of them, in order."""
        projections = (f"{self.attention}.{name}" for name in self.projections)
        before = self.norm1, self.attention, *projections, self.out, self.dropout1
        return (*before, self.norm2, *self.mlp, self.dropout2, self.mlp_out)

    @property
    def around(self) -> tuple[str, ...]:
        """The modules that hold others of these, and run them."""
        parents = {path.rpartition(".")[0] for path in self.paths}
        return tuple(sorted((parents | {parent.rpartition(".")[0] for parent in parents}) - {""}))
