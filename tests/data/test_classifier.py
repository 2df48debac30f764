"""A classifier loaded with its processor: what it reads, and the inputs it makes of that."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from cases import AST, CLASSIFIERS, SMALL_VIT, VIDEOMAE, Case, each_classifier
from own_data import saved
from PIL import Image
from recordings import tone, write_clip, write_sound
from transformers import BertConfig, BertModel, SwinConfig, SwinModel, ViTConfig, ViTImageProcessorPil, ViTModel

from hf_tome import ToMeValueError, UnsupportedModelError
from hf_tome.data.classifier import load_classifier
from hf_tome.show.look import look, picture_of
from hf_tome.train.augment import Pictures


def write_media(case: Case, folder: Path) -> list[Path]:
    if case.family is AST:
        return [write_sound(folder / f"{rate}.wav", tone(0.3, rate), rate) for rate in (8000, 16000)]
    if case.family is VIDEOMAE:
        return [write_clip(folder / f"{count}.mp4", range(0, 20 * count, 20)) for count in (1, 9)]
    paths = [folder / "a.png", folder / "b.jpg"]
    for number, path in enumerate(paths):
        Image.effect_noise((40 + number, 30), 60).save(path)
    return paths


@each_classifier
@torch.no_grad()
def test_from_files_to_logits(case: Case, tmp_path: Path) -> None:
    classifier = load_classifier(str(saved(case, tmp_path)))
    media = [classifier.read(path) for path in write_media(case, tmp_path)]
    inputs = classifier.inputs(media)
    name, shape = case.family.pixels
    assert {key: tuple(value.shape) for key, value in inputs.items()} == {name: (2, *shape)}
    expected = case.build()(**inputs).logits
    torch.testing.assert_close(classifier.model(**inputs).logits, expected, rtol=0, atol=1e-6)
    assert not classifier.model.training


def test_a_sound_gives_the_same_features_at_any_rate(tmp_path: Path) -> None:
    case = next(case for case in CLASSIFIERS if case.family is AST)
    classifier = load_classifier(str(saved(case, tmp_path)))
    waves = [classifier.read(write_sound(tmp_path / f"{rate}.wav", tone(0.3, rate), rate)) for rate in (16000, 48000)]
    features = classifier.inputs(waves)["input_values"]
    loud = features[0] > 0
    assert loud.sum() > 50
    torch.testing.assert_close(features[1][loud], features[0][loud], rtol=0, atol=0.01)


def test_a_sound_shorter_than_one_window_is_filled_up(tmp_path: Path) -> None:
    case = next(case for case in CLASSIFIERS if case.family is AST)
    classifier = load_classifier(str(saved(case, tmp_path)))
    assert classifier.inputs([np.ones(1, np.float32)])["input_values"].isfinite().all()


@pytest.mark.parametrize("case", CLASSIFIERS[:1], ids=lambda case: case.name)
def test_what_cannot_be_loaded_is_named(case: Case, tmp_path: Path) -> None:
    case.build().save_pretrained(tmp_path / "model")  # without a processor
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    for name in ("model", "file", "empty", "missing"):
        with pytest.raises(ToMeValueError, match=rf"Got: .*{name}"):
            load_classifier(str(tmp_path / name))


def test_models_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    BertModel(BertConfig(**sizes, vocab_size=9)).save_pretrained(tmp_path / "bert")
    SwinModel(SwinConfig(image_size=32, embed_dim=8, depths=[1], num_heads=[1])).save_pretrained(tmp_path / "swin")
    ViTModel(ViTConfig(**sizes)).save_pretrained(tmp_path / "headless")
    with pytest.raises(UnsupportedModelError, match="model type bert"):
        load_classifier(str(tmp_path / "bert"))
    with pytest.raises(UnsupportedModelError, match="windowed attention"):
        load_classifier(str(tmp_path / "swin"))
    with pytest.raises(ToMeValueError, match=r"holds no classifier\.bias"):
        load_classifier(str(tmp_path / "headless"))


def test_a_model_of_grey_pictures(tmp_path: Path) -> None:
    """Files of colours are read in grey, in evaluation, training and pictures alike."""
    classes = {0: "day", 1: "night"}
    SMALL_VIT.build(num_channels=1, id2label=classes).save_pretrained(tmp_path)
    size = {"height": 24, "width": 24}
    ViTImageProcessorPil(size=size, image_mean=[0.4], image_std=[0.3]).save_pretrained(tmp_path)
    classifier, picture = load_classifier(str(tmp_path)), Image.effect_noise((24, 24), 60).convert("RGB")
    picture.save(tmp_path / "a.png")
    pixels = classifier.inputs([classifier.read(tmp_path / "a.png")])["pixel_values"]
    expected = (torch.from_numpy(np.asarray(picture.convert("L"))) / 255 - 0.4) / 0.3
    torch.testing.assert_close(pixels[0, 0], expected)
    assert torch.equal(Pictures(classifier.processor)(tmp_path / "a.png", None)["pixel_values"], pixels[0])
    found = look(classifier, classifier.read(tmp_path / "a.png"), 2)
    assert np.array_equal(found.scene.pixels, np.asarray(picture))
    picture_of(found)
