"""The small vision-language model of the recorded results, untrained."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import torch
from transformers import Dinov2Config, Dinov2Model

from benchmarks.recorded.small_vlm_model import answered, answered_with_sizes, around, prompt, reduced, small_llava
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


def test_the_tower_in_place_sees_the_same_and_tells_its_attention() -> None:
    model, questions = small_llava().eval(), [[4, 6], [4, 7], [5, 10]]
    config = Dinov2Config(hidden_size=384, num_hidden_layers=1, image_size=70, patch_size=14)
    tower = Dinov2Model._from_config(config, attn_implementation="eager").eval()
    pixels = torch.randn(3, 3, 70, 70, generator=torch.Generator().manual_seed(0))
    whole = around(model, tower)
    answers = [
        answered(each, x, questions, lambda inputs: inputs).tolist()
        for each, x in ((whole, pixels), (model, tower(pixels).last_hidden_state[:, 1:].detach()))
    ]
    assert answers[0] == answers[1]
    short = shorten(whole, prompt(pixels, questions), 0.5, method="attention")
    assert short["input_ids"].shape[1] == 1 + 12 + 2


def test_groups_are_those_of_shorten() -> None:
    model = small_llava().eval()
    short = shorten(model, prompt(features()[:1], [[4, 6]]), 0.5)
    rows, reduction = reduced(model, features()[0], 0.5)
    with torch.inference_mode():
        torch.testing.assert_close(short["mm_encoder_outputs"]["image"].pooler_output[0], reduction.apply(rows))
