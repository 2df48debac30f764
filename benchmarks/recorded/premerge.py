"""Short sounds in Whisper's window of 30 s, merged before the first layer: writes a table of docs/options.md.

    python -m benchmarks.recorded.premerge --whisper WHISPER --digits FSDD_ZIP

The windows are the sparse ones of `transcription`, and so is what it needs.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from transformers import WhisperFeatureExtractor, WhisperModel

from benchmarks.pages import ROOT, machine, write_block
from benchmarks.recorded.speech import RATE, Window, windows
from benchmarks.results import Results
from hf_tome import merged, trace_tome
from hf_tome.core.macs import mac_ratio
from hf_tome.families import widths_of
from hf_tome.measure.table import markdown

BATCH, STEPS = 4, 50  # windows; tokens of a second
SETTINGS: dict[str, dict[str, Any]] = {
    "decreasing": {"r": (160, -1.0)},
    "before the first layer, 0.45": {"r": 0, "premerge": 0.45},
    "decreasing, more": {"r": (245, -1.0)},
    "before the first layer, 0.65": {"r": 0, "premerge": 0.65},
}


def drift(encoder: Any, heard: list[Window]) -> dict[str, dict[str, float]]:
    """Of each setting: MAC ratio, and the mean relative error of the tokens in which somebody speaks, and of others."""
    extractor = WhisperFeatureExtractor()
    told = {name: {"mac_ratio": 0.0, "speech": 0.0, "silence": 0.0} for name in SETTINGS}
    for start in range(0, len(heard), BATCH):
        part = heard[start : start + BATCH]
        inputs = extractor([each.wave for each in part], sampling_rate=RATE, return_tensors="pt").input_features
        with torch.inference_mode():
            plain = encoder(inputs).last_hidden_state
        for name, settings in SETTINGS.items():
            with torch.inference_mode(), merged(encoder, **settings), trace_tome(encoder) as trace:
                found = encoder(inputs).last_hidden_state
            own = told[name]
            own["mac_ratio"] = mac_ratio(trace.token_counts, *widths_of(encoder), trace.last.premerged)
            for error, window in zip((found - plain).norm(dim=-1) / plain.norm(dim=-1), part, strict=True):
                length = len(window.wave) * STEPS // RATE
                own["speech"] += error[:length].mean().item() / len(heard)
                own["silence"] += error[length:].mean().item() / len(heard)
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--whisper", type=Path, required=True, help="a Whisper, a folder")
    parser.add_argument("--digits", type=Path, required=True, help="the zip file of the Free Spoken Digit Dataset")
    args = parser.parse_args()
    encoder = WhisperModel.from_pretrained(args.whisper).eval().get_encoder()
    heard = [window for window in windows(args.digits) if not window.full]
    results = Results(ROOT / "docs/results/data/premerge.json")
    rows = []
    for name, found in drift(encoder, heard).items():
        results.keep(name, {**SETTINGS[name], **found})
        shown = ", ".join(f"{key}={value}" for key, value in SETTINGS[name].items())
        rows.append([f"`{shown}`", f"{found['mac_ratio']:.2f}x", f"{found['speech']:.3f}", f"{found['silence']:.3f}"])
    table = markdown(["settings", "MAC ratio", "error where somebody speaks", "in silence"], rows)
    source = f"Measured by `python -m benchmarks.recorded.premerge`: Whisper base, {len(heard)} windows. {machine()}"
    write_block(ROOT / "docs/options.md", "premerge", f"{table}\n\n{source}")


if __name__ == "__main__":
    main()
