"""Names that are no folder and not on the hub."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import datasets
import pytest
from huggingface_hub import constants
from own_data import BY_MODALITY, labelled, rows, saved
from own_hub import NAME
from own_hub import hub as own_hub

from hf_tome import ToMeValueError
from hf_tome.data import hub
from hf_tome.data.classifier import load_classifier
from hf_tome.data.splits import Choice, splits_of


@pytest.mark.parametrize(
    ("name", "possible"),
    [
        ("mnist", True), ("google/vit-base-patch16-224", True), ("a.b/c_d", True), ("superb:ks", True),
        ("./photos", False), ("../photos", False), ("/photos", False), ("photos/", False), ("~/photos", False),
        ("a/b/c", False), ("photos\\cats", False), ("here/typo", False), ("file", False), ("my photos", False),
    ],
)  # fmt: skip
def test_what_can_be_on_the_hub(name: str, possible: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    assert hub.may_be_on_hub(name) is possible


@pytest.fixture
def deaf(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A hub that hangs up. Gives a list with an entry for each time that it is asked."""
    calls: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            while True:
                try:
                    caller, _ = server.accept()
                except OSError:
                    return
                calls.append("")
                caller.close()

        threading.Thread(target=hang_up, daemon=True).start()
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
        hub.answers.cache_clear()
        yield calls
        hub.answers.cache_clear()
        server.shutdown(socket.SHUT_RDWR)


def test_a_hub_that_does_not_answer_is_asked_once(deaf: list[str]) -> None:
    for _ in range(2):
        with pytest.raises(ToMeValueError, match=r"Got: no/such"):
            load_classifier("no/such")
        with pytest.raises(ToMeValueError, match=r"Got: no/such"):
            splits_of("no/such", Choice())
    assert len(deaf) == 1
    assert constants.HF_HUB_OFFLINE is False  # as it was before


@pytest.mark.parametrize("name", ["no/such/model", "./typo", "typo/"])
def test_a_mistyped_path_asks_nobody(name: str, deaf: list[str]) -> None:
    with pytest.raises(ToMeValueError, match="no folder"):
        load_classifier(name)
    with pytest.raises(ToMeValueError, match="no folder"):
        splits_of(name, Choice())
    assert not deaf


READ = """
import json, sys
from hf_tome import ToMeError
from hf_tome.data.classifier import load_classifier
from hf_tome.data.samples import samples_alone, samples_of
from hf_tome.train.files import load_files
name, folder = sys.argv[1:]
classifier, found = load_classifier(folder), []
for streaming in (False, True):
    for limit in (None, 4):
        samples = samples_of(name, classifier, streaming=streaming, limit=limit)
        found.append([samples.split, sorted(samples.labels.tolist()), samples.read(0).size])
    found.append(samples_alone(name, classifier, streaming=streaming).count)
    train, held_out, names = load_files(name, "image", streaming=streaming)
    found.append([len(train), len(held_out), names])
assert samples_of(f"{name}:default", classifier).count == 10
try:
    samples_of(f"{name}:typo", classifier)
except ToMeError as error:
    assert "typo" in str(error) and "default" in str(error), error
try:
    samples_of("me/typo", classifier)
except ToMeError as error:
    found.append(str(error))
print("found", json.dumps(found))
"""


@pytest.mark.slow
def test_a_data_set_of_a_hub(tmp_path: Path) -> None:
    """In a process of its own, that is told where the hub is. Each reader, streamed and not."""
    data = rows(labelled(BY_MODALITY["image"], tmp_path / "files", 10), "image").cast_column("medium", datasets.Image())
    for split in ("train", "test"):
        data.to_parquet(tmp_path / "hub" / "data" / f"{split}-00000-of-00001.parquet")
    model = saved(BY_MODALITY["image"], tmp_path / "model")
    with own_hub(tmp_path / "hub") as address:
        told = {"HF_ENDPOINT": address, "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "0"}
        command = [sys.executable, "-c", READ, NAME, str(model)]
        done = subprocess.run(command, env={**os.environ, **told}, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr
    *found, typo = json.loads(done.stdout.rpartition("found ")[2])
    whole = [["test", [0, 0, 1, 1, 2, 2, 3, 3, 4, 4], [40, 30]], 10, [10, 10, data.features["label"].names]]
    for split_whole, split_part, count, trained in (found[:4], found[4:]):
        assert [split_whole, count, trained] == whole
        assert (split_part[0], len(split_part[1])) == ("test", 4)
    assert "Got: me/typo (" in typo
