"""Words of a transcript, and how many are wrong."""

from __future__ import annotations

from collections.abc import Sequence

from transformers.models.whisper.english_normalizer import BasicTextNormalizer

_normalized = BasicTextNormalizer()


def words_of(text: str) -> list[str]:
    """The words of a text in any language, without case, punctuation and what stands in brackets (as Whisper's basic
    normaliser, arXiv 2212.04356, appendix C)."""
    return _normalized(text).split()


def errors_between(words: Sequence[str], right: Sequence[str]) -> int:
    """The fewest words to replace, insert and delete to get one from the other (Levenshtein distance)."""
    above = list(range(len(right) + 1))
    for row, word in enumerate(words, 1):
        line = [row]
        for place, other in enumerate(right):
            line.append(min(above[place] + (word != other), above[place + 1] + 1, line[place] + 1))
        above = line
    return above[-1]
