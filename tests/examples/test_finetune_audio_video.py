"""examples/finetune_audio.py and finetune_video.py as a user runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from transformers import AutoConfig, AutoModelForAudioClassification, AutoModelForVideoClassification

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(script: str, place: Path, *options: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(EXAMPLES.parent)}
    command = [sys.executable, str(EXAMPLES / script), *options]
    return subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, timeout=250)


def results(folder: Path) -> dict[str, float]:
    return json.loads((folder / "eval_results.json").read_text())


def test_audio_learns_tones(tmp_path: Path) -> None:
    done = run("finetune_audio.py", tmp_path, "--tiny", "--r", "3", "--output_dir", "out")
    assert done.returncode == 0, done.stderr
    assert results(tmp_path / "out")["eval_accuracy"] > 0.8
    assert AutoModelForAudioClassification.from_pretrained(tmp_path / "out").config.tome["r"] == 3
    assert "Token merging" in (tmp_path / "out" / "README.md").read_text()


@pytest.mark.slow
def test_a_folder_of_sounds_with_several_classes_and_a_broken_file(tmp_path: Path) -> None:
    """The model of a first training is the checkpoint of the next."""
    assert run("finetune_audio.py", tmp_path, "--tiny", "--max_steps", "2", "--output_dir", "first").returncode == 0
    for number in range(24):
        path = tmp_path / "data" / ("dog", "rain", "dog+rain")[number % 3] / f"{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.random.default_rng(number).normal(0, 0.1, 11025), 22050)
    (tmp_path / "data" / "dog" / "broken.wav").write_text("no sound")
    options = ("--model", "first", "--data", "data", "--r", "3", "--max_steps", "3", "--use_cpu", "--output_dir", "out")
    for workers in ("0", "1"):
        done = run("finetune_audio.py", tmp_path, *options, "--dataloader_num_workers", workers)
        assert done.returncode == 1
        assert "finetune_audio: Every sound file must be readable. Got: data/dog/broken.wav" in done.stderr
        assert "Traceback" not in done.stderr
    done = run("finetune_audio.py", tmp_path, *options, "--skip_bad_files", "--mixup", "0.5")
    assert done.returncode == 0, done.stderr
    assert "1 of" in done.stderr
    assert 0 < results(tmp_path / "out")["eval_mAP"] <= 1
    assert set(AutoConfig.from_pretrained(tmp_path / "out").label2id) == {"dog", "rain"}


@pytest.mark.slow
def test_video_learns_motion_and_resumes(tmp_path: Path) -> None:
    options = ("--tiny", "--r", "6", "--output_dir", "out", "--eval_clips", "2", "--eval_crops", "2")
    done = run("finetune_video.py", tmp_path, *options)
    assert done.returncode == 0, done.stderr
    assert results(tmp_path / "out")["eval_accuracy"] > 0.5  # four classes
    assert AutoModelForVideoClassification.from_pretrained(tmp_path / "out").config.tome["r"] == 6
    done = run("finetune_video.py", tmp_path, *options, "--resume")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("script", ["finetune_audio.py", "finetune_video.py"])
def test_what_is_wrong_is_said_in_a_line(script: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = run(script, tmp_path, "--data", "empty", "--output_dir", "out")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "The data is a folder with" in done.stderr
