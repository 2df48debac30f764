"""Word error rate against a slow recursion, in every way that `evaluate` offers, and on bad input."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import evaluate
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_tome import ToMeValueError
from hf_tome.metrics import word_error_rate
from hf_tome.metrics.word_error_rate import WordErrorRate
from hf_tome.metrics.words import errors_between, words_of

SAID = ["the cat sat", "on the mat", ""]
RIGHT = ["The cat sat.", "upon a the mat", "it is 猫"]


def slowly(words: tuple[str, ...], right: tuple[str, ...]) -> int:
    """By the definition."""

    @cache
    def distance(i: int, j: int) -> int:
        if not i or not j:
            return i + j
        ways = distance(i - 1, j) + 1, distance(i, j - 1) + 1, distance(i - 1, j - 1) + (words[i - 1] != right[j - 1])
        return min(ways)

    return distance(len(words), len(right))


TEXTS = st.lists(st.sampled_from("abc"), max_size=7).map(tuple)


@given(TEXTS, TEXTS)
def test_errors_are_those_of_the_definition(words: tuple[str, ...], right: tuple[str, ...]) -> None:
    assert errors_between(words, right) == slowly(words, right)


def test_words_in_any_script() -> None:
    assert words_of("  «Ça va?» — 100 % [noise] 猫. ") == ["ça", "va", "100", "猫"]


def test_every_way_to_use_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evaluate.config.HF_METRICS_CACHE", str(tmp_path))
    whole = WordErrorRate().compute(predictions=SAID, references=RIGHT)
    assert whole == {"wer": 5 / 10, "errors": 5, "words": 10}
    by_path = evaluate.load(str(word_error_rate.__file__))
    assert by_path.compute(predictions=SAID, references=RIGHT) == whole
    assert (evaluate.combine([WordErrorRate()]).compute(predictions=SAID, references=RIGHT) or {})["wer"] == 0.5
    in_parts = WordErrorRate()
    for said, right in zip(SAID, RIGHT, strict=True):
        in_parts.add(prediction=said, reference=right)
    assert in_parts.compute() == whole


@pytest.mark.parametrize(
    ("said", "right"), [(SAID, RIGHT[:2]), ([1, 2], ["a", "b"]), ("abc", "abc"), (["a"], ["?!"]), ([], [])]
)
def test_what_is_no_transcript_is_refused(said: Any, right: Any) -> None:
    with pytest.raises(ToMeValueError, match="word error rate"):
        WordErrorRate().compute(predictions=said, references=right)
