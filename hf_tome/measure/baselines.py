"""What merging competes with: the same model unmerged, compiled, or on smaller images that cost as much."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from hf_tome.config import ToMeConfig
from hf_tome.core.macs import encoder_macs
from hf_tome.data.encoder import Encoder
from hf_tome.families import widths_of
from hf_tome.measure.compare import Inputs, Output, Run, inference, token_costs, twin

RESIZE = "interpolate_pos_encoding"  # the argument with which many models take images of another size


@dataclass(frozen=True)
class Baseline:
    """A way to run the unmerged model: on images resized to `side` pixels, or compiled by `torch.compile`."""

    side: int | None = None
    compiled: bool = False

    @property
    def name(self) -> str:
        """As reports call it."""
        return "unmerged, compiled" if self.compiled else f"unmerged, {self.side} px"

    def inputs(self, model: nn.Module, inputs: Inputs) -> Inputs:
        """The batch, resized."""
        if self.side is None:
            return inputs
        size = (self.side, self.side)
        pixels = F.interpolate(inputs["pixel_values"], size, mode="bicubic", antialias=True)
        resize = {RESIZE: True} if RESIZE in inspect.signature(model.forward).parameters else {}
        return {**inputs, "pixel_values": pixels, **resize}

    def run(self, model: nn.Module, output: Output) -> Run:
        """A forward of `model` without gradients."""
        runs: Any = torch.compile(model) if self.compiled else model
        return inference(runs, lambda used, inputs: output(used, self.inputs(model, inputs)))


def baselines(encoder: Encoder, inputs: Inputs, settings: Sequence[ToMeConfig]) -> list[Baseline]:
    """What to compare `settings` with: the unmerged model compiled, where torch can compile, and on smaller images,
    where the model takes them: for each setting the size whose multiply-adds are nearest to those of the setting."""
    model: Any = encoder.model
    found = [Baseline(compiled=True)]
    try:
        torch.compile(torch.neg)(torch.ones(2, device=model.device))
    except Exception as error:  # whatever the compiler of this machine says
        warnings.warn(f"Not compared with torch.compile, which fails here: {type(error).__name__}.", stacklevel=2)
        found = []
    if encoder.modality != "image":
        return found
    counts, side = token_costs(model, None, inputs, encoder.output)["token_counts"], inputs["pixel_values"].shape[-1]
    across = int(counts[0] ** 0.5)  # patches, beside a few protected tokens
    costs = {}
    for patches in range(1, across):
        tokens = counts[0] - across**2 + patches**2
        costs[patches * side // across] = encoder_macs([tokens] * len(counts), *widths_of(model))
    for setting in settings:
        macs = token_costs(model, setting, inputs, encoder.output)["macs"]
        smaller = Baseline(min(costs, key=lambda each: abs(costs[each] - macs)))
        if smaller not in found:
            found.append(smaller)
    return [each for each in found if each.compiled or _takes(twin(model), each, inputs, encoder.output)]


def _takes(model: nn.Module, baseline: Baseline, inputs: Inputs, output: Output) -> bool:
    try:
        baseline.run(model, output)(inputs)
    except (TypeError, ValueError, RuntimeError):
        return False
    return True
