"""What the page says of a file: what the model sees in it with merging and without, and how fast."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hf_tome.data.classifier import Classifier, load_classifier
from hf_tome.measure.row import Row
from hf_tome.measure.speed import measure
from hf_tome.show.look import Look, classifier_for, kind_of, look

SCHEDULES = {"constant": 0.0, "decreasing": -1.0, "increasing": 1.0}  # inflection by name
ROUNDS = 9  # of a measurement


class Models:
    """The classifier for each kind of input: the user's own for what it takes, else the one inside the package.

    Args:
        own: hub name or folder of the user's.

    Raises:
        ToMeValueError, UnsupportedModelError: if the user's cannot be loaded or merged.
    """

    def __init__(self, own: str | None = None) -> None:
        given = [] if own is None else [load_classifier(own)]
        self._loaded: dict[str, Classifier] = {each.modality: each for each in given}

    def open(self, path: Path) -> Look:
        """What the model of its kind says of a file, without merging. Models are loaded when first asked for.

        Raises:
            ToMeValueError: if the file is of no kind that can be read, or there is nothing in it.
            MissingExtraError: without the extra that reads it.
        """
        kind = kind_of(path)
        if kind not in self._loaded:
            self._loaded[kind] = classifier_for(kind, None)
        classifier = self._loaded[kind]
        return look(classifier, classifier.read(path), 0, path.name)


def setting(r: int, schedule: str) -> int | tuple[int, float]:
    """r as `apply_tome` takes it, for a name in `SCHEDULES`."""
    return (r, SCHEDULES[schedule]) if SCHEDULES[schedule] else r


def largest_r(plain: Look) -> int:
    """With more than this in each layer, no token would be left to merge before the last."""
    counts = plain.trace.token_counts
    return counts[0] // (len(counts) - 1)


def timed(plain: Look, r: Any) -> list[Row]:
    """The model without merging, then with it, by turns on this one input."""
    return measure(plain.classifier.model, plain.classifier.inputs([plain.medium]), [r], rounds=ROUNDS)


def table(plain: Look, merged: Look, rows: list[Row] | None = None) -> str:
    """Both side by side, in Markdown; `rows`, what `timed` gives, come later, as they take longer."""
    counts = [found.trace.token_counts for found in (plain, merged)]
    lines = [
        ("", "without merging", "merged"),
        ("---", "---", "---"),
        ("prediction", plain.label, f"**{merged.label}**"),
        ("confidence", f"{plain.confidence:.1%}", f"**{merged.confidence:.1%}**"),
        ("tokens left", str(counts[0][-1]), f"**{counts[1][-1]}**"),
        ("time for this input", *(("measuring", "measuring") if rows is None else map(_milliseconds, rows))),
        ("speed-up", "", "measuring" if rows is None else _speed(rows[1])),
        ("times fewer multiply-adds", "", "measuring" if rows is None else f"{rows[1].mac_ratio:.2f}x"),
    ]
    text = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    note = "" if rows is None else f" Times are of {rows[0].inputs} rounds by turns, this input alone in its batch."
    return f"{text}\n\nTokens layer by layer: {', '.join(map(str, counts[1]))}.{note}"


def _milliseconds(row: Row) -> str:
    return f"{1000 / row.per_second:.1f} ms"


def _speed(row: Row) -> str:
    low, high = row.spread
    return f"**{row.speedup:.2f}x** ({low:.2f} to {high:.2f})"
