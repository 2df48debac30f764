"""What a file beside the media says of them: `metadata.csv` or `metadata.jsonl`, as `datasets` knows them."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hf_tome.data.labels import Label
from hf_tome.errors import ToMeValueError, complaint

NAMES = ("metadata.csv", "metadata.jsonl")
RULE = "A metadata.csv or metadata.jsonl names a file of the folder in each row (file_name), and says something of it."


def metadata_in(folder: Path) -> Path | None:
    """The file that says something of the media in a folder."""
    return next((folder / name for name in NAMES if (folder / name).is_file()), None)


def described(table: Path, column: str | None, usual: Sequence[str]) -> tuple[list[Path], list[Label]]:
    """The files of a table in an order that mixes them, the same every time, and what a column says of each.

    Args:
        table: the metadata. Rows of one file are put together.
        column: that says it, as text, number or, in JSON lines, a list.
        usual: names of such columns: the first that is there is taken where none is given.

    Raises:
        ToMeValueError: if the table cannot be read, has no such column, or names a file that is not there.
    """
    rows = _rows(table)
    found = column or next((each for each in usual if each in rows[0]), None)
    if found not in rows[0] or "file_name" not in rows[0]:
        got = f"{table} with the columns {', '.join(rows[0])}"
        raise ToMeValueError(complaint(RULE, got, f"Name one {' or '.join(usual[:2])}, or choose with --label-column."))
    texts: dict[Path, list[Any]] = {}
    for row in rows:
        value = row.get(str(found))
        texts.setdefault(table.parent / str(row["file_name"]), []).extend(value if isinstance(value, list) else [value])
    if missing := [path for path in texts if not path.is_file()]:
        raise ToMeValueError(complaint(RULE, f"{missing[0]}, which is not there", "Correct its row, or remove it."))
    files = list(texts)
    random.Random(0).shuffle(files)
    return files, [tuple(texts[path]) for path in files]


def _rows(table: Path) -> list[dict[str, Any]]:
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            jsonl = table.suffix == ".jsonl"
            rows = [json.loads(line) for line in file if line.strip()] if jsonl else list(csv.DictReader(file))
    except (OSError, ValueError, csv.Error) as error:
        raise ToMeValueError(complaint(RULE, f"{table} ({error})", "Write it anew.")) from error
    if not rows or not all(isinstance(row, dict) for row in rows):
        raise ToMeValueError(complaint(RULE, f"{table} without such rows", "Write it anew."))
    return rows
