"""`hf-tome tune` as a user runs it."""

from __future__ import annotations

import json
import re
import signal
import sqlite3
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from command import ENVIRONMENT, Run
from tqdm.auto import tqdm
from transformers import AutoModelForImageClassification

from hf_tome import ToMeError, apply_tome
from hf_tome.cli.tune import tune
from hf_tome.data.embedded import CLASSES, VIT, embedded_images

STORE = "hf-tome-tune.sqlite"


def own_images(folder: Path, count: int) -> Path:
    """Some of the embedded images, with their classes as folders."""
    images, labels = embedded_images()
    for number in range(count):
        place = folder / "own" / CLASSES[labels[number]].replace("/", "-")
        place.mkdir(parents=True, exist_ok=True)
        images[number].save(place / f"{number}.png")
    return folder / "own"


def test_table_line_and_saved_model(run: Run, tmp_path: Path) -> None:
    own_images(tmp_path, 10)
    options = ["--model", VIT, "--data", "own", "--target-speedup", "1.5", "--trials", "4", "--limit", "6"]
    out = run("tune", *options, "--save", "tuned")
    for word in ("On 5 inputs, chosen by", "On 5 inputs, held out", "constant", "decreasing", "accuracy", "1.50x"):
        assert word in out
    said = json.loads(re.search(r"apply_tome\(model, r=(\[.*?\])\)", out)[1])  # pyright: ignore
    model = AutoModelForImageClassification.from_pretrained(tmp_path / "tuned")
    assert str(model.dtype) == "torch.float16"  # as it came
    assert apply_tome(model).config.tome["r"] == said
    assert (tmp_path / "tuned" / "preprocessor_config.json").exists()
    assert (tmp_path / STORE).exists()


def test_interrupted_it_says_the_best_and_goes_on(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own_images(tmp_path, 4)
    options = ["tune", "--model", VIT, "--data", "own", "--target-speedup", "2", "--limit", "2"]
    update, updates = tqdm.update, []

    def interrupt(*arguments: Any, **changes: Any) -> None:
        update(*arguments, **changes)
        updates.append(changes)
        if len(updates) == 4:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(tqdm, "update", interrupt)
        out = run(*options, code=130)
    assert "Interrupted. The best of" in out
    assert "apply_tome(model, r=[" in out
    before = kept(tmp_path / STORE)
    assert before >= 4
    run(*options, "--trials", str(before))
    assert kept(tmp_path / STORE) <= before + 1  # goes on with what is there


@pytest.mark.slow
def test_interrupted_as_a_process_it_says_the_best_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own_images(tmp_path, 4)
    options = ["--model", VIT, "--data", "own", "--target-speedup", "2", "--limit", "2"]
    running = subprocess.Popen(
        [sys.executable, "-m", "hf_tome", "tune", *options], cwd=tmp_path, env=ENVIRONMENT, text=True,
        stdout=subprocess.PIPE,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # a job in the background ignores it
    )  # fmt: skip
    while kept(tmp_path / STORE) < 4:
        assert running.poll() is None
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    out = running.communicate(timeout=120)[0]
    assert running.returncode == 130
    assert "Interrupted. The best of" in out
    assert "apply_tome(model, r=[" in out
    before = kept(tmp_path / STORE)
    monkeypatch.chdir(tmp_path)
    tune(VIT, "own", target_speedup=2.0, limit=2, trials=before)
    assert kept(tmp_path / STORE) <= before + 1  # goes on with what is there


def kept(store: Path) -> int:
    """Schedules that are kept in the file."""
    try:
        return sqlite3.connect(f"file:{store}?mode=ro", uri=True).execute("SELECT count(*) FROM costs").fetchone()[0]
    except sqlite3.OperationalError:
        return 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "target_speedup, max_kl, max_drop"),
        ({"target_speedup": 2.0, "max_kl": 1.0}, "target_speedup and max_kl"),
        ({"max_drop": 0.5, "data": "bare"}, "bare with no labels"),
        ({"max_drop": 0.5, "data": "several"}, "several with several labels"),
        ({"max_kl": 1.0, "save": Path("own")}, "Got: own"),
        ({"max_kl": 1.0, "save": Path("no/such/place")}, "Got: no/such/place"),
        ({"max_kl": 1.0, "searcher": "magic"}, "greedy, optuna"),
        ({"max_kl": 1.0, "store": Path("no/such/place")}, "must be writable"),
        ({"target_speedup": 99.0}, "can be reached with 197 tokens"),
        ({"max_kl": 1.0, "data": "nowhere"}, "nowhere"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_refusals(arguments: dict[str, Any], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own_images(tmp_path, 2)
    for name in ("bare/a", "several/Bag+Dress/a"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        embedded_images()[0][0].save(tmp_path / f"{name}.png")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ToMeError, match=words):
        tune(VIT, **{"data": "own", **arguments})
