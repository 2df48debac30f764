"""The settings of token merging: frozen, checked when made, plain JSON when saved."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from hf_tome.core.options.matchings import MATCHINGS
from hf_tome.core.options.recipe import Recipe
from hf_tome.core.schedule import Schedule
from hf_tome.errors import ToMeError, ToMeTypeError, ToMeValueError, complaint, shown


@dataclass(frozen=True)
class ToMeConfig:
    """How a model merges its tokens.

    Attributes:
        r: tokens merged per layer: int, float share in (0, 1), (r, inflection) or a list per layer. See `apply_tome`.
        prop_attn: add log(size) to the attention scores (ToMe, equation 1). None takes the family's default: on for
            supervised families, off for MAE-trained ones.
        restore: give every original position its merged token back after the last layer, so that outputs keep their
            shapes. "residual" adds to it what set the position's own token apart when it merged: features of single
            positions are closer to the unmerged model's, for one more tensor a layer. False leaves the short sequence.
        metric: what tokens are compared by: the layer's keys "k", queries "q" or values "v"; its tokens after the
            attention's residual "x" or as they came in "x_pre". Where keys are turned by rotary positions, "k" compares
            by the values.
        heads: the heads of k, q and v are averaged, "mean", or stand side by side, "concat".
        distance: "cosine", "euclidean", "dot" or "softmax".
        partition: which tokens are sources and which destinations: "alternating", "sequential", "random" or "energy".
        matching: which tokens merge: "bipartite", "kth", "greedy", "kmeans", "pitome", "pitome_late", "random_prune",
            "attention_prune", "pagerank_prune", "evit", or a name given to `register_matching`.
        combine: what a group becomes: "weighted_mean", "mean", "max", "keep" (its leader) or "mlerp"; or a list with
            one of them per layer. None takes the matching's own: keep where it prunes, else weighted_mean.
        seed: of what is drawn at random.
        premerge: tokens merged before the first layer, by what they show, in families that add positions to them: int,
            or float share in (0, 1) of the mergeable ones. It may be more than half, but one stays.

    The options from `metric` to `seed` are the paper's ablations, and rivals; the defaults are the paper's method.

    Raises:
        ToMeTypeError, ToMeValueError: if a field is not as said here, or two make no sense together.
    """

    r: Any
    prop_attn: bool | None = None
    restore: bool | str = True
    metric: str = "k"
    heads: str = "mean"
    distance: str = "cosine"
    partition: str = "alternating"
    matching: str = "bipartite"
    combine: str | list[str] | None = None
    seed: int = 0
    premerge: int | float = 0

    def __post_init__(self) -> None:
        _ = self.schedule
        if self.prop_attn is not None and not isinstance(self.prop_attn, bool):
            rule = "prop_attn is True, False or None (the family's default)."
            raise ToMeTypeError(complaint(rule, shown(self.prop_attn), "Leave it out to take the default."))
        if not isinstance(self.restore, bool) and not (isinstance(self.restore, str) and self.restore == "residual"):
            wrong = ToMeValueError if isinstance(self.restore, str) else ToMeTypeError
            rule = 'restore is True, "residual" or False.'
            raise wrong(complaint(rule, shown(self.restore), "Leave it out for True."))
        _ = self.recipe
        vars(self).update(premerge=self.before.to_json())

    @property
    def schedule(self) -> Schedule:
        """The checked form of `r`."""
        return Schedule.parse(self.r)

    @property
    def before(self) -> Schedule:
        """The checked form of `premerge`."""
        rule, cure = "premerge is an int >= 0, or a float in (0, 1).", "For example premerge=0.5; leave it out for 0."
        try:
            found = Schedule.parse(self.premerge)
        except ToMeError as error:
            raise type(error)(complaint(rule, shown(self.premerge), cure)) from None
        if found.kind not in ("constant", "share"):
            raise ToMeTypeError(complaint(rule, shown(self.premerge), cure))
        return found

    @property
    def merges(self) -> bool:
        """Whether any token merges by these settings."""
        return self.schedule.merges or self.before.merges

    @property
    def recipe(self) -> Recipe:
        """What stands behind the names of the other options."""
        options = (self.metric, self.heads, self.distance, self.partition, self.matching, self.combine, self.seed)
        return Recipe.of(*options)

    @property
    def own(self) -> bool:
        """Whether the matching is the user's, of `register_matching`: its name does not tell what it does."""
        return self.matching not in MATCHINGS.shipped

    def replace(self, /, **changes: Any) -> ToMeConfig:
        """A copy with some fields changed, checked again."""
        _refuse_unknown(changes)
        return replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON, as it stands in `model.config.tome`: the first three settings, and the options that differ."""
        always = {"r": self.schedule.to_json(), "prop_attn": self.prop_attn, "restore": self.restore}
        options = {field.name: (getattr(self, field.name), field.default) for field in fields(self)[len(always) :]}
        return always | {name: value for name, (value, default) in options.items() if value != default}

    @classmethod
    def from_dict(cls, values: Any) -> ToMeConfig:
        """The opposite of `to_dict`."""
        if not isinstance(values, dict):
            rule = "Saved settings are a dict with the fields of ToMeConfig."
            raise ToMeTypeError(complaint(rule, shown(values), "Call apply_tome(model, r=...) to set them anew."))
        _refuse_unknown(values)
        if "r" not in values:
            raise ToMeValueError(complaint("Settings need r.", values, "Call apply_tome(model, r=...)."))
        return cls(**values)


def _refuse_unknown(values: dict[str, Any]) -> None:
    known = [field.name for field in fields(ToMeConfig)]
    unknown = [key for key in values if not isinstance(key, str) or key not in known]
    if unknown:
        rule = f"The settings are: {', '.join(known)}."
        raise ToMeTypeError(complaint(rule, unknown, "Correct the name or leave it out."))
