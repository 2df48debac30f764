"""`hf-tome eval` as a user runs it: its files, its options, interrupted, killed, and in several processes."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from command import Run, hf_tome
from huggingface_hub import ModelCard
from own_data import BY_MODALITY, labelled, saved, two_classes
from PIL import Image
from typer.testing import CliRunner, Result

from hf_tome import ToMeConfig, ToMeError
from hf_tome.cli.commands import app
from hf_tome.cli.evaluate import grid
from hf_tome.measure.plot import tradeoff
from hf_tome.measure.row import Report, Row
from hf_tome.measure.sweep import sweep

COUNT = 7
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", "HF_HUB_OFFLINE": "1"}


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder with a tiny ViT and images."""
    saved(BY_MODALITY["image"], tmp_path / "vit")
    labelled(BY_MODALITY["image"], tmp_path / "images", COUNT)
    return tmp_path


def call(folder: Path, monkeypatch: pytest.MonkeyPatch, *options: str) -> Result:
    """The command in this process."""
    monkeypatch.chdir(folder)
    return CliRunner().invoke(app, ["eval", *options])


def results(folder: Path) -> list[tuple[Any, ...]]:
    """What must not depend on how often or in how many processes it ran."""
    report = json.loads((folder / "report.json").read_text())
    return [(row["name"], row["metric"], row["interval"], row["agreement"], row["kl"]) for row in report["rows"]]


def test_files_and_a_second_call(own: Path, run: Run) -> None:
    options = ["--model", "vit", "--data", "images", "--r", "4,(3, -1.0)", "--set", "prop_attn=on,off", "--batch", "3"]
    out = run("eval", *options, "--out", "new/out", "--card", "README.md")
    for word in (
        "r=4, prop_attn=on",
        "r=(3, -1.0), prop_attn=off",
        "accuracy",
        "7 images",
        "Report: new/out/report.md",
    ):
        assert word in out
    folder = own / "new" / "out"
    before = json.loads((folder / "report.json").read_text())
    assert [row["r"] for row in before["rows"]] == [None, 4, 4, [3, -1.0], [3, -1.0]]
    with (folder / "report.csv").open() as file:
        assert [float(row["metric"]) for row in csv.DictReader(file)] == [row["metric"] for row in before["rows"]]
    assert Image.open(folder / "report.png").width > 500
    assert (folder / "report.md").read_text().count("\n| ") == 7
    card = ModelCard.load(own / "README.md")
    assert [each.metric_name for each in card.data.eval_results or []][1] == "accuracy, r=4, prop_attn=on"
    assert "model-index:" in (folder / "model-index.yaml").read_text()
    run("eval", *options, "--r", "2", "--out", "new/out")  # two more variants
    after = json.loads((folder / "report.json").read_text())
    assert len(after["rows"]) == 7
    assert [row["seconds"] for row in after["rows"][1:3]] == [row["seconds"] for row in before["rows"][1:3]]


