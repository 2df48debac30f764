"""`hf-tome train` on models and files of a user's own: each modality, each option, Ctrl-C, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from command import Run, hf_tome
from own_data import BY_MODALITY, labelled, saved, two_classes
from transformers import AutoConfig, AutoModelForImageClassification, ViTImageProcessorPil

from hf_tome import apply_tome
from hf_tome.train.augment import Pictures
from hf_tome.train.callback import ToMeCallback
from hf_tome.train.files import load_files

QUICK = ("--max-steps", "2", "--use-cpu", "--disable-tqdm", "true")


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder with a tiny ViT and 20 images."""
    saved(BY_MODALITY["image"], tmp_path / "model")
    labelled(BY_MODALITY["image"], tmp_path / "data", 20)
    return tmp_path


def train(run: Run, *options: str, code: int = 0) -> str:
    return run("train", "--model", "model", "--data", "data", *QUICK, *options, code=code)


def metrics(folder: Path, name: str = "eval") -> dict[str, Any]:
    return json.loads((folder / f"{name}_results.json").read_text())


def log(folder: Path) -> list[dict[str, Any]]:
    return json.loads((folder / "checkpoint-2" / "trainer_state.json").read_text())["log_history"]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return dict(AutoModelForImageClassification.from_pretrained(folder).state_dict())


def test_help_fits_a_screen_and_the_rest_is_behind_help_all(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    short = run("train", "--help")
    monkeypatch.setenv("COLUMNS", "80")
    lines = run("train", "--help").splitlines()
    assert len(lines) < 45
    assert max(map(len, lines)) <= 80
    for word in ("Merging", "--r ", "--lora", "--mixup", "--learning-rate", "--resume", "--help-all"):
        assert word in short
    assert "--adam_beta1" not in short
    assert "--adam_beta1" in run("train", "--help-all")


@pytest.mark.parametrize("modality", ["image", "audio", pytest.param("video", marks=pytest.mark.slow)])
def test_the_model_says_what_is_trained(modality: str, run: Run, tmp_path: Path) -> None:
    case = BY_MODALITY[modality]
    saved(case, tmp_path / "model")
    labelled(case, tmp_path / "data", 8)
    out = train(run, "--output-dir", "out", "--logging-steps", "1", "--r", "[3,2]")
    assert "r=[3, 2]: " in out
    assert "x as fast as with r=0" in out
    assert AutoConfig.from_pretrained(tmp_path / "out").tome["r"] == [3, 2]
    card = (tmp_path / "out" / "README.md").read_text()
    assert "token-merging" in card
    assert "a fine-tuned version of `model` on the data dataset" in card
    assert "https://huggingface.co/" not in card
    assert "base_model" not in card  # a folder is none
    first = next(each for each in log(tmp_path / "out") if "loss" in each)
    assert first["tome_speedup"] > 0
    assert first["tome_tokens_2"] == first["tome_tokens_0"] - 5
    assert 0 <= metrics(tmp_path / "out")["eval_accuracy"] <= 1


def test_a_head_for_the_same_classes_is_kept_in_its_order(run: Run, own: Path) -> None:
    """Folders come in the order of the alphabet, the model's classes need not."""
    AutoModelForImageClassification.from_pretrained(
        own / "model", id2label={number: f"class {4 - number}" for number in range(5)}
    ).save_pretrained(own / "turned")
    for path in (own / "model").glob("preprocessor*"):
        shutil.copy(path, own / "turned")
    options = ("--data", "data", "--num-train-epochs", "0", "--use-cpu", "--r", "2", "--output-dir", "out")
    run("train", "--model", "turned", *options)
    labels = AutoConfig.from_pretrained(own / "out").id2label
    assert [labels[number] for number in range(5)] == [f"class {4 - number}" for number in range(5)]
    data = load_files(own / "data", "image", 42)[1]
    model = AutoModelForImageClassification.from_pretrained(own / "turned")
    read = Pictures(ViTImageProcessorPil.from_pretrained(own / "turned"))
    apply_tome(model, r=2).eval()
    with torch.no_grad():
        answers = [model(read(file, None)["pixel_values"][None]).logits.argmax().item() for file in data.files]
    right = [label == (4 - answer,) for label, answer in zip(data.labels, answers, strict=True)]
    assert metrics(own / "out")["eval_accuracy"] == pytest.approx(sum(right) / len(right))


def test_without_r_half_of_what_would_merge_all_away_or_as_saved(run: Run, own: Path) -> None:
    train(run, "--output-dir", "out")
    assert AutoConfig.from_pretrained(own / "out").tome["r"] == 37 // 8  # 37 tokens, 4 layers
    model = AutoModelForImageClassification.from_pretrained(own / "model")
    apply_tome(model, r=2, prop_attn=False).save_pretrained(own / "model")
    train(run, "--output-dir", "out")
    saved_with = AutoConfig.from_pretrained(own / "out").tome
    assert (saved_with["r"], saved_with["prop_attn"]) == (2, False)


def test_the_head_alone(run: Run, own: Path) -> None:
    train(run, "--freeze-backbone", "--learning-rate", "0.1", "--output-dir", "out")
    before, after = weights(own / "model"), weights(own / "out")
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"classifier.weight", "classifier.bias"}


