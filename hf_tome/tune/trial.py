"""What schedules do to the outputs of a model on calibration inputs: each is tried once, and remembered."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from hf_tome.api import apply_tome
from hf_tome.config import ToMeConfig
from hf_tome.core.drift import agreement, kl
from hf_tome.data.classifier import check_classes
from hf_tome.errors import ToMeTypeError, ToMeValueError, complaint, shown
from hf_tome.families import family_of
from hf_tome.measure.compare import twin
from hf_tome.trace import trace_tome
from hf_tome.tune.space import PerLayer, Space

RULE = "calibration is a dict of the model's inputs, or a list of such dicts; with `labels` (batch,) or without."
CURE = "For example calibration=dict(processor(images, return_tensors='pt'))."
Batch = tuple[dict[str, Any], Tensor | None]  # the model's inputs, and their labels


@dataclass(frozen=True)
class Trial:
    """What one schedule does to the outputs, as a mean over the calibration inputs.

    Attributes:
        kl: KL divergence of its predictions from those of the unmerged model, in nats.
        agreement: share of the inputs on which it predicts the same class.
        accuracy: share of the inputs on which it predicts the label; None without labels.
    """

    kl: float
    agreement: float
    accuracy: float | None = None

    def drop_from(self, unmerged: Trial) -> float:
        """Points of accuracy that the schedule loses; 0 where there are no labels."""
        return 0.0 if self.accuracy is None or unmerged.accuracy is None else 100 * (unmerged.accuracy - self.accuracy)


class Trials:
    """What each schedule does to the outputs of a model, of which a copy is run.

    Args:
        model, calibration, known: as of `tune`; `labels` are not passed on to the model.
        settings: all but r is taken from here.

    Attributes:
        space: the schedules of the model for such inputs.
        tried: what was asked for, the unmerged schedule first.

    Raises:
        ToMeTypeError, ToMeValueError: if the calibration inputs are not as said here, or the outputs are no logits.
        UnsupportedModelError, UnsupportedAttentionError: as `apply_tome`.
    """

    def __init__(
        self, model: nn.Module, calibration: Any, settings: ToMeConfig, known: Mapping[PerLayer, Trial] | None = None
    ) -> None:
        self.model, self.settings = apply_tome(twin(model), config=settings.replace(r=0)), settings
        check_classes(self.model.config, type(model).__name__)
        self.batches = _batches(calibration, next(model.parameters()).device)
        self.space = space_of(self.model, self.batches[0][0])
        self.reference = self._outputs()
        if not all(logits.isfinite().all() for logits in self.reference):
            rule = "The unmerged model must give finite logits on the calibration inputs."
            raise ToMeValueError(complaint(rule, "NaN or infinite ones", "Check the inputs and the dtype."))
        self.known = known or {}
        self.tried = {self.space.nothing: self._trial(self.reference)}

    @property
    def labelled(self) -> bool:
        """Whether all calibration inputs have labels."""
        return all(labels is not None for _, labels in self.batches)

    def __call__(self, schedule: PerLayer) -> Trial:
        """What `schedule` does; runs the model unless that is known."""
        if schedule not in self.tried and schedule in self.known:
            self.tried[schedule] = self.known[schedule]
        elif schedule not in self.tried:
            apply_tome(self.model, config=self.settings.replace(r=list(schedule)))
            self.tried[schedule] = self._trial(self._outputs())
        return self.tried[schedule]

    def _outputs(self) -> list[Tensor]:
        """The logits (batch, classes) of each batch."""
        return [self._logits(inputs) for inputs, _ in self.batches]

    @torch.inference_mode()
    def _logits(self, inputs: dict[str, Any]) -> Tensor:
        output = self.model(**inputs)
        logits = getattr(output, "logits", None)
        if not isinstance(logits, Tensor) or logits.ndim != 2:
            rule = "A schedule is judged by logits (batch, classes)."
            got = f"a {type(output).__name__}" + (f" with logits {tuple(logits.shape)}" if logits is not None else "")
            raise ToMeValueError(complaint(rule, got, "Pass a classifier."))
        return logits

    def _trial(self, outputs: list[Tensor]) -> Trial:
        several = getattr(self.model.config, "problem_type", None) == "multi_label_classification"
        pairs = list(zip(outputs, self.reference, strict=True))
        mean = torch.cat([kl(*pair, several) for pair in pairs]).mean().item()
        same = torch.cat([agreement(*pair) for pair in pairs]).double().mean().item()
        accuracy = None
        if self.labelled:
            right = [each.argmax(-1) == labels for each, (_, labels) in zip(outputs, self.batches, strict=True)]
            accuracy = torch.cat(right).double().mean().item()
        return Trial(math.inf if math.isnan(mean) else max(0.0, mean), same, accuracy)


def _batches(calibration: Any, device: torch.device) -> list[Batch]:
    """The batches on the model's device, each apart from its labels."""
    batches = [calibration] if isinstance(calibration, Mapping) else calibration
    if not isinstance(batches, Sequence) or isinstance(batches, str | bytes):
        raise ToMeTypeError(complaint(RULE, shown(calibration), CURE))
    if not batches:
        raise ToMeValueError(complaint(RULE, "no inputs", CURE))
    return [_batch(each, device) for each in batches]


def _batch(batch: Any, device: torch.device) -> Batch:
    if not isinstance(batch, Mapping) or not all(isinstance(name, str) for name in batch):
        raise ToMeTypeError(complaint(RULE, shown(batch), CURE))
    values = {name: value.to(device) if isinstance(value, Tensor) else value for name, value in batch.items()}
    labels = values.pop("labels", None)
    lengths = {len(value) for value in values.values() if isinstance(value, Tensor) and value.ndim}
    if not lengths or min(lengths) < 1:
        raise ToMeValueError(complaint(RULE, f"a batch with {', '.join(values) or 'no inputs'} and no sample", CURE))
    if labels is not None and (not isinstance(labels, Tensor) or labels.shape != (max(lengths),)):
        got = f"labels of shape {tuple(labels.shape)}" if isinstance(labels, Tensor) else f"labels {shown(labels)}"
        raise ToMeValueError(complaint(RULE, got, "Pass one class index per input, or leave labels out."))
    return values, labels


def space_of(model: nn.Module, inputs: dict[str, Any]) -> Space:
    """The schedules of a patched model for such inputs."""
    towers = [(module, family) for module in model.modules() if (family := family_of(module))]
    if len(towers) > 1:
        rule = "A schedule is chosen for one tower."
        raise ToMeValueError(complaint(rule, f"{len(towers)} towers", "Tune a model around one of them."))
    try:
        with torch.inference_mode(), trace_tome(model) as trace:
            model(**inputs)
    except (AttributeError, TypeError, ValueError, RuntimeError) as error:
        got = f"inputs that the model does not take ({type(error).__name__}: {str(error).splitlines()[0]})"
        raise ToMeValueError(complaint(RULE, got, CURE)) from error
    (tower, family), counts = towers[0], trace.token_counts
    protected = family.protected + family.protected_at_end
    return Space(counts[0], len(counts) - 1, protected, *family.widths(tower.config))
