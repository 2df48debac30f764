"""examples/finetune_image.py as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cases import SMALL_VIT
from transformers import AutoModelForImageClassification

from hf_tome.data.embedded import embedded_images, embedded_processor

SCRIPT = Path(__file__).parents[2] / "examples" / "finetune_image.py"


def finetune(place: Path, *options: str, processes: int = 1) -> subprocess.CompletedProcess[str]:
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes), "--"]
    command = [sys.executable, *(torchrun if processes > 1 else []), str(SCRIPT), *options]
    root = str(SCRIPT.parents[1])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HOME": str(place / "home"), "PYTHONPATH": root}
    return subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, timeout=200)


def test_a_folder_and_a_model_of_ones_own(tmp_path: Path) -> None:
    images, labels = embedded_images()
    for number in range(40):
        path = tmp_path / "data" / "train" / f"class {labels[number]}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        images[number].save(path)
    SMALL_VIT.build().save_pretrained(tmp_path / "model")
    processor = embedded_processor()
    processor.size = {"height": 24, "width": 24}
    processor.save_pretrained(tmp_path / "model")
    done = finetune(
        tmp_path, "--model", "model", "--data", "data", "--r", "6,4", "--output_dir", "out", "--max_steps", "2",
        "--use_cpu", "--gradient_checkpointing", "--bf16", "--r_warmup", "0.5",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    model = AutoModelForImageClassification.from_pretrained(tmp_path / "out")
    assert model.config.tome["r"] == [6, 4]
    assert set(model.config.label2id) == {f"class {number}" for number in labels[:40]}
    assert "| [6, 4] | default of the family | True |" in (tmp_path / "out" / "README.md").read_text()
    assert json.loads((tmp_path / "out" / "train_results.json").read_text())["train_loss"] > 0

    options = ("--model", "out", "--data", "data", "--r", "6,4", "--num_train_epochs", "0", "--use_cpu", "--bf16")
    done = finetune(tmp_path, *options, "--output_dir", "again")
    assert done.returncode == 0, done.stderr
    losses = [json.loads((tmp_path / name / "eval_results.json").read_text())["eval_loss"] for name in ("out", "again")]
    assert losses[0] == pytest.approx(losses[1], abs=1e-6)  # nothing was trained
    assert not (tmp_path / "again" / "train_results.json").exists()


def test_what_is_wrong_is_said_in_a_line(tmp_path: Path) -> None:
    done = finetune(tmp_path, "--tiny", "--r", "many", "--output_dir", "out")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "finetune_image: r is an int" in done.stderr


@pytest.mark.slow
def test_tiny_learns_and_resumes_in_two_processes(tmp_path: Path) -> None:
    """One process and two with the same batch, the latter broken off and resumed, end alike."""
    options = ("--tiny", "--r", "8", "--num_train_epochs", "6", "--augment", "false")
    one = finetune(tmp_path, *options, "--output_dir", "one", "--per_device_train_batch_size", "20")
    assert one.returncode == 0, one.stderr
    half = (*options, "--output_dir", "two", "--per_device_train_batch_size", "10", "--ddp_backend", "gloo")
    done = finetune(tmp_path, *half, processes=2)
    assert done.returncode == 0, done.stderr
    whole = json.loads((tmp_path / "two" / "eval_results.json").read_text())
    (tmp_path / "two" / "eval_results.json").unlink()
    last = max((tmp_path / "two").glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
    (last / "trainer_state.json").write_text("")  # as if it had been killed there
    assert finetune(tmp_path, *half, "--resume", processes=2).returncode == 0
    resumed = json.loads((tmp_path / "two" / "eval_results.json").read_text())
    alone = json.loads((tmp_path / "one" / "eval_results.json").read_text())
    assert alone["eval_accuracy"] > 0.4
    assert resumed["eval_accuracy"] == whole["eval_accuracy"]
    assert whole["eval_accuracy"] == pytest.approx(alone["eval_accuracy"], abs=0.03)  # rounding grows over 240 steps
