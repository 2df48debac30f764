"""`hf-tome families`: what is supported, all that is known of one family, and why the rest cannot be merged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from hf_tome.errors import ToMeValueError, UnsupportedModelError, complaint

if TYPE_CHECKING:
    from hf_tome.families import Family

HOW = "Any other family is refused until it is described: docs/contributing.md#adding-a-family says how."


def families(
    name: Annotated[str | None, typer.Argument(help="Model type of a family, to see all that is known of it.")] = None,
) -> None:
    """List the supported model families, and why others cannot be merged."""
    from hf_tome.families import REFUSED, family_named, parts_of

    if name is None:
        return _list()
    family = family_named(name)
    if family is not None:
        return _describe(family)
    if name in REFUSED:
        rule = f"{name} cannot be merged: {REFUSED[name]}."
        raise UnsupportedModelError(complaint(rule, name, "`hf-tome families` lists what works."))
    if parts := parts_of(name):
        return _compose(name, parts)
    raise ToMeValueError(complaint("A family goes by the model_type of its config.", name, HOW))


def _compose(name: str, parts: dict[str, str]) -> None:
    """What of a model that holds encoders can be merged."""
    from hf_tome.families import REFUSED, family_named

    console = Console()
    console.print(f"{name} is a model around others. By default it holds", highlight=False)
    for part, kind in _innermost(parts):
        family = family_named(kind)
        told = f"merged as {family.model_type}" if family else f"cannot be merged: {REFUSED.get(kind, 'not known')}"
        console.print(f"{part}: {kind or 'of any kind'}{f', {told}' if kind else ''}", highlight=False)


def _innermost(parts: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Parts and their model types; those of a part that only holds others, in its place."""
    from hf_tome.families import REFUSED, family_named, parts_of

    for part, kind in parts.items():
        inner = {} if family_named(kind) or kind in REFUSED else parts_of(kind)
        yield from ((f"{part}.{name}", of) for name, of in _innermost(inner)) if inner else [(part, kind)]


def _list() -> None:
    from hf_tome.families import GROUPS, REFUSED

    console = Console()
    for title, group in GROUPS.items():
        table = Table(title=title.capitalize(), title_justify="left", box=None, pad_edge=False)
        for column, width in (("model type", 32), ("protected tokens", 24), ("padding", 7), ("prop_attn", 9)):
            table.add_column(column, min_width=width)
        for family in group:
            mask = "yes" if family.mask and not family.mask.ignored else "no"
            table.add_row(family.model_type, _protected(family), mask, _default(family))
        console.print(table, "")
    console.print("[bold]Cannot be merged[/]")
    for reason in dict.fromkeys(REFUSED.values()):
        names = ", ".join(name for name in REFUSED if REFUSED[name] == reason)
        console.print(f"[italic]{reason}[/]: {names}", highlight=False)
    console.print("", "`hf-tome families NAME` says more of one.", HOW, sep="\n")


def _describe(family: Family) -> None:
    facts = {
        "modality": family.modality,
        "encoder": ", ".join(family.towers),
        "layers": f"{family.layer} at {family.layers}",
        "attention": family.attention + (", which computes by itself" if family.own_attention else ""),
        "block": family.block.__name__,
        "protected tokens": _protected(family) + (", these at the end" if family.counted_at_end else ""),
        "prop_attn by default": _default(family),
        "metric by default": "values, since keys are turned by positions" if family.positions else "keys",
        "rule of thumb for r": "tokens // (4 * layers), which merges a quarter of them away"
        if family.positions
        else "tokens // (2 * layers), which merges half of them away",
        "padding mask": _mask(family),
        "heads that take restore=False": ", ".join(family.token_heads) or "none",
        "parts that need every token": ", ".join(family.whole) or "none known",
        "merged only without": "; ".join(f"{r.switch}={r.value} ({r.reason})" for r in family.refusals) or "-",
        "transformers": f"{'.'.join(map(str, family.since))} or later",
        "training": f"with {family.layerdrop} at 0" if family.layerdrop else "as it is",
        "approximate": family.approximation or "nothing but the merge, and dropout in training",
        "measured": family.advice or "-",
    }
    table = Table(title=family.model_type, title_justify="left", box=None, pad_edge=False, show_header=False)
    for fact, value in facts.items():
        table.add_row(fact, value)
    Console().print(table)


def _protected(family: Family) -> str:
    front = [*([str(family.protected)] if family.protected or not family.counted else []), *family.counted]
    return " + ".join([*front, *family.counted_at_end])


def _default(family: Family) -> str:
    return "on" if family.prop_attn else "off"


def _mask(family: Family) -> str:
    mask = family.mask
    if mask is None:
        return "refused"
    what = "ignored, as the model does" if mask.ignored else f"({mask.shape}) becomes token sizes"
    return f"{mask.argument}{f' of {mask.module}' if mask.module else ''}: {what}"
