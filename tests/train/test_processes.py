"""Trainings in processes of their own: killed and resumed, and in several at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sharded
from cases import SMALL_VIDEO, SMALL_VIT, Case
from child import run
from training import Noise, arguments, losses

from hf_tome import apply_tome
from hf_tome.train import ToMeTrainer

HERE = Path(__file__).parent
SAVES = {"save_strategy": "steps", "save_steps": 2}


def launch(script: str, argument: Path, processes: int = 1, limit: float = 120) -> int:
    """Run a script of this folder, under torchrun if in several processes. Gives the exit code; no process outlives it.

    Raises:
        subprocess.TimeoutExpired: after `limit` seconds.
    """
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
    command = [sys.executable, *(torchrun if processes > 1 else []), str(HERE / script), str(argument)]
    paths = os.pathsep.join([str(HERE), str(HERE.parent), str(HERE.parents[1])])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", "PYTHONPATH": paths}
    child = subprocess.Popen(command, env=environment, start_new_session=True)
    try:
        return child.wait(limit)
    finally:
        if child.poll() is None:  # the whole group: torchrun's children too
            os.killpg(child.pid, signal.SIGKILL)
            child.wait(30)


def ordered(folder: Path, **order: Any) -> Path:
    """The order as a file; the child writes into `folder`."""
    folder.mkdir(exist_ok=True)
    path = folder / "order.json"
    path.write_text(json.dumps({"folder": str(folder), **order}))
    return path


def found_in(folder: Path) -> Any:
    return json.loads((folder / "found.json").read_text())


def test_killed_and_resumed_it_goes_on_as_if_nothing_had_been(tmp_path: Path) -> None:
    order: dict[str, Any] = {"warmup": 4, "settings": SAVES, "model": {"hidden_dropout_prob": 0.1}}
    whole = run({**order, "folder": str(tmp_path / "whole")})
    assert launch("child.py", ordered(tmp_path / "killed", **order, kill_at=3)) == -signal.SIGKILL
    assert not (tmp_path / "killed" / "found.json").exists()
    resumed = run({**order, "folder": str(tmp_path / "killed"), "resume": True})
    assert resumed == whole
    assert len(whole["losses"]) == 5


@pytest.mark.filterwarnings("ignore:.*gradient_checkpointing:FutureWarning")  # renamed in a version after 5.17
@pytest.mark.parametrize("case", [SMALL_VIT, SMALL_VIDEO], ids=lambda case: case.name)
def test_gradient_checkpointing_leaves_the_losses_as_they_are(case: Case, tmp_path: Path) -> None:
    found = []
    for checkpointing in (False, True):
        model = apply_tome(case.build(hidden_dropout_prob=0.1), r=4)
        wanted = arguments(tmp_path, 3, gradient_checkpointing=checkpointing)
        trainer = ToMeTrainer(model, wanted, train_dataset=Noise(case))
        trainer.train()
        assert model.is_gradient_checkpointing == checkpointing
        found.append(losses(trainer))
    assert found[0] == found[1]


@pytest.mark.slow
@pytest.mark.parametrize("several", [False, True], ids=["one label", "several labels"])
def test_two_processes_learn_as_one(several: bool, tmp_path: Path) -> None:
    """The same samples in each step: 8 in one process, 4 in each of two.

    The gradient of a key's bias is 0 but for rounding, which depends on the batch. With its usual epsilon Adam makes
    whole steps of that, and a bias that attention does not feel moves the keys that tokens are matched by.
    """
    order: dict[str, Any] = {"warmup": 2, "several": several, "evaluated": 16}
    alone: dict[str, Any] = {"adam_epsilon": 1e-4, "per_device_train_batch_size": 8}
    one = run({**order, "folder": str(tmp_path / "one"), "settings": alone})
    shared = {**alone, "per_device_train_batch_size": 4, "ddp_backend": "gloo"}
    two = ordered(tmp_path / "two", **order, settings=shared)
    assert launch("child.py", two, processes=2) == 0
    found = found_in(tmp_path / "two")
    assert (one["processes"], found["processes"]) == (1, 2)
    assert found["losses"] == pytest.approx(one["losses"], rel=1e-5)
    assert found["metrics"] == pytest.approx(one["metrics"], rel=1e-5)
    assert found["tokens"] == one["tokens"]


@pytest.mark.slow
def test_two_processes_killed_and_resumed(tmp_path: Path) -> None:
    """The evaluation set is no multiple of the batches; the metrics count each sample once all the same."""
    order: dict[str, Any] = {"evaluated": 11, "model": {"hidden_dropout_prob": 0.1}}
    order["settings"] = {**SAVES, "ddp_backend": "gloo"}
    assert launch("child.py", ordered(tmp_path / "whole", **order), processes=2) == 0
    assert launch("child.py", ordered(tmp_path / "killed", **order, kill_at=3), processes=2) != 0
    assert launch("child.py", ordered(tmp_path / "killed", **order, resume=True), processes=2) == 0
    whole = found_in(tmp_path / "whole")
    assert found_in(tmp_path / "killed") == whole
    assert (whole["metrics"]["eval_accuracy"] * 11) % 1 == pytest.approx(0, abs=1e-6)


@pytest.mark.slow
def test_fsdp2_in_two_processes_learns_as_one(tmp_path: Path) -> None:
    alone = sharded.train(SMALL_VIT.build().train(), slice(None), lambda loss: loss)
    assert launch("sharded.py", tmp_path, processes=2) == 0
    for (loss, tokens), (expected, counts) in zip(found_in(tmp_path), alone, strict=True):
        assert loss == pytest.approx(expected, rel=1e-5)
        assert tokens == counts
