"""What the recorded trainings run: data, model, settings. A case is data."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from benchmarks.pages import ROOT
from benchmarks.recorded.training_models import coarse_ast, coarse_videomae, fine_ast, fine_videomae

MAKERS = ROOT / "examples/data"
FSDD, KITS, FASHION, VIT = "--fsdd", "--kits", "--fashion", "--vit"  # where users keep what a case needs


@dataclass(frozen=True)
class Case:
    """One data set and one model.

    Attributes:
        name: of its folder and its rows.
        title: for people.
        script: examples/finetune_SCRIPT.py.
        metric: what the script reports.
        source: the option that names what the data is made of; "" if it needs nothing.
        maker: the script in examples/data that writes the data, with its options.
        files: how many it writes to train on, and to test on.
        coarse: makes the untrained model; None if a pretrained one is given by `--vit`.
        fine: grows the model after the first training.
        first: epochs of that first training, without merging.
        epochs: of each training after it.
        rs: values of r beside 0: about 1.5 and 2 times fewer multiply-adds.
        seeds: each training runs once with each.
        rate: learning rate after the first training.
        options: of the script, beside those that are the same for all cases.
    """

    name: str
    title: str
    script: str
    metric: str
    source: str
    maker: tuple[str, ...]
    files: tuple[int, int]
    coarse: Callable[[Path], None] | None
    fine: Callable[[Path, Path], None] | None
    first: int
    epochs: int
    rs: tuple[int, int]
    seeds: tuple[int, ...] = (0,)
    rate: float = 5e-4
    options: Mapping[str, float] = field(default_factory=dict)

    def make_data(self, folder: Path, source: str | None) -> list[str]:
        """The command that writes the data into `folder`."""
        script, *options = self.maker
        return [sys.executable, str(MAKERS / script), *([source] if source else []), str(folder), *options]


digits = partial(coarse_ast, rate=8000, frames=96, mean=-1.1, spread=2.8)
drums = partial(coarse_ast, rate=16000, frames=128, mean=-4.3, spread=5.6)
sprites = partial(coarse_videomae, side=64)
DIGITS, CLIPS = "spoken_digits.py", ("moving_sprites.py", "--train", "500", "--test", "100")

CASES = (
    Case("digits", "Spoken digits, official split", "audio", "accuracy", FSDD, (DIGITS,), (2700, 300), digits, fine_ast,
         15, 5, (13, 20), (0, 1, 2)),
    Case("sprites", "Moving sprites", "video", "accuracy", "", CLIPS, (2000, 400), sprites, fine_videomae, 8, 1,
         (51, 75)),
    Case("speakers", "Spoken digits, unseen speakers", "audio", "accuracy", FSDD, (DIGITS, "--split", "speakers"),
         (2000, 1000), digits, fine_ast, 25, 5, (13, 20), (0, 1, 2), options={"speed": 0.15}),
    Case("drums", "Drum sounds, unseen kits", "audio", "accuracy", KITS, ("drum_kits.py",), (415, 112), drums, fine_ast,
         60, 25, (17, 27), (0, 1, 2), options={"speed": 0.3}),
    Case("mixtures", "One to three digits at once", "audio", "mAP", FSDD, (DIGITS, "--split", "mixtures"), (3000, 500),
         digits, fine_ast, 30, 3, (13, 20)),
    Case("clothes", "Fashion-MNIST, pretrained ViT-S/14", "image", "accuracy", FASHION, ("fashion_folder.py",),
         (2000, 1000), None, None, 0, 2, (3, 5), rate=4e-5),
)  # fmt: skip
STILL = Case("still", "Moving sprites, one frame repeated", "video", "accuracy", "", (*CLIPS, "--still"), (2000, 400),
             sprites, None, 4, 0, (0, 0))  # fmt: skip
