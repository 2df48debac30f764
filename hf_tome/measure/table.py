"""The figures of rows as text, for the terminal and for Markdown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from hf_tome.data.folder import NAMES
from hf_tome.measure.row import UNMERGED, Interval, Report, Row

LEGEND = (
    "Agreement: samples with the prediction of the unmerged model. "
    "Behind ±: half of the 95 % interval, by the bootstrap, or 3/n where no sample differs; behind ≥ or ≤: its other "
    "end, where all samples are right or wrong; that of the change is on paired draws. Speed-up: median of paired "
    "batches (and quartiles); the MAC ratio is its limit."
)


def speed(row: Row) -> str:
    """The median speed-up with its quartiles."""
    low, high = row.spread
    return f"{row.speedup:.2f}x ({low:.2f} to {high:.2f})"


FIGURES: dict[str, Callable[[Row], str]] = {
    "name": lambda row: row.name,
    "r": lambda row: "off" if row.r is None else str(row.r),
    "metric": lambda row: _percent(row.metric, row.interval, "{:.1f}%"),
    "change": lambda row: "" if row.name == UNMERGED else _percent(row.change, row.change_interval, "{:+.1f}"),
    "agreement": lambda row: f"{row.agreement:.1%}",
    "KL": lambda row: f"{row.kl:.2g}",
    "rate": lambda row: f"{row.per_second:.0f}" if row.per_second >= 10 else f"{row.per_second:.2g}",
    "latency": lambda row: "" if row.latency is None else f"{1000 * row.latency:.1f} ms",
    "median": lambda row: f"{row.speedup:.2f}x",
    "speed-up": lambda row: "1.00x" if row.name == UNMERGED else speed(row),
    "MAC ratio": lambda row: f"{row.mac_ratio:.2f}x",
    "score": lambda row: "" if row.r is None else f"{row.score:.2f}",
    "memory": lambda row: "" if row.peak_bytes is None else f"{row.peak_bytes / 2**20:.0f} MiB",
    "merging": lambda row: "" if row.overhead is None else f"{row.overhead:.1%}",
    "tokens left": lambda row: f"{row.token_counts[-1]} of {row.token_counts[0]}",
}


def cells(rows: Sequence[Row], columns: Mapping[str, str]) -> list[list[str]]:
    """The figures of the columns, each a header and one of `FIGURES` or of `Row.more`, row by row."""
    return [
        [FIGURES[name](row) if name in FIGURES else f"{row.more[name]:.1%}" for name in columns.values()]
        for row in rows
    ]


def table(report: Report, brief: bool = False) -> tuple[list[str], list[list[str]]]:
    """Header and cells, a row for each variant; `brief` has the figures that matter most, for a narrow window."""
    things = NAMES[report.modality]
    batches = f"({len(report.rows[0].seconds)} batches)" if report.rows else ""
    more = list(report.rows[0].more) if report.rows else []
    drift = {"KL": "KL"} if report.rows and report.rows[0].kl is not None else {}
    rest = {f"{things}/s": "rate", **drift, f"one {things[:-1]}": "latency", "memory": "memory"}
    columns = {
        "variant": "name",
        **({report.metric: "metric", "change": "change"} if report.metric else {}),
        **({} if brief else {name: name for name in more}),
        "agreement": "agreement",
        f"speed-up {batches}": "median" if brief else "speed-up",
        "MAC ratio": "MAC ratio",
        **({} if brief else rest),
        "tokens left": "tokens left",
    }
    return list(columns), cells(report.rows, columns)


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def summary(report: Report) -> str:
    """What was evaluated, and where."""
    things = NAMES[report.modality]
    left = f", {report.left_out} left out that cannot be read" if report.left_out else ""
    rest = "" if report.finished else f", interrupted: {report.total} in all"
    place = ", ".join(f"{key} {value}" for key, value in report.machine.items())
    return f"{report.samples} {things}{left}{rest}. {place[0].upper()}{place[1:]}."


def _percent(value: float | None, interval: Interval | None, form: str) -> str:
    """A share in percent, with half of its interval; of a value at one end, the other end."""
    if value is None or interval is None:
        return "" if value is None else form.format(100 * value)
    low, high = interval
    half = f"±{100 * max(value - low, high - value):.1f}"
    if low < high and value in interval:
        half = f"(≥ {low:.1%})" if value == high else f"(≤ {high:.1%})"
    return f"{form.format(100 * value)} {half}"
