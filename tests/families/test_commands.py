"""The commands take a saved classifier of any family, or say why not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import transformers as tf
from PIL import Image
from row import CORE, LAYERS, SPEECH, WAVE, two
from typer.testing import CliRunner
from zoo import ZOO

from hf_tome import ToMeError
from hf_tome.cli.commands import app

IMAGES = {"size": {"height": 16, "width": 16}}
WHISPER = {**SPEECH, "num_mel_bins": 80, "max_source_positions": 50, "vocab_size": 40, "pad_token_id": 1}
CLASSIFIERS: dict[str, tuple[Any, Any, Any]] = {
    "dinov2": (tf.Dinov2ForImageClassification, lambda: tf.Dinov2Config(**CORE), tf.ViTImageProcessor),
    "clip": (tf.CLIPForImageClassification, two(tf.CLIPConfig), tf.ViTImageProcessor),
    "whisper": (
        tf.WhisperForAudioClassification,
        lambda: tf.WhisperConfig(**WHISPER),
        lambda **_: tf.WhisperFeatureExtractor(feature_size=80, chunk_length=1),
    ),
    "wav2vec2": (
        tf.Wav2Vec2ForSequenceClassification,
        lambda: tf.Wav2Vec2Config(**WAVE, classifier_proj_size=8),
        lambda **_: tf.Wav2Vec2FeatureExtractor(return_attention_mask=True),
    ),
}

# Older versions of transformers have some of them with other layers.
PRESENT = [name for name in CLASSIFIERS if name in {row.model_type for row in ZOO}]


def run(*arguments: str) -> str:
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, list(arguments))
    if result.exception is not None:
        raise result.exception
    return result.output


def saved(name: str, folder: Path) -> str:
    model, config, processor = CLASSIFIERS[name]
    model(config()).save_pretrained(folder)
    processor(**IMAGES).save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize("name", PRESENT)
def test_bench_on_a_saved_classifier(name: str, tmp_path: Path) -> None:
    out = run("bench", "--model", saved(name, tmp_path), "--r", "2", "--batch", "1", "--rounds", "1")
    assert "MAC ratio" in out


@pytest.mark.skipif("wav2vec2" not in PRESENT, reason="another layer in this version")
def test_waves_of_different_lengths(tmp_path: Path) -> None:
    from hf_tome.data.classifier import load_classifier

    classifier = load_classifier(saved("wav2vec2", tmp_path))
    inputs = classifier.inputs([np.ones(900, np.float32), np.ones(500, np.float32)])
    assert inputs["attention_mask"].sum(1).tolist() == [900, 500]
    assert classifier.model(**inputs).logits.shape == (2, 2)


def test_a_picture_of_tokens_that_are_patches(tmp_path: Path) -> None:
    picture = tmp_path / "in.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8)).save(picture)
    run("show", str(picture), "--model", saved("clip", tmp_path / "model"), "--out", str(tmp_path / "out.png"))
    assert (tmp_path / "out.png").exists()


def test_a_picture_of_tokens_that_are_none(tmp_path: Path) -> None:
    import soundfile

    sound = tmp_path / "in.wav"
    soundfile.write(sound, np.random.default_rng(0).normal(size=16_000) / 9, 16_000)
    with pytest.raises(ToMeError, match="frequency, time"):
        run("show", str(sound), "--model", saved("whisper", tmp_path / "model"))


@pytest.mark.parametrize("name", ["siglip", "moonshine"])
def test_a_model_that_is_no_classifier(name: str, tmp_path: Path) -> None:
    row = next(row for row in ZOO if row.model_type == name)
    row.build().save_pretrained(tmp_path)
    if name == "siglip":  # transformers would give it a head with random weights
        with pytest.raises(ToMeError, match=r"processor|classifier"):
            run("bench", "--model", str(tmp_path))
        return
    with pytest.raises(ToMeError, match="needs a classifier"):
        run("bench", "--model", str(tmp_path))


def test_detection_tokens_at_the_end_do_not_count() -> None:
    from hf_tome.data.encoder import Encoder
    from hf_tome.measure.variants import even_steps

    row = next(row for row in ZOO if row.model_type == "yolos")
    assert even_steps(Encoder(row.build(), None, "image"), row.inputs(), 1) == [17 // (2 * LAYERS)]
