"""Finished measurements, kept in a file, so that none is made twice."""

from __future__ import annotations

import hashlib
import io
import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
import transformers
from torch import nn

import hf_tome
from hf_tome.errors import ToMeValueError, complaint
from hf_tome.measure.compare import twin

Cell = dict[str, np.ndarray]  # what one variant gave on one batch

TABLES = """
CREATE TABLE IF NOT EXISTS cells (run TEXT, variant TEXT, batch INTEGER, content BLOB,
                                  PRIMARY KEY (run, variant, batch));
CREATE TABLE IF NOT EXISTS costs (run TEXT, variant TEXT, content TEXT, PRIMARY KEY (run, variant));
"""


class Store:
    """Cells of one run, in an SQLite file. Each write is atomic, also under `kill -9`.

    Args:
        path: of the file, made where there is none; None keeps all in memory.
        run: tells model, data and settings. Cells of other runs stay in the file and are not seen.

    Raises:
        ToMeValueError: if the file cannot be opened. Methods too: if it holds something else, or the disk is full.
    """

    def __init__(self, path: Path | None, run: str) -> None:
        self.path, self.run = path, run
        with self._open():
            self._file = sqlite3.connect(path or ":memory:")
            self._file.executescript(TABLES)

    @contextmanager
    def _open(self) -> Iterator[None]:
        """Inside this block, errors of the file become a ToMeValueError."""
        try:
            yield
        except (sqlite3.Error, ValueError, BadZipFile) as error:
            rule = "Finished pieces are kept in a file of hf_tome's own that must be writable."
            cure = "Make room, delete it, or choose another folder."
            raise ToMeValueError(complaint(rule, f"{self.path} ({error})", cure)) from error

    def done(self) -> set[tuple[str, int]]:
        """The pairs of variant and batch that are there."""
        with self._open():
            return set(self._file.execute("SELECT variant, batch FROM cells WHERE run = ?", (self.run,)))

    def batches(self, variant: str) -> set[int]:
        """The numbers of the batches on which a variant is done."""
        return {batch for other, batch in self.done() if other == variant}

    def forget(self, variant: str) -> None:
        """Delete what is kept of a variant: no cache key tells what a function of the user's own does."""
        with self._open(), self._file:
            for table in ("cells", "costs"):
                self._file.execute(f"DELETE FROM {table} WHERE run = ? AND variant = ?", (self.run, variant))

    def add(self, cells: list[tuple[str, int, Cell]]) -> None:
        """Keep cells, all of them or none. One that is there already stays."""
        rows = [(self.run, variant, batch, _packed(cell)) for variant, batch, cell in cells]
        with self._open(), self._file:
            self._file.executemany("INSERT OR IGNORE INTO cells VALUES (?, ?, ?, ?)", rows)

    def cells(self, variant: str, batches: set[int]) -> list[Cell]:
        """The cells of one variant, in the order of the batches."""
        query = "SELECT content FROM cells WHERE run = ? AND variant = ? AND batch = ?"
        with self._open():
            found = (self._file.execute(query, (self.run, variant, batch)).fetchone() for batch in sorted(batches))
            return [_unpacked(content) for (content,) in filter(None, found)]

    def costs(self) -> dict[str, dict[str, Any]]:
        """What was measured on one batch alone, by variant."""
        query = "SELECT variant, content FROM costs WHERE run = ?"
        with self._open():
            return {variant: json.loads(content) for variant, content in self._file.execute(query, (self.run,))}

    def add_costs(self, costs: dict[str, dict[str, Any]]) -> None:
        """Keep what was measured on one batch alone, by variant."""
        rows = [(self.run, variant, json.dumps(content)) for variant, content in costs.items()]
        with self._open(), self._file:
            self._file.executemany("INSERT OR REPLACE INTO costs VALUES (?, ?, ?)", rows)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def run_of(model: nn.Module, settings: Any, tensors: Iterable[torch.Tensor] = ()) -> str:
    """The cache key of a run: another one where its results may differ. It is made of the versions, the model's
    weights, attention and config without the settings of merging, `settings` (plain data), and `tensors`."""
    plain: Any = twin(model)
    config = {**plain.config.to_dict(), "tome": None, "attention": plain.config._attn_implementation}
    known = [hf_tome.__version__, transformers.__version__, config, settings]
    digest = hashlib.sha256(json.dumps(known, default=str).encode())
    for tensor in (*plain.state_dict().values(), *tensors):
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _packed(cell: Cell) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **cell)  # pyright: ignore
    return buffer.getvalue()


def _unpacked(content: bytes) -> Cell:
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return dict(arrays)
