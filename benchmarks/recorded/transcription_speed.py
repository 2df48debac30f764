"""How much faster a merged Whisper hears: its encoder, and the whole transcription. Writes results/transcription.md.

    python -m benchmarks.recorded.transcription_speed --whisper WHISPER --digits FSDD_ZIP [--rounds 5]

The unmerged model and each variant run on the same full windows, one after the other, in one process; the order turns
from round to round. A round takes about a minute on one core.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import WhisperFeatureExtractor, WhisperForConditionalGeneration

from benchmarks.pages import machine
from benchmarks.recorded.speech import RATE, windows
from benchmarks.recorded.transcription import MOST, RESULTS, merge
from benchmarks.recorded.transcription_page import write_page
from benchmarks.results import Results
from hf_tome import trace_tome
from hf_tome.core.macs import mac_ratio
from hf_tome.families import widths_of
from hf_tome.measure.compare import Inputs, Run, time_rounds, twin
from hf_tome.measure.row import Row, pair

WINDOWS = 4  # at once
VARIANTS: dict[str, dict[str, Any]] = {
    "r = 0": {"r": 0},
    "r = (120, -1.0)": {"r": (120, -1.0)},
    "r = (160, -1.0)": {"r": (160, -1.0)},
    "r = (120, -1.0), short memory": {"r": (120, -1.0), "restore": False},
}


def encode(model: Any) -> Run:
    return torch.inference_mode()(lambda inputs: model.get_encoder()(**inputs))


def transcribe(model: Any) -> Run:
    return lambda inputs: model.generate(**inputs, language="en", max_new_tokens=MOST)


def timed(models: dict[str, Any], run: Callable[[Any], Run], inputs: Inputs, rounds: int) -> list[Row]:
    """Each model as often, after one run to warm up; speed-ups are against the first, round by round."""
    runs = [run(model) for model in models.values()]
    for each in runs:
        each(inputs)
    rows = [Row(name=name, seconds=each) for name, each in zip(models, time_rounds(runs, inputs, rounds), strict=True)]
    pair(rows)
    return rows


def ratio_of(row: Row) -> dict[str, float]:
    low, high = row.spread
    return {"median": row.speedup, "low": low, "high": high}


def cost(model: Any, inputs: Inputs) -> float:
    """How many times fewer multiply-adds its encoder needs."""
    with torch.inference_mode(), trace_tome(model.get_encoder()) as trace:
        model.get_encoder()(**inputs)
    return mac_ratio(trace.token_counts, *widths_of(model))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--whisper", type=Path, required=True, help="a Whisper, a folder")
    parser.add_argument("--digits", type=Path, required=True, help="the zip file of the Free Spoken Digit Dataset")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    full = [window.wave for window in windows(args.digits) if window.full and window.kind != "digits"][:WINDOWS]
    features = WhisperFeatureExtractor()(full, sampling_rate=RATE, return_tensors="pt").input_features
    inputs: Inputs = {"input_features": features}
    plain = WhisperForConditionalGeneration.from_pretrained(args.whisper).eval()
    models = {"unmerged": plain, **{name: merge(twin(plain), each) for name, each in VARIANTS.items()}}
    encoders = timed(models, encode, inputs, args.rounds)
    wholes = timed(models, transcribe, inputs, args.rounds)
    rows = {
        encoder.name: {
            "mac_ratio": 1.0 if models[encoder.name] is plain else cost(models[encoder.name], inputs),
            "encoder": ratio_of(encoder),
            "whole": ratio_of(whole),
            "seconds": sorted(whole.seconds)[len(whole.seconds) // 2] / len(full),
        }
        for encoder, whole in zip(encoders, wholes, strict=True)
    }
    results = Results(RESULTS)
    results.keep("speed", {"rows": rows, "rounds": args.rounds, "windows": len(full), "machine": machine()})
    write_page(results.found)


if __name__ == "__main__":
    main()
