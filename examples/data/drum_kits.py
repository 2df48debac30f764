"""Folders of single drum sounds by what is struck, as finetune_audio.py takes them; the tested kits are not trained on.

    python examples/data/drum_kits.py /usr/share/hydrogen/data/drumkits DRUMS

Reads the drum kits of Hydrogen (Debian packages `hydrogen-data` and `hydrogen-drumkits`): a folder each, with a
drumkit.xml that names the instrument of every sound file. Hi-hats are cymbals. Instruments of other kinds (sticks,
claps, cowbells, hand drums) are left out. Each sound is made equally loud: kits differ by how loud they were recorded.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import soundfile

HELD_OUT = ("ForzeeStereo", "Audiophob", "VariBreaks")
LONGEST = 1.5  # seconds that are kept of a sound
PEAK = 0.9  # of full scale
OTHERS = r"stick|rim ?click|clap|bell|conga|tambourine|agogo|roll"  # not a class, whatever else the name says
CLASSES = {  # the first pattern that an instrument's name fits
    "kick": r"kick|bass ?drum",
    "snare": r"snare",
    "tom": r"\btom|floor tom",
    "cymbal": r"\bhh\b|\bohh\b|\bhat\b|hi[- ]?hat|crash|ride|splash|china|cymbal",
}


def class_of(instrument: str) -> str:
    """One of CLASSES; "" where it is none of them."""
    name = instrument.lower()
    fitting = (kind for kind, pattern in CLASSES.items() if re.search(pattern, name))
    return "" if re.search(OTHERS, name) else next(fitting, "")


def sounds(kit: Path) -> Iterator[tuple[str, Path]]:
    """The class and the file of each sound of a kit."""
    for instrument in (node for node in ElementTree.parse(kit / "drumkit.xml").iter() if _tag(node) == "instrument"):
        name = next((node.text or "" for node in instrument if _tag(node) == "name"), "")
        for node in instrument.iter():
            if _tag(node) == "filename" and node.text and class_of(name) and (kit / node.text).is_file():
                yield class_of(name), kit / node.text


def _tag(node: ElementTree.Element) -> str:
    return node.tag.rpartition("}")[2]  # some kits name an XML namespace, others do not


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kits", type=Path)
    parser.add_argument("folder", type=Path)
    args = parser.parse_args()
    for kit in sorted(path.parent for path in args.kits.glob("*/drumkit.xml")):
        split, written = "test" if kit.name in HELD_OUT else "train", 0
        for kind, source in dict.fromkeys(sounds(kit)):
            wave, rate = soundfile.read(source, dtype="float32", always_2d=True)
            mono = wave[: int(LONGEST * rate)].mean(axis=1)
            target = args.folder / split / kind / f"{kit.name}-{source.stem}.wav".replace(" ", "_")
            target.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(target, PEAK * mono / max(1e-6, float(np.abs(mono).max())), rate)
            written += 1
        print(f"{kit.name}: {written} sounds, {split}")


if __name__ == "__main__":
    main()
