"""The fine-tuning examples as a user runs them, on small models and data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cases import SMALL_VIT
from recordings import write_sound
from scripts import call, launch
from transformers import AutoConfig, AutoModelForImageClassification

from hf_tome.data.embedded import embedded_images, embedded_processor


def results(folder: Path, name: str = "eval") -> dict[str, Any]:
    return json.loads((folder / f"{name}_results.json").read_text())


def own_images(place: Path, *folders: str) -> None:
    """The folder `data` of 40 images in such folders, and the folder `model` of a small ViT with its processor."""
    for number, image in enumerate(embedded_images()[0][:40]):
        path = place / "data" / "train" / folders[number % len(folders)] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path)
    SMALL_VIT.build().save_pretrained(place / "model")
    processor = embedded_processor()
    processor.size = {"height": 24, "width": 24}
    processor.save_pretrained(place / "model")


@pytest.mark.slow
def test_a_folder_and_a_model_of_ones_own(tmp_path: Path) -> None:
    """In a process of its own. Then its model is evaluated only, which changes nothing."""
    own_images(tmp_path, "cat", "dog", "rain")
    options = ("--data", "data", "--r", "[6,4]", "--use_cpu", "--bf16")
    done = launch(
        "finetune_image.py", tmp_path, *options, "--model", "model", "--output_dir", "out", "--max_steps", "2",
        "--gradient_checkpointing", "--r_warmup", "0.5",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    model = AutoModelForImageClassification.from_pretrained(tmp_path / "out")
    assert model.config.tome["r"] == [6, 4]
    assert model.config.label2id == {"cat": 0, "dog": 1, "rain": 2}
    assert "r = [6, 4], prop_attn = as the family does" in (tmp_path / "out" / "README.md").read_text()
    assert results(tmp_path / "out", "train")["train_loss"] > 0

    more = ("--model", "out", "--num_train_epochs", "0", "--output_dir", "again")
    call("finetune_image.py", tmp_path, *options, *more)
    assert results(tmp_path / "again")["eval_loss"] == pytest.approx(results(tmp_path / "out")["eval_loss"], abs=1e-6)
    assert not (tmp_path / "again" / "train_results.json").exists()


def test_images_of_several_classes(tmp_path: Path) -> None:
    own_images(tmp_path, "animals+food", "animals", "food")
    (tmp_path / "data" / "train" / "food" / "broken.png").write_text("no image")
    options = ("--model", "model", "--data", "data", "--r", "4", "--max_steps", "1", "--use_cpu", "--output_dir", "out")
    with pytest.warns(UserWarning, match=r"(?s)1 of 3\d files are left out.*broken\.png"):
        call("finetune_image.py", tmp_path, *options, "--skip_bad_files")
    assert 0 < results(tmp_path / "out")["eval_mAP"] <= 1
    config = AutoConfig.from_pretrained(tmp_path / "out")
    assert (config.label2id, config.problem_type) == ({"animals": 0, "food": 1}, "multi_label_classification")


def test_sounds_and_a_training_that_goes_on(tmp_path: Path) -> None:
    options = ("--tiny", "--r", "3", "--output_dir", "out", "--save_steps", "1", "--save_strategy", "steps")
    options += ("--eval_strategy", "steps", "--eval_steps", "1", "--max_steps")
    call("finetune_audio.py", tmp_path, *options, "1")
    call("finetune_audio.py", tmp_path, *options, "2", "--resume")
    log = json.loads((tmp_path / "out" / "checkpoint-2" / "trainer_state.json").read_text())["log_history"]
    assert [entry["step"] for entry in log if "eval_accuracy" in entry] == [1, 2]
    assert AutoConfig.from_pretrained(tmp_path / "out").tome["r"] == 3


@pytest.mark.slow
def test_videos_in_several_views(tmp_path: Path) -> None:
    options = ("--tiny", "--max_steps", "1", "--eval_strategy", "no", "--save_strategy", "no", "--output_dir", "out")
    views = ("--load_best_model_at_end", "false", "--eval_clips", "1", "--eval_crops", "2")
    call("finetune_video.py", tmp_path, *options, *views)
    assert results(tmp_path / "out")["eval_accuracy"] * 48 % 1 == pytest.approx(0, abs=1e-6)  # of videos, not of views
    assert AutoConfig.from_pretrained(tmp_path / "out").tome["r"] == 6


def test_what_is_wrong_is_said_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for script, options, said in (
        ("finetune_image.py", ("--tiny", "--r", "many"), "finetune_image: --r is written as in Python"),
        ("finetune_image.py", ("--tyni",), "finetune_image: Every option is known. Got: --tyni"),
        ("finetune_audio.py", ("--data", "empty"), "finetune_audio: --model names the model"),
        ("finetune_video.py", ("--model", "empty"), "finetune_video: A model is"),
    ):
        with pytest.raises(SystemExit, match=said):
            call(script, tmp_path, *options, "--output_dir", "out", "--use_cpu")


@pytest.mark.slow
def test_a_folder_of_sounds_with_several_classes_and_a_broken_file(tmp_path: Path) -> None:
    """The model of a first training is the checkpoint of the next. An error in a worker is told as one line too."""
    assert launch("finetune_audio.py", tmp_path, "--tiny", "--max_steps", "2", "--output_dir", "first").returncode == 0
    for number in range(24):
        path = tmp_path / "data" / ("dog", "rain", "dog+rain")[number % 3] / f"{number}.wav"
        write_sound(path, np.random.default_rng(number).normal(0, 0.1, 11025), 22050)
    (tmp_path / "data" / "dog" / "broken.wav").write_text("no sound")
    options = ("--model", "first", "--data", "data", "--r", "3", "--max_steps", "3", "--use_cpu", "--output_dir", "out")
    for workers in ("0", "1"):
        done = launch("finetune_audio.py", tmp_path, *options, "--dataloader_num_workers", workers)
        assert done.returncode == 1
        assert "finetune_audio: Every sound file must be readable. Got: data/dog/broken.wav" in done.stderr
        assert "Traceback" not in done.stderr
    done = launch("finetune_audio.py", tmp_path, *options, "--skip_bad_files", "--mixup", "0.5")
    assert done.returncode == 0, done.stderr
    assert 0 < results(tmp_path / "out")["eval_mAP"] <= 1
    assert set(AutoConfig.from_pretrained(tmp_path / "out").label2id) == {"dog", "rain"}


@pytest.mark.slow
@pytest.mark.parametrize(("script", "least"), [("finetune_audio.py", 0.8), ("finetune_video.py", 0.5)])
def test_tiny_learns(script: str, least: float, tmp_path: Path) -> None:
    call(script, tmp_path, "--tiny", "--output_dir", "out")
    assert results(tmp_path / "out")["eval_accuracy"] > least


@pytest.mark.slow
def test_tiny_learns_and_resumes_in_two_processes(tmp_path: Path) -> None:
    """One process and two with the same batch, the latter broken off and resumed, end alike."""
    options = ("--tiny", "--r", "8", "--num_train_epochs", "6", "--augment", "false")
    one = launch("finetune_image.py", tmp_path, *options, "--output_dir", "one", "--per_device_train_batch_size", "20")
    assert one.returncode == 0, one.stderr
    half = (*options, "--output_dir", "two", "--per_device_train_batch_size", "10", "--ddp_backend", "gloo")
    done = launch("finetune_image.py", tmp_path, *half, processes=2)
    assert done.returncode == 0, done.stderr
    whole = results(tmp_path / "two")
    (tmp_path / "two" / "eval_results.json").unlink()
    last = max((tmp_path / "two").glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
    (last / "trainer_state.json").write_text("")  # as if it had been killed there
    assert launch("finetune_image.py", tmp_path, *half, "--resume", processes=2).returncode == 0
    resumed, alone = results(tmp_path / "two"), results(tmp_path / "one")
    assert alone["eval_accuracy"] > 0.4
    assert resumed["eval_accuracy"] == whole["eval_accuracy"]
    assert whole["eval_accuracy"] == pytest.approx(alone["eval_accuracy"], abs=0.03)  # rounding grows over 240 steps