def test_changed_answers_and_reports_beside_each_other(own: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    options = ["--model", "vit", "--data", "images", "--batch", "3"]
    out = run("eval", *options, "--r", "4,6", "--log-samples", "--out", "a")
    with (own / "a" / "changed.csv").open() as file:
        changed = list(csv.DictReader(file))
    assert f"Changed answers: {len(changed)}, in a/changed.csv" in out
    assert all((own / "images" / row["sample"]).is_file() and row["unmerged"] != row["merged"] for row in changed)
    run("eval", *options, "--r", "6", "--limit", "3", "--out", "b")
    assert not (own / "b" / "changed.csv").exists()
    out = run("compare", "a/report.json", "b")
    assert "a: a/report.json, " in out
    assert "b: b, " in out
    assert "Not the same data" in out
    first, second = results(own / "a")[2], results(own / "b")[1]
    (line,) = [line for line in out.splitlines() if line.strip().startswith("r=6")]
    change = f"{100 * (second[1] - first[1]):+.1f}"
    assert re.search(rf"r=6 +{first[1]:.1%} \S.* {second[1]:.1%} \S.* {re.escape(change)} ", line), line
    assert "Not the same data" not in run("compare", "a", "a")
    assert "A report is" in run("compare", "a", "vit/config.json", code=2)
    monkeypatch.setenv("COLUMNS", "80")  # the terminal of most
    out = run("eval", *options, "--r", "4", "--set", "prop_attn=off", "--out", "a")
    assert re.search(r"\n r=4, .*\n prop_attn=off ", out)
    assert "…" not in out


@pytest.mark.slow
def test_baselines_stand_beside_the_variants(own: Path, run: Run) -> None:
    options = ["--model", "vit", "--data", "images", "--r", "6", "--batch", "3", "--baselines"]
    out = run("eval", *options)
    assert "unmerged, compiled" in out
    assert "unmerged, 20 px" in out
    assert Image.open(own / "hf-tome-eval" / "report.png").width > 500
    assert "--task classification" in run("eval", *options, "--task", "retrieval", code=2)


def test_labels_of_a_plot_do_not_collide(own: Path) -> None:
    rows = [Row(r, f"r={r}", {}, seconds=[1.0], inputs=10 + r % 3, speedups=[1.0], metric=0.5) for r in range(9)]
    rows.insert(0, Row(None, "unmerged", seconds=[1.0], inputs=9, speedups=[1.0], metric=0.5))
    report = Report("some/vit", "data/food", "", None, "", "image", "accuracy", 10, {}, samples=10, rows=rows)
    figure = tradeoff(report)
    assert figure.get_suptitle() == "vit on food: 10 images"
    texts = [each.get_window_extent() for each in figure.axes[0].texts]
    assert len(texts) == 9
    assert not any(a.overlaps(b) for a, b in combinations(texts, 2))


def test_the_grid_of_variants() -> None:
    assert grid(["8,16", "0.1"], None) == [ToMeConfig(8), ToMeConfig(16), ToMeConfig(0.1)]
    assert grid(["(16, -1.0)", "[12, 0, 7]"], None) == [ToMeConfig((16, -1.0)), ToMeConfig([12, 0, 7])]
    both = grid(["8"], ["prop_attn=off,none", "metric=k, x"])
    assert both == [ToMeConfig(8, prop_attn=p, metric=m) for p in (False, None) for m in ("k", "x")]
    assert grid(["8"], ["premerge=0.5,20"]) == [ToMeConfig(8, premerge=share) for share in (0.5, 20)]
    assert grid(["8"], ["partition=random", "seed=3"]) == [ToMeConfig(8, partition="random", seed=3)]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--r", "many"], "as in Python"),
        (["--r", "-3"], "r is an int"),
        (["--r", "4", "--set", "prop_attn"], "FIELD=VALUE"),
        (["--r", "4", "--set", "speed=9"], "The settings are"),
        (["--r", "4", "--set", "prop_attn=maybe"], "prop_attn is True"),
        (["--out", "vit/config.json"], "must be writable"),
        (["--push"], "a folder"),
        (["--data", "vit"], "a folder with images"),
        (["--data", "nowhere"], "data set on the hub"),
        (["--model", "images"], "A model is"),
        (["--device", "toaster"], "toaster"),
        (["--split", "no"], "which is no folder"),
    ],
)
def test_refusals(options: list[str], said: str, own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    defaults = {"--model": "vit", "--data": "images"}
    given = [part for name, value in defaults.items() if name not in options for part in (name, value)]
    error = call(own, monkeypatch, *given, *options).exception
    assert isinstance(error, ToMeError)
    assert said in str(error)


def test_files_that_are_none(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (own / "images" / "class 0" / "text.png").write_text("no image")
    options = ["--model", "vit", "--data", "images", "--batch", "3"]
    assert "text.png" in str(call(own, monkeypatch, *options).exception)
    with pytest.warns(UserWarning, match=r"text\.png"):
        out = call(own, monkeypatch, *options, "--skip-bad-files").output
    assert "7 images, 1 left out" in out
    assert out.count("r=") == 5  # steps of its own
    (own / "images" / "cats").mkdir()
    (own / "images" / "class 0" / "0.png").rename(own / "images" / "cats" / "0.png")
    assert "no class for cats" in str(call(own, monkeypatch, *options).exception)
    (own / "loose").mkdir()
    (own / "images" / "class 1" / "1.png").rename(own / "loose" / "1.png")
    assert "No label is known" in call(own, monkeypatch, *options[:2], "--data", "loose", "--r", "4").output


@pytest.mark.slow
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL])
def test_interrupted_or_killed_it_goes_on(ending: signal.Signals, own: Path) -> None:
    labelled(BY_MODALITY["image"], own / "images", 60)
    options = ["eval", "--model", "vit", "--data", "images", "--r", "4", "--batch", "1", "--out", "out"]
    command = [sys.executable, "-m", "hf_tome", *options]
    run = subprocess.Popen(command, cwd=own, env=ENVIRONMENT, preexec_fn=listen)
    try:
        while count(own / "out" / "finished.sqlite") < 20:
            assert run.poll() is None, "it ended before it could be stopped"
            time.sleep(0.01)
        run.send_signal(ending)
        assert run.wait(60) == {signal.SIGINT: 130, signal.SIGKILL: -signal.SIGKILL}[ending]
    finally:
        run.kill()
    done = count(own / "out" / "finished.sqlite")
    assert 20 <= done < 120
    if ending is signal.SIGINT:
        assert 10 <= json.loads((own / "out" / "report.json").read_text())["samples"] < 60
    kept = seconds(own / "out" / "finished.sqlite")
    assert "60 images" in hf_tome(*options, cwd=own)
    assert kept.items() <= seconds(own / "out" / "finished.sqlite").items()
    whole = sweep(str(own / "vit"), own / "images", [4], batch_size=1, progress=False)
    assert results(own / "out") == [(r.name, r.metric, list(r.interval or ()), r.agreement, r.kl) for r in whole.rows]


