"""What is kept in a file, and the key that it is found under."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from cases import SMALL_VIT

import hf_tome
from hf_tome import ToMeValueError, apply_tome
from hf_tome.measure.store import Store, run_of


def test_what_is_kept_is_found_again_by_its_own_run_alone(tmp_path: Path) -> None:
    cell = {"index": np.array([3, 1]), "kl": np.array([0.1, 1 / 3])}
    store = Store(tmp_path / "store", "a")
    store.add([("r=4", 1, cell), ("r=4", 0, cell)])
    store.add([("r=4", 1, {"index": np.array([9])})])  # one that is there stays
    store.add_costs({"r=4": {"macs": 7}})
    store.close()
    again = Store(tmp_path / "store", "a")
    assert again.done() == {("r=4", 0), ("r=4", 1)}
    (found,) = again.cells("r=4", {1})
    assert {name: values.tolist() for name, values in found.items()} == {"index": [3, 1], "kl": [0.1, 1 / 3]}
    assert again.costs() == {"r=4": {"macs": 7}}
    other = Store(tmp_path / "store", "b")
    assert not other.done()
    assert not other.costs()
    with pytest.raises(ToMeValueError, match="must be writable"):
        Store(tmp_path / "no" / "store", "a")


@pytest.mark.parametrize("content", [b"garbage" * 1000, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_file_of_something_else_is_told(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "store").write_bytes(content)
    with pytest.raises(ToMeValueError, match=r"store \(.*delete it"):
        Store(tmp_path / "store", "a").done()
    assert (tmp_path / "store").read_bytes() == content


def test_a_cell_that_is_not_whole_and_a_disk_that_is_full_are_told(tmp_path: Path) -> None:
    store = Store(tmp_path / "store", "a")
    store.add([("r=4", 0, {"index": np.arange(9)})])
    store._file.execute("PRAGMA max_page_count = 5")
    with pytest.raises(ToMeValueError, match=r"disk is full.*Make room"):
        store.add([("r=4", 1, {"index": np.arange(100000)})])
    assert store.done() == {("r=4", 0)}
    store._file.execute("UPDATE cells SET content = substr(content, 1, 50)")
    with pytest.raises(ToMeValueError, match="delete it"):
        store.cells("r=4", {0})


def test_what_is_forgotten_is_gone(tmp_path: Path) -> None:
    store = Store(tmp_path / "store", "a")
    for variant in ("r=4", "own"):
        store.add([(variant, 0, {"index": np.arange(9)})])
        store.add_costs({variant: {"macs": 7}})
    store.forget("own")
    assert store.done() == {("r=4", 0)}
    assert set(store.costs()) == {"r=4"}


def test_the_key_tells_all_that_results_depend_on(monkeypatch: pytest.MonkeyPatch) -> None:
    key = run_of(SMALL_VIT.build(), [1], [torch.ones(2)])
    assert run_of(apply_tome(SMALL_VIT.build(), r=4), [1], [torch.ones(2)]) == key  # settings of merging are apart
    others = [
        run_of(SMALL_VIT.build(seed=1), [1], [torch.ones(2)]),
        run_of(SMALL_VIT.build(implementation="eager"), [1], [torch.ones(2)]),
        run_of(SMALL_VIT.build(), [2], [torch.ones(2)]),
        run_of(SMALL_VIT.build(), [1], [torch.zeros(2)]),
    ]
    monkeypatch.setattr(hf_tome, "__version__", "0.0.0")
    others.append(run_of(SMALL_VIT.build(), [1], [torch.ones(2)]))
    assert len({key, *others}) == 6
