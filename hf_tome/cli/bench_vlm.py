"""`hf-tome bench --vlm`: what a question about an image costs, with a merged tower and with fewer visual tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from hf_tome.cli import options
from hf_tome.cli.tables import table
from hf_tome.errors import ToMeValueError, complaint

if TYPE_CHECKING:
    from hf_tome.measure.vlm import VlmRow

CAPTION = (
    "seconds of the tower with shorten, of the first token, of 32 more, of all; speed-up of all: median of paired "
    "rounds, quartiles in brackets; MACs: how many times fewer"
)


def bench_vlm(
    vlm: str, keep: str, depth: float, r: list[str] | None, rounds: int, dtype: str, attn: str, device: str | None
) -> tuple[list[VlmRow], Table]:
    """The measurements, and how they are shown. The arguments are those of `bench`."""
    from hf_tome.measure.variants import read_one_r
    from hf_tome.measure.vlm import measure_vlm, vlm_table
    from hf_tome.measure.vlm_presets import build_vlm, question

    try:
        keeps = [float(part) for part in keep.split(",")]
    except ValueError as error:
        rule = "--keep is shares in (0, 1], with commas between."
        raise ToMeValueError(complaint(rule, keep, "For example --keep 1,0.5,0.25.")) from error
    model = options.place(build_vlm(vlm, attn, depth), device, dtype)
    chosen = read_one_r(r[0]) if r else None
    with Console().status("Measuring"):
        rows = measure_vlm(model, question(vlm, model), keeps, chosen, rounds=rounds)
    title = f"{vlm}, {model.device}, {dtype}" + ("" if depth == 1 else f", {depth:g} of the layers")
    header, cells = vlm_table(rows)
    return rows, table(title, header, cells, caption=CAPTION, box=None, padding=(0, 1, 0, 0))