def listen() -> None:
    """A shell in the background starts processes that ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def count(store: Path) -> int:
    return len(seconds(store))


def seconds(store: Path) -> dict[tuple[str, int], bytes]:
    """The cells that are finished, as they are kept."""
    if not store.exists():
        return {}
    file = sqlite3.connect(store)
    try:
        rows = file.execute("SELECT variant, batch, content FROM cells").fetchall()
    except sqlite3.OperationalError:  # no table yet
        rows = []
    finally:
        file.close()
    return {(variant, batch): content for variant, batch, content in rows}


@pytest.mark.slow
@pytest.mark.parametrize("processes", [2, 3])
@pytest.mark.parametrize("modality", BY_MODALITY)
def test_several_processes_give_what_one_gives(modality: str, processes: int, tmp_path: Path) -> None:
    """With one label and several; 7 samples in batches of 2 divide by neither 2 nor 3; two files cannot be read."""
    saved(BY_MODALITY[modality], tmp_path / "model")
    labelled(BY_MODALITY[modality], tmp_path / "data", COUNT, *([] if modality == "video" else [two_classes]))
    suffix = {"image": "png", "audio": "wav", "video": "mp4"}[modality]
    for name in "ab":
        (next((tmp_path / "data").iterdir()) / f"{name}.{suffix}").write_text("broken")
    options = ["eval", "--model", "model", "--data", "data", "--r", "4", "--batch", "2", "--skip-bad-files"]
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
    command = [sys.executable, *torchrun, "-m", "--", "hf_tome", *options, "--out", "several"]
    done = subprocess.run(command, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Report: several/report.md") == 1
    hf_tome(*options, "--out", "one", cwd=tmp_path)
    several, one = results(tmp_path / "several"), results(tmp_path / "one")
    assert [row[:-1] for row in several] == [row[:-1] for row in one]
    # torchrun gives each process one thread: the model's sums round otherwise
    assert [row[-1] for row in several] == pytest.approx([row[-1] for row in one], rel=1e-5, abs=1e-9)
    report = json.loads((tmp_path / "several" / "report.json").read_text())
    assert (report["samples"], report["left_out"], report["machine"]["processes"]) == (COUNT, 2, processes)
