"""Features as a Parquet file, written batch by batch."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hf_tome.data.samples import Samples
from hf_tome.errors import ToMeValueError, complaint, extra
from hf_tome.measure.store import Cell

if TYPE_CHECKING:
    import pyarrow as pa

RULE = "Features go into a new Parquet file in a folder that exists."
GROUP_ROWS, GROUP_BYTES = 4096, 1 << 26
NOTE = b"hf_tome"  # the key of our metadata in the file


def check_parquet(out: Path) -> None:
    """Raise ToMeValueError where no such file can be written, and MissingExtraError without the extra [eval]."""
    if out.suffix.lower() != ".parquet" or not out.absolute().parent.is_dir():
        raise ToMeValueError(complaint(RULE, str(out), "For example features.parquet."))
    with extra("eval", "write Parquet files"):
        import pyarrow.parquet  # noqa: F401  # comes with datasets


def rows_written(out: Path, about: dict[str, Any] | None) -> int:
    """The rows of a file that was finished by an earlier call with the same `about`; None stands for no such call.
    Raises ToMeValueError if it is another file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        found = pq.read_metadata(out)
    except (OSError, pa.ArrowException) as error:
        raise ToMeValueError(complaint(RULE, f"{out} ({error})", "Choose another name.")) from error
    if about is None or json.loads((found.metadata or {}).get(NOTE, b"null")) != about:
        cure = "Choose another name, or delete it."
        raise ToMeValueError(complaint(RULE, f"{out}, which holds something else", cure))
    return found.num_rows


def write_parquet(out: Path, about: dict[str, Any], cells: Iterable[Cell], samples: Samples) -> int:
    """Write the whole file, or nothing, and return the number of its rows.

    Args:
        out: the file.
        about: what was embedded and how, as plain data; goes into the file's metadata.
        cells: batches of `index` (samples,), `counts` (samples,) and `features` (sum of counts, width).
        samples: say the path and the label of each.

    Raises:
        ToMeValueError: if it cannot be written. What is finished stays.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows, writer, part = 0, None, out.with_name(f"{out.name}.part")
    try:
        for table in _in_groups(_table(cell, samples, about["features"] == "pooled") for cell in cells):
            if writer is None:
                schema = table.schema.with_metadata({NOTE: json.dumps(about)})
                writer = pq.ParquetWriter(part, schema)
            writer.write_table(table.cast(writer.schema))
            rows += len(table)
        if writer is not None:
            writer.close()
            part.replace(out)
    except (OSError, pa.ArrowException) as error:
        cure = "Make room, or choose another place; the same command goes on from what is finished."
        raise ToMeValueError(complaint(RULE, f"{out} ({error})", cure)) from error
    return rows


def _in_groups(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Several tables as one, so that a file has few row groups."""
    import pyarrow as pa

    group: list[pa.Table] = []
    for table in tables:
        group.append(table)
        if sum(map(len, group)) >= GROUP_ROWS or sum(each.nbytes for each in group) >= GROUP_BYTES:
            yield pa.concat_tables(group)
            group = []
    if group:
        yield pa.concat_tables(group)


def _table(cell: Cell, samples: Samples, pooled: bool) -> pa.Table:
    import pyarrow as pa

    values = cell["features"]
    features = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])
    if not pooled:
        features = pa.ListArray.from_arrays(np.concatenate([[0], np.cumsum(cell["counts"])]).astype(np.int32), features)
    index = cell["index"].tolist()
    columns: dict[str, Any] = {"path": [samples.path(number) for number in index]}
    if any(samples.said):
        columns["label"] = [samples.label_text(number) for number in index]
    return pa.table({**columns, "features": features})
