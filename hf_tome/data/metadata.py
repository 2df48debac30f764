"""What a file beside the media says of them: a metadata file, as `datasets` knows it."""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hf_tome.data.labels import Label
from hf_tome.errors import ToMeValueError, complaint, extra

NAMES = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
RULE = f"A {' or '.join(NAMES)} names a file of the folder in each row (file_name), and says something of it."


def is_metadata(path: Path) -> bool:
    """Whether a file is one by its name."""
    return path.name in NAMES


def metadata_in(folder: Path) -> Path | None:
    """The file that says something of the media in a folder. It may lie beside the folder of a split."""
    places = (folder, folder.parent) if (folder.parent / "train").is_dir() else (folder,)
    return next((place / name for place in places for name in NAMES if (place / name).is_file()), None)


def described(
    table: Path, folder: Path, column: str | None, usual: Sequence[str], optional: bool = False, absent: bool = False
) -> tuple[list[Path], list[Label | None]] | None:
    """The files of a table in an order that mixes them, the same every time, and what a column says of each.

    Args:
        table: the metadata. Rows of one file are put together.
        folder: of a table beside it, only what is said of its own files is taken.
        column: that says it, as text, number or, in JSON lines and Parquet, a list.
        usual: names of such columns: the first that is there is taken where none is given.
        optional: whether the table may say nothing. None is returned then.
        absent: whether files may be missing: whoever reads them leaves them out.

    Returns:
        The label of a file of which nothing is said is None.

    Raises:
        ToMeValueError: if the table cannot be read, has no such column, or names a file that is not there.
    """
    rows = _rows(table)
    name = next((each for each in rows[0] if each == "file_name" or each.endswith("_file_name")), None)
    found = column or next((each for each in usual if each in rows[0]), None)
    if found is None and optional:
        return None
    if found not in rows[0] or name is None:
        got = f"{table} with the columns {', '.join(rows[0])}"
        raise ToMeValueError(complaint(RULE, got, f"Name one {' or '.join(usual[:2])}, or choose with --label-column."))
    said: dict[Path, list[Any] | None] = {}
    for row in rows:
        value, path = row.get(str(found)), table.parent / str(row.get(name)).replace("\\", "/")  # of Windows
        if table.parent != folder and folder not in path.parents:
            continue
        if value in (None, ""):
            said.setdefault(path, None)
        else:
            said[path] = [*(said.get(path) or []), *(value if isinstance(value, list) else [value])]
    if not said and optional:
        return None
    if not absent and (missing := [path for path in said if not path.is_file()]):
        raise ToMeValueError(complaint(RULE, f"{missing[0]}, which is not there", "Correct its row, or remove it."))
    files = list(said)
    random.Random(0).shuffle(files)
    return files, [None if (values := said[path]) is None else tuple(values) for path in files]


def _rows(table: Path) -> list[dict[str, Any]]:
    try:
        if table.suffix == ".parquet":
            with extra("eval", "read Parquet files"):
                import pyarrow.parquet as pq
            rows = pq.read_table(table).to_pylist()
        else:
            with table.open(encoding="utf-8-sig", newline="") as file:
                jsonl = table.suffix == ".jsonl"
                rows = [json.loads(line) for line in file if line.strip()] if jsonl else _csv_rows(file.read())
    except (OSError, ValueError, csv.Error) as error:  # pyarrow's errors are among them
        raise ToMeValueError(complaint(RULE, f"{table} ({error})", "Write it anew.")) from error
    if not rows or not all(isinstance(row, dict) for row in rows):
        raise ToMeValueError(complaint(RULE, f"{table} without such rows", "Write it anew."))
    return rows


def _csv_rows(text: str) -> list[dict[str, Any]]:
    """Spreadsheets write semicolons or tabs, where a comma stands in numbers."""
    header = text.partition("\n")[0]
    delimiter = next((each for each in ",;\t" if each in header), ",")
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True))