def test_adapters_become_part_of_the_weights(run: Run, own: Path) -> None:
    pytest.importorskip("peft", reason="adapters need peft")
    train(run, "--lora", "2", "--learning-rate", "0.1", "--output-dir", "out")
    before, after = weights(own / "model"), weights(own / "out")
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert {name.rpartition(".")[0] for name in changed} > {"classifier"}
    assert not any("norm" in name or "embeddings" in name for name in changed)
    assert AutoConfig.from_pretrained(own / "out").tome["r"] == 4


def test_fewer_samples_variation_and_one_label(run: Run, own: Path) -> None:
    """Blended labels are shares of classes; the metric stays accuracy."""
    train(run, "--max-train-samples", "6", "--mixup", "0.9", "--rand-augment", "9", "--output-dir", "out")
    assert metrics(own / "out", "train")["epoch"] == 2  # a step takes all of them
    assert 0 <= metrics(own / "out")["eval_accuracy"] <= 1


def test_images_with_several_labels_have_a_mean_average_precision(run: Run, own: Path) -> None:
    shutil.rmtree(own / "data")
    labelled(BY_MODALITY["image"], own / "data", 40, two_classes)
    train(run, "--mixup", "0.5", "--output-dir", "out")
    assert 0 <= metrics(own / "out")["eval_mAP"] <= 1
    assert AutoConfig.from_pretrained(own / "out").problem_type == "multi_label_classification"


def test_ctrl_c_says_how_to_go_on(run: Run, own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    steps = ("--save-strategy", "steps", "--eval-strategy", "steps", "--save-steps", "1", "--eval-steps", "1")
    with monkeypatch.context() as patch:
        patch.setattr(ToMeCallback, "on_step_begin", interrupt)
        assert "No checkpoint was written yet" in train(run, "--output-dir", "out", code=130)
    with monkeypatch.context() as patch:
        patch.setattr(ToMeCallback, "on_save", interrupt)
        out = train(run, *steps, "--output-dir", "out", code=130)
    assert "Interrupted after 1 of 2 steps" in out
    assert "--resume goes on from out/checkpoint-1" in out
    train(run, *steps, "--output-dir", "out", "--resume")
    assert [each["step"] for each in log(own / "out") if "eval_accuracy" in each] == [1, 2]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--lern-rate", "1"), "Got: --lern-rate 1. Is --learning_rate meant?"),
        (("--learning-rate", "fast"), "argument --learning_rate"),
        (("--save-strategy", "steps"), "must fit together"),
        (("--report-to", "nothing"), "must fit together"),
        (("--push-to-hub",), "no token of the hub"),
        (("--per-device-train-batch-size", "0"), "batch_size is at least 1"),
        (("--seed", "-1"), "seed is at least 0"),
        (("--r", "8,16"), "--r '[8,16]'"),
        (("--r", "many"), "as in Python"),
        (("--model", "swin"), "A model is"),
        (("--data", "empty"), "a folder with images"),
        (("--mixup", "2"), "0 to 1"),
        (("--rand-augment", "11"), "strength of 0 to 10"),
    ],
)
def test_refusals(options: tuple[str, ...], said: str, run: Run, own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hf_tome.measure.card.get_token", lambda: None)
    (own / "empty").mkdir()
    assert said in train(run, "--output-dir", "out", *options, code=2)
    assert not (own / "out" / "README.md").exists()


def test_without_peft_adapters_name_the_cure(run: Run, own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "peft", None)
    assert 'pip install "hf_tome[lora]"' in train(run, "--lora", "4", code=2)


@pytest.mark.slow
def test_an_error_in_a_worker_is_one_line(own: Path) -> None:
    """In a process of its own, as a user runs it."""
    (own / "data" / "class 0" / "broken.png").write_text("no image")
    options = ("--model", "model", "--data", "data", *QUICK, "--dataloader-num-workers", "1", "--output-dir", "out")
    out = hf_tome("train", *options, cwd=own, code=2)
    assert "Error: Every image file must be readable" in out
    assert "broken.png" in out
