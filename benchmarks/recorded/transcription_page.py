"""The page of the transcription benchmark: tables from its results."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from benchmarks.pages import ROOT, write_block
from hf_tome.measure.table import markdown

PAGE = ROOT / "docs/results/transcription.md"
FULL, SPARSE = "full", "sparse"
KINDS = {  # of settings, with what each does otherwise
    "off": "",
    "decreasing": "",
    "constant": "",
    "short": ", short memory",
    "no prop_attn": ", `prop_attn=False`",
}
Group = dict[str, int]


def write_page(found: dict[str, Any]) -> None:
    """Write every table for which there are results."""
    if "transcription" in found:
        write_block(PAGE, "settings", by_setting(found["transcription"]["rows"]))
    if "speed" in found:
        write_block(PAGE, "speed", speed(found["speed"]))


def by_setting(rows: dict[str, Any]) -> str:
    """A line for each setting, those of about as many multiply-adds beside each other."""
    header = ("r", "MAC ratio")
    header += tuple(f"{name}: {what}" for name in (FULL, SPARSE) for what in ("WER", "changed"))
    ordered = sorted(rows.items(), key=_order)
    cells = [
        (
            r_of(row["r"]) + KINDS[kind(name)],
            f"{row['mac_ratio']:.2f}x",
            *(cell for sort in (FULL, SPARSE) for cell in rates(total(row, sort), name == "off")),
        )
        for name, row in ordered
    ]
    first = next(iter(rows.values()))
    said = " and ".join(
        f"{each['words']:,} words in {each['windows']} {sort} windows"
        for sort in (FULL, SPARSE)
        for each in (total(first, sort),)
    )
    return f"{markdown(header, cells)}\n\n{said}."


def speed(found: dict[str, Any]) -> str:
    """A line for each variant."""
    header = ("variant", "encoder", "whole transcription")
    cells = [
        (name, ratio(row["encoder"]), ratio(row["whole"]))
        for name, row in found["rows"].items()
        if row["mac_ratio"] > 1
    ]
    about = f"Speed-up, {found['rounds']} rounds on {found['windows']} full windows at once."
    return f"{markdown(header, cells)}\n\n{about} {found['machine']}"


def _order(each: tuple[str, dict[str, Any]]) -> tuple[float, int]:
    return round(each[1]["mac_ratio"], 1), list(KINDS).index(kind(each[0]))


def kind(name: str) -> str:
    """The kind of a setting: "decreasing" of "decreasing/120"."""
    return name.split("/")[0]


def total(row: dict[str, Any], sort: str) -> Group:
    """All speech in windows of one sort."""
    return added(each for group, each in row["groups"].items() if group.startswith(f"{sort}/"))


def added(groups: Iterable[Group]) -> Group:
    every = list(groups)
    return {name: sum(each[name] for each in every) for name in every[0]}


def rates(group: Group, plain: bool) -> tuple[str, str]:
    """Word error rate, and words changed against the unmerged model."""
    changed = "" if plain else f"{group['changed'] / max(1, group['heard']):.1%}"
    return f"{group['errors'] / group['words']:.1%}", changed


def ratio(found: dict[str, float]) -> str:
    """A median and its quartiles."""
    return f"{found['median']:.2f}x ({found['low']:.2f} to {found['high']:.2f})"


def r_of(r: Any) -> str:
    """A value of r as code; JSON has made a list of a pair."""
    if r == 0:
        return "off"
    pair = isinstance(r, list) and len(r) == 2 and isinstance(r[1], float)
    return f"`{tuple(r) if pair else r}`"
