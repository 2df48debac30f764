"""The rows of a sweep as text, for the terminal and for Markdown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from hf_tome.data.folder import NAMES
from hf_tome.measure.row import Interval, Report, Row

LEGEND = (
    "Agreement: samples with the prediction of the unmerged model. "
    "Behind ±: half of the 95 % interval, by the bootstrap; that of the change is on paired draws. "
    "Speed-up: median of paired batches (and quartiles); the MAC ratio is its limit."
)
Column = tuple[str, Callable[[Row], str]]


def table(report: Report, brief: bool = False) -> tuple[list[str], list[list[str]]]:
    """Header and cells, a row for each variant.

    Args:
        report: of a sweep.
        brief: for a narrow window, without quartiles, rate, divergence, latency and memory.
    """
    chosen = _columns(report, brief)
    return [name for name, _ in chosen], [[cell(row) for _, cell in chosen] for row in report.rows]


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def speed(row: Row) -> str:
    """The median speed-up with its quartiles."""
    low, high = row.spread
    return f"{row.speedup:.2f}x ({low:.2f} to {high:.2f})"


def summary(report: Report) -> str:
    """What was evaluated, and where."""
    things = NAMES[report.modality]
    left = f", {report.left_out} left out that cannot be read" if report.left_out else ""
    rest = "" if report.finished else f", interrupted: {report.total} in all"
    place = ", ".join(f"{key} {value}" for key, value in report.machine.items())
    return f"{report.samples} {things}{left}{rest}. {place[0].upper()}{place[1:]}."


def _columns(report: Report, brief: bool) -> list[Column]:
    things = NAMES[report.modality]
    judged: list[Column] = [
        (report.metric or "", lambda row: _between(row.metric, row.interval, "{:.1f}%")),
        ("change", lambda row: "" if row.settings is None else _between(row.change, row.change_interval, "{:+.1f}")),
    ]
    more: list[Column] = [(name, partial(_more, name=name)) for name in report.rows[0].more] if report.rows else []
    drift: list[Column] = [("KL", lambda row: f"{row.kl:.2g}")] if report.rows and report.rows[0].kl is not None else []
    rest: list[Column] = [
        (f"{things}/s", lambda row: f"{row.per_second:.0f}" if row.per_second >= 10 else f"{row.per_second:.2g}"),
        *drift,
        (f"one {things[:-1]}", lambda row: f"{1000 * (row.latency or 0):.1f} ms"),
        ("memory", lambda row: f"{(row.peak_bytes or 0) / 2**20:.0f} MiB"),
    ]
    same: Column = ("agreement", lambda row: f"{row.agreement:.1%}")
    left: Column = ("tokens left", lambda row: f"{row.token_counts[-1]} of {row.token_counts[0]}")
    return [
        ("variant", lambda row: row.name),
        *(judged if report.metric else []),
        *more,
        *([] if brief and more else [same]),
        ("speed-up", lambda row: f"{row.speedup:.2f}x" if brief or row.settings is None else speed(row)),
        ("MAC ratio", lambda row: f"{row.mac_ratio:.2f}x"),
        *([] if brief else rest),
        *([] if brief and more else [left]),
    ]


def _more(row: Row, name: str) -> str:
    return f"{row.more[name]:.1%}"


def _between(value: float | None, interval: Interval | None, form: str) -> str:
    """A share in percent, with half of its interval."""
    if value is None or interval is None:
        return ""
    half = max(value - interval[0], interval[1] - value)
    return f"{form.format(100 * value)} ±{100 * half:.1f}"
