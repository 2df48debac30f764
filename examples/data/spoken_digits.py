"""Folders of the Free Spoken Digit Dataset, as finetune_audio.py takes them: official split, unseen speakers, mixtures.

    python examples/data/spoken_digits.py fsdd.zip DIGITS --split speakers

`fsdd.zip` holds recordings/DIGIT_SPEAKER_TAKE.wav, as github.com/Jakobovski/free-spoken-digit-dataset does.
`official` tests on takes 0 to 4; `speakers` on two speakers who are not trained on; `mixtures` writes clips in which
one to three digits are spoken at once, of the takes of the official split: a folder 1+7 holds those with a one and a
seven. Each sound is made equally loud: two of the six speakers were recorded ten times more quietly than the others.
"""

from __future__ import annotations

import argparse
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from tqdm.auto import tqdm

HELD_OUT = ("theo", "yweweler")
CLIP = 8000  # samples of a mixture: a second
PEAK = 0.9  # of full scale


@dataclass(frozen=True)
class Recording:
    """One spoken digit: a waveform (samples,) at `rate`."""

    digit: str
    speaker: str
    take: int
    wave: np.ndarray
    rate: int


def recordings(archive: Path) -> Iterator[Recording]:
    """All of them, in the order of their names."""
    with zipfile.ZipFile(archive) as files:
        for name in tqdm(sorted(name for name in files.namelist() if name.endswith(".wav")), desc="reading"):
            digit, speaker, take = Path(name).stem.split("_")
            yield Recording(digit, speaker, int(take), *soundfile.read(io.BytesIO(files.read(name)), dtype="float32"))


def split_of(recording: Recording, by_speaker: bool) -> str:
    """ "train" or "test"."""
    return "test" if (recording.speaker in HELD_OUT if by_speaker else recording.take < 5) else "train"


def write(path: Path, wave: np.ndarray, rate: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, PEAK * wave / max(1e-6, float(np.abs(wave).max())), rate)


def mixture(parts: list[Recording], chance: np.random.Generator) -> np.ndarray:
    """(CLIP,) the recordings at once, each somewhere in the clip, equally loud."""
    mixed = np.zeros(CLIP, dtype=np.float32)
    for part in parts:
        wave = part.wave[:CLIP] / max(1e-6, float(np.sqrt(np.mean(part.wave**2))))
        start = int(chance.integers(CLIP - len(wave) + 1))
        mixed[start : start + len(wave)] += wave
    return mixed


def write_mixtures(folder: Path, sources: list[Recording], count: int, chance: np.random.Generator) -> None:
    """Clips of one to three different digits."""
    digits = sorted({each.digit for each in sources})
    by_digit = {digit: [each for each in sources if each.digit == digit] for digit in digits}
    for number in tqdm(range(count), desc=f"{folder.name} mixtures"):
        chosen = sorted(chance.choice(digits, size=int(chance.integers(1, 4)), replace=False))
        parts = [by_digit[digit][int(chance.integers(len(by_digit[digit])))] for digit in chosen]
        write(folder / "+".join(chosen) / f"{number:04}.wav", mixture(parts, chance), sources[0].rate)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--split", choices=("official", "speakers", "mixtures"), default="official")
    parser.add_argument("--train", type=int, default=3000, help="mixtures to train on")
    parser.add_argument("--test", type=int, default=500, help="mixtures to evaluate on")
    parser.add_argument("--seed", type=int, default=0, help="of the mixtures")
    args = parser.parse_args()
    found = [(each, split_of(each, args.split == "speakers")) for each in recordings(args.archive)]
    if args.split == "mixtures":
        chance = np.random.default_rng(args.seed)
        for split, count in (("train", args.train), ("test", args.test)):
            write_mixtures(args.folder / split, [each for each, its in found if its == split], count, chance)
        return
    for each, split in found:
        write(args.folder / split / each.digit / f"{each.speaker}_{each.take}.wav", each.wave, each.rate)


if __name__ == "__main__":
    main()
