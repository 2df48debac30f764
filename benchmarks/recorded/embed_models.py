"""Put the AST and the VideoMAE of the recorded trainings, with test sounds and clips, into the package.

    python -m benchmarks.recorded.embed_models RUNS --samples /usr/share/sonic-pi/samples

RUNS is the folder of the recorded trainings. Of the cases `drums` and `sprites`, one that is not done there leaves
its model and its files as they are. `--samples` are the sounds of Sonic Pi (Debian package `sonic-pi-samples`, CC0):
none of them is in a drum kit that the model was trained on.
"""

from __future__ import annotations

import argparse
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from transformers import (
    AutoFeatureExtractor,
    AutoModelForAudioClassification,
    AutoModelForVideoClassification,
    VideoMAEImageProcessorPil,
)

from hf_tome.data.embedded import AST, CLIPS, SOUNDS, VIDEOMAE
from hf_tome.data.waves import resampled

RATE, LONGEST, PEAK = 16000, 1.5, 0.9  # samples per second; seconds; of full scale
STRUCK = {  # which samples are what
    "kick": r"bd_.*|drum_heavy_kick|drum_bass_(hard|soft)|elec_(hollow|soft)_kick",
    "snare": r"sn_.*|drum_snare_(hard|soft)|elec_(filt_|hi_|lo_|mid_)?snare",
    "tom": r"drum_tom_.*|elec_fuzz_tom",
    "cymbal": r"drum_cymbal_.*|drum_splash_.*|elec_cymbal",
}
CLIPS_OF_A_CLASS = 10


def write_sounds(samples: Path) -> None:
    """The test sounds: 16 kHz, mono, FLAC."""
    for kind, pattern in STRUCK.items():
        (SOUNDS / kind).mkdir(parents=True, exist_ok=True)
        for source in sorted(path for path in samples.glob("*.flac") if re.fullmatch(pattern, path.stem)):
            wave, rate = soundfile.read(source, dtype="float32", always_2d=True)
            mono = resampled(wave[: int(LONGEST * rate)].mean(axis=1), rate, RATE)
            loud = PEAK * mono / np.abs(mono).max()  # as the sounds that the model was trained on
            soundfile.write(SOUNDS / kind / source.name, loud, RATE, subtype="PCM_16")


def write_clips(data: Path) -> None:
    """The first test clips of each class."""
    for folder in sorted((data / "test").iterdir()):
        (CLIPS / folder.name).mkdir(parents=True, exist_ok=True)
        for source in sorted(folder.iterdir())[:CLIPS_OF_A_CLASS]:
            shutil.copy(source, CLIPS / folder.name)


def embed(auto: Any, processor: Any, source: Path, target: str) -> None:
    """The model in half precision, with its processor."""
    model = auto.from_pretrained(source).half()
    del model.config.tome  # trained without merging
    model.save_pretrained(target)
    processor.from_pretrained(source).save_pretrained(target)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--samples", type=Path, required=True)
    args = parser.parse_args()
    sounds, clips = args.runs / "drums/r0-seed0", args.runs / "sprites/r0-seed0"
    if sounds.exists():
        embed(AutoModelForAudioClassification, AutoFeatureExtractor, sounds, AST)
        write_sounds(args.samples)
    if clips.exists():
        embed(AutoModelForVideoClassification, VideoMAEImageProcessorPil, clips, VIDEOMAE)
        write_clips(args.runs / "sprites/data")


if __name__ == "__main__":
    main()
