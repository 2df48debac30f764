"""Names that are no folder and not on the hub."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from hf_tome import ToMeValueError
from hf_tome.data import hub
from hf_tome.data.classifier import load_classifier
from hf_tome.data.splits import splits_of


@pytest.mark.parametrize(
    ("name", "possible"),
    [
        ("mnist", True), ("google/vit-base-patch16-224", True), ("a.b/c_d", True),
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
            splits_of("no/such")
    assert len(deaf) == 1
    assert constants.HF_HUB_OFFLINE is False  # as it was before


@pytest.mark.parametrize("name", ["no/such/model", "./typo", "typo/"])
def test_a_mistyped_path_asks_nobody(name: str, deaf: list[str]) -> None:
    with pytest.raises(ToMeValueError, match="no folder"):
        load_classifier(name)
    with pytest.raises(ToMeValueError, match="no folder"):
        splits_of(name)
    assert not deaf
