"""`hf-tome bench --vlm`: what a question about an image costs, with a merged tower and with fewer visual tokens."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from hf_tome.cli import options
from hf_tome.cli.tables import table

CAPTION = (
    "seconds of the tower with shorten, of the first token, of 32 more, of all; speed-up of all: median of paired "
    "rounds, quartiles in brackets; MACs: how many times fewer"
)


def bench_vlm(
    vlm: str,
    keep: str,
    depth: float,
    r: list[str] | None,
    rounds: int,
    dtype: str,
    attn: str,
    device: str | None,
    json_out: Path | None,
    others: dict[str, Any],
) -> None:
    """The arguments are those of `bench`; `others` are options that have no meaning here."""
    from hf_tome.errors import ToMeValueError, complaint
    from hf_tome.measure.output import writing
    from hf_tome.measure.variants import read_one_r
    from hf_tome.measure.vlm import measure_vlm, vlm_table
    from hf_tome.measure.vlm_presets import build_vlm, question

    if given := [name for name, value in others.items() if value]:
        rule = "--vlm measures a question about one image, from tower to answer."
        raise ToMeValueError(complaint(rule, f"{given[0]} with it", f"Leave {given[0]} out."))
    keeps = read_keeps(keep)
    if json_out is not None:
        with writing(json_out):
            json_out.touch()
    console = Console()
    model = options.place(build_vlm(vlm, attn, depth), device, dtype)
    chosen = read_one_r(r[0]) if r else None
    with console.status("Measuring"):
        rows = measure_vlm(model, question(vlm, model), keeps, chosen, rounds=rounds)
    title = f"{vlm}, {model.device}, {dtype}" + ("" if depth == 1 else f", {depth:g} of the layers")
    header, cells = vlm_table(rows)
    console.print(table(title, header, cells, caption=CAPTION, box=None, padding=(0, 1, 0, 0)))
    if json_out is not None:
        json_out.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")


def read_keeps(text: str) -> list[float]:
    """The shares of visual tokens that --keep asks for.

    Raises:
        ToMeValueError: if one is no number.
    """
    from hf_tome.errors import ToMeValueError, complaint

    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        rule = "--keep is shares in (0, 1], with commas between."
        raise ToMeValueError(complaint(rule, text, "For example --keep 1,0.5,0.25.")) from error
