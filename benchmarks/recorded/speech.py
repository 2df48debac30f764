"""Speech with known text in windows of 30 s: full ones, and ones that are mostly silence.

Four kinds: spoken digits (Free Spoken Digit Dataset, its test takes), telephone prompts (Debian's
`asterisk-core-sounds-en-wav`, and `asterisk-core-sounds-en` with their text), sentences made up here and spoken by
Debian's `espeak-ng`, and sentences of an audio book (Debian's `pocketsphinx-testdata`).
"""

from __future__ import annotations

import gzip
import random
import re
import subprocess
import zipfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from hf_tome.data.sound import read_sound

RATE = 16000  # samples per second
FULL, SPARSE, PAUSE = 29.0, 4.0, 0.25  # seconds: at most; at least; between utterances
LONGEST = 6.0  # seconds of a prompt
SPEAKERS = 4  # of the digits
PROMPTS = Path("/usr/share/asterisk/sounds/en_US_f_Allison")
PROMPTS_TEXT = Path("/usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz")
BOOK = Path("/usr/share/pocketsphinx/test/data/librivox")
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
VOICES = ("en-us", "en-gb", "en-us+f3", "en-gb-scotland")
WHO = ("The old sailor", "My younger sister", "A tired doctor", "The new teacher", "Our neighbour", "A quiet farmer")
DID = ("carried a heavy box", "left two letters", "found a small dog", "sold some fresh bread", "painted a yellow door")
WHERE = ("across the market", "behind the station", "near the river", "under the wooden bridge", "beside the church")
WHEN = ("on Monday morning", "after the storm", "before the train arrived", "last winter", "while it was raining")


@dataclass(frozen=True)
class Utterance:
    """A sound, (samples,) at 16 kHz, and what is said in it."""

    text: str
    wave: np.ndarray


@dataclass(frozen=True)
class Window:
    """What the model hears at once, at most 30 s.

    Attributes:
        kind: of the speech.
        full: whether speech fills it; else most of it is silence.
        text: what is said.
        wave: (samples,) at 16 kHz; the rest of the 30 s is silence.
    """

    kind: str
    full: bool
    text: str
    wave: np.ndarray


def windows(digits: Path) -> list[Window]:
    """All windows; `digits` is the zip file of the Free Spoken Digit Dataset."""
    strings = [window for said in spoken_digits(digits)[:SPEAKERS] for window in _windows("digits", said, 1, 1)]
    return [
        *strings,
        *_windows("prompts", prompts(), 5, 4),
        *_windows("synthetic", synthetic(), 4, 4),
        *_windows("book", book(), 1, 5),
    ]


def spoken_digits(file: Path) -> list[list[Utterance]]:
    """The test takes (0 to 4) of each speaker, in random order."""
    with zipfile.ZipFile(file) as archive:
        names = [re.fullmatch(r".*/(\d)_(\w+)_[0-4]\.wav", name) for name in sorted(archive.namelist())]
        found: dict[str, list[Utterance]] = {}
        for name in filter(None, names):
            wave, _ = read_sound(BytesIO(archive.read(name[0])), RATE)
            found.setdefault(name[2], []).append(Utterance(DIGITS[int(name[1])], wave))
    return [random.Random(speaker).sample(said, len(said)) for speaker, said in found.items()]


def prompts() -> list[Utterance]:
    """Prompts of a telephone exchange that are sentences, in random order."""
    lines = [line.split(": ", 1) for line in gzip.decompress(PROMPTS_TEXT.read_bytes()).decode().splitlines()]
    texts = {name: text for name, text in (line for line in lines if len(line) == 2) if len(text) > 40}
    said = [
        Utterance(text, read_sound(path, RATE)[0])
        for name, text in sorted(texts.items())
        if not re.search(r"\[|\.\.\.", text) and (path := PROMPTS / f"{name}.wav").exists()  # no tones, no fragments
    ]
    short = [each for each in said if len(each.wave) < LONGEST * RATE]
    return random.Random(0).sample(short, len(short))


def synthetic() -> list[Utterance]:
    """Made-up sentences in four voices."""
    draw = random.Random(0)
    texts = [f"{' '.join(map(draw.choice, (WHO, DID, WHERE, WHEN)))}." for _ in range(100)]
    with TemporaryDirectory() as folder:
        file = Path(folder) / "said.wav"
        said = []
        for number, text in enumerate(texts):
            voice = VOICES[number // 10 % len(VOICES)]
            subprocess.run(["espeak-ng", "-v", voice, "-w", str(file), text], check=True)
            said.append(Utterance(text, read_sound(file, RATE)[0]))
    return said


def book() -> list[Utterance]:
    """Sentences that a person reads aloud."""
    lines = re.findall(r"<s> (.*) </s> \((.*)\)", (BOOK / "transcription").read_text())
    return [Utterance(text, read_sound(BOOK / f"{name}.wav", RATE)[0]) for text, name in lines]


def _windows(kind: str, said: list[Utterance], full: int, sparse: int) -> list[Window]:
    """So many windows of each sort, in both the utterances in order."""
    return [
        Window(kind, fills, " ".join(each.text for each in group), _joined(group))
        for fills, count in ((True, full), (False, sparse))
        for group in _groups(said, fills)[:count]
    ]


def _groups(said: list[Utterance], full: bool) -> list[list[Utterance]]:
    """Utterances that follow each other: as many as a window holds, or as few as give some seconds."""
    groups: list[list[Utterance]] = [[]]
    for each in said:
        length = len(_joined([*groups[-1], each])) / RATE
        if length > FULL or (not full and groups[-1] and len(_joined(groups[-1])) / RATE >= SPARSE):
            groups.append([])
        groups[-1].append(each)
    return groups


def _joined(said: list[Utterance]) -> np.ndarray:
    """One after the other, with a pause after each."""
    pause = np.zeros(int(PAUSE * RATE), np.float32)
    return np.concatenate([part for each in said for part in (each.wave, pause)])
