"""The small vision-language model of the recorded results, untrained."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import torch

from benchmarks.recorded.small_vlm_model import answered, answered_with_sizes, prompt, reduced, small_llava
from benchmarks.recorded.small_vlm_scenes import WORDS, pixels_of, scenes
from hf_tome import shorten
from hf_tome.data.embedded import ASSETS


def features(tokens: int = 25) -> torch.Tensor:
    return torch.randn(3, tokens, 384, generator=torch.Generator().manual_seed(0)).half()


def test_scenes_and_their_questions(tmp_path: Path) -> None:
    for part in ("images-idx3", "labels-idx1"):
        shutil.copy(ASSETS / f"fashion-mnist-test-1000-{part}-ubyte.gz", tmp_path / f"t10k-{part}-ubyte.gz")
    shown = scenes(tmp_path, "t10k", 4)
    assert pixels_of(shown, 70).shape == (4, 3, 70, 70)
    for scene in shown:
        assert scene.contents.count("number") == 1
        words = [[WORDS[each] for each in answer] for _, answer in scene.turns()]
        assert words == [*([each] for each in scene.contents), list(scene.number)]
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(shown, scenes(tmp_path, "t10k", 4), strict=True))


def test_sizes_of_one_change_nothing() -> None:
    model, questions = small_llava().eval(), [[4, 6], [4, 7], [5, 10]]
    whole = answered(model, features(), questions, lambda inputs: shorten(model, inputs, 1.0))
    assert whole.tolist() == answered_with_sizes(model, features(), questions, 1.0).tolist()


def test_groups_are_those_of_shorten() -> None:
    model = small_llava().eval()
    short = shorten(model, prompt(features()[:1], [[4, 6]]), 0.5)
    rows, reduction = reduced(model, features()[0], 0.5)
    with torch.inference_mode():
        torch.testing.assert_close(short["mm_encoder_outputs"]["image"].pooler_output[0], reduction.apply(rows))
