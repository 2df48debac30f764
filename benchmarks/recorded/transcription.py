"""What merging costs a pretrained Whisper base: wrong words, and words that change. Writes results/transcription.md.

    python -m benchmarks.recorded.transcription RUNS --whisper WHISPER --digits FSDD_ZIP

WHISPER is what `pretrained_whisper` made, FSDD_ZIP the Free Spoken Digit Dataset; `benchmarks/recorded/speech.py` says
what else is needed. Finished batches are kept in the folder RUNS. `--page` only writes the page.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from rich.progress import track
from transformers import WhisperFeatureExtractor, WhisperForConditionalGeneration, WhisperTokenizer
from transformers.models.whisper.english_normalizer import EnglishTextNormalizer

from benchmarks.pages import ROOT, machine
from benchmarks.recorded.speech import RATE, Window, windows
from benchmarks.recorded.transcription_page import FULL, SPARSE, write_page
from benchmarks.results import Results
from hf_tome import apply_tome, remove_tome, trace_tome
from hf_tome.core.macs import mac_ratio
from hf_tome.families import widths_of
from hf_tome.metrics.words import errors_between

RESULTS = ROOT / "docs/results/data/transcription.json"
BATCH, MOST = 6, 200  # windows; new tokens
SPELLINGS = {"neighbour": "neighbor"}  # of Whisper's own list what is needed here
SETTINGS: dict[str, dict[str, Any]] = {
    "off": {"r": 0},
    "decreasing/120": {"r": (120, -1.0)},
    "decreasing/160": {"r": (160, -1.0)},
    "constant/170": {"r": 170},
    "short/120": {"r": (120, -1.0), "restore": False},
    "constant/227": {"r": 227},
    "no prop_attn/120": {"r": (120, -1.0), "prop_attn": False},
}


def merge(model: Any, settings: dict[str, Any]) -> Any:
    """The same Whisper, merging. With `restore=False` in its encoder alone: the decoder does not know of it."""
    apply_tome(model if settings.get("restore", True) else model.get_encoder(), **settings)
    return model


def transcribe(model: Any, tokenizer: WhisperTokenizer, features: torch.Tensor) -> list[str]:
    """What the model hears, by greedy decoding."""
    generated = model.generate(features, language="en", max_new_tokens=MOST)
    return tokenizer.batch_decode(generated, skip_special_tokens=True)


def hear(model: Any, tokenizer: WhisperTokenizer, heard: list[Window], runs: Results) -> None:
    """Transcripts with each setting, batch by batch."""
    extractor = WhisperFeatureExtractor()
    for name, settings in SETTINGS.items():
        merge(model, settings)
        for start in track(range(0, len(heard), BATCH), name):
            key = f"{name}/{start // BATCH}"
            if key in runs.found:
                continue
            waves = [window.wave for window in heard[start : start + BATCH]]
            features = extractor(waves, sampling_rate=RATE, return_tensors="pt").input_features
            with trace_tome(model.get_encoder()) as trace:
                texts = transcribe(model, tokenizer, features)
            runs.keep(key, {"texts": texts, "counts": trace.token_counts})
        remove_tome(model)


def words_of(text: str) -> list[str]:
    """Its words as Whisper's own evaluation compares them; numbers digit by digit."""
    spaced = re.sub(r"(\d)", r" \1 ", EnglishTextNormalizer(SPELLINGS)(text))
    return re.sub(r"\bone\b", "1", spaced).split()  # the normaliser leaves it as a word where it stands alone


def summary(heard: list[Window], runs: Results, widths: tuple[int, int]) -> dict[str, Any]:
    """Of each setting: its cost, and errors in each kind of speech, in full windows and in others."""
    texts: dict[str, list[str]] = {name: [] for name in SETTINGS}
    counts: dict[str, list[int]] = {}
    for name in SETTINGS:
        for start in range(0, len(heard), BATCH):
            found = runs.found[f"{name}/{start // BATCH}"]
            texts[name] += found["texts"]
            counts[name] = found["counts"]
    return {
        name: {
            **settings,
            "counts": counts[name],
            "mac_ratio": mac_ratio(counts[name], *widths),
            "groups": errors(heard, texts[name], texts["off"]),
        }
        for name, settings in SETTINGS.items()
    }


def errors(heard: list[Window], texts: list[str], plain: list[str]) -> dict[str, Counter[str]]:
    """Words said, and of them wrong; words that the unmerged model heard, and of them changed. By kind of window."""
    groups: dict[str, Counter[str]] = {}
    for window, text, before in zip(heard, texts, plain, strict=True):
        right, own, unmerged = map(words_of, (window.text, text, before))
        group = groups.setdefault(f"{FULL if window.full else SPARSE}/{window.kind}", Counter())
        group["windows"] += 1
        group["words"] += len(right)
        group["errors"] += errors_between(own, right)
        group["heard"] += len(unmerged)
        group["changed"] += errors_between(own, unmerged)
    return groups


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, help="folder for what is finished")
    parser.add_argument("--whisper", type=Path, help="a Whisper, a folder")
    parser.add_argument("--digits", type=Path, help="the zip file of the Free Spoken Digit Dataset")
    parser.add_argument("--page", action="store_true", help="only write the page")
    args = parser.parse_args()
    results = Results(RESULTS)
    if not args.page:
        args.runs.mkdir(parents=True, exist_ok=True)
        runs = Results(args.runs / "transcripts.json")
        model = WhisperForConditionalGeneration.from_pretrained(args.whisper).eval()
        heard = windows(args.digits)
        hear(model, WhisperTokenizer.from_pretrained(args.whisper), heard, runs)
        results.keep("transcription", {"rows": summary(heard, runs, widths_of(model)), "machine": machine()})
    write_page(results.found)


if __name__ == "__main__":
    main()
