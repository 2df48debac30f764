"""A study: every choice of every table on the same samples, by one sweep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

from benchmarks.study.tables import NAMES, Choice, Table, tables
from hf_tome.config import ToMeConfig
from hf_tome.data.subject import Subject
from hf_tome.errors import ToMeValueError, complaint, shown
from hf_tome.families import family_of
from hf_tome.measure.row import Report, Row
from hf_tome.measure.sweep import sweep
from hf_tome.tune.space import Space
from hf_tome.tune.trial import Trials

RATIO = 2.0  # of multiply-adds, unless r is given: enough for choices to differ


@dataclass
class Study:
    """What each choice of each table gave.

    Attributes:
        report: the sweep: the unmerged model first, then each setting once. Changes are against the default.
        default: the package's own choices, with the r of the study.
        tables: what was compared.
        attention: the attention implementation that all ran with.
    """

    report: Report
    default: ToMeConfig
    tables: list[Table]
    attention: str

    def rows(self, table: Table) -> list[tuple[Choice, Row]]:
        """The choices of a table, each with what it gave."""
        found = {str(row.settings): row for row in self.report.rows}
        return [(choice, found[str(choice.setting.to_dict())]) for choice in table.choices]

    def order(self, table: Table) -> tuple[int, int]:
        """How many pairs of choices have less drift where the paper has more accuracy, and how many pairs there are."""
        known = [(choice.paper, row.kl) for choice, row in self.rows(table) if choice.paper is not None]
        pairs = list(combinations(known, 2))
        return sum((a[0] - b[0]) * (a[1] - b[1]) < 0 for a, b in pairs), len(pairs)

    def certain(self, table: Table) -> tuple[int, int]:
        """How many choices drift more or less than the default beyond chance, as in the paper; and how many in all."""
        known = [(choice.paper, choice.setting, row) for choice, row in self.rows(table) if choice.paper is not None]
        usual = [paper for paper, setting, _ in known if setting == self.default]
        sure = [(paper - usual[0], row.kl_change) for paper, _, row in known if usual and beyond(row)]
        return sum(better * more < 0 for better, more in sure), len(sure)


def beyond(row: Row) -> bool:
    """Whether its drift differs from the default's by more than chance: 0 lies outside the 95 % interval."""
    low, high = row.kl_change_interval
    return low > 0 or high < 0


def study(
    subject: Subject,
    *,
    r: int | None = None,
    only: Sequence[str] = NAMES,
    batch_size: int | None = None,
    store: Path | None = None,
    progress: bool = True,
) -> Study:
    """Run the paper's comparisons on a model and data, each choice at equal multiply-adds.

    The tables in `READ_ATTENTION` need a model with eager attention; then all choices run with it, so that their times
    can be compared.

    Args:
        subject: the model, and what it is evaluated on; without labels, by the drift alone. It comes back as it came.
        r: tokens that each layer merges; by default about half of the multiply-adds go.
        only: the names of some tables; see `benchmarks/study/tables.py`.
        batch_size: as `sweep`.
        store: file that keeps what is finished; a call with the same model, data and batch size goes on from there.
        progress: show a bar.

    Raises:
        UnsupportedAttentionError: if a choice reads attention weights, and the model's attention is not eager.
        ToMeError: as `sweep`; or if there is no such table, or nothing is merged.
    """
    classifier, samples = subject.classifier, subject.samples
    model: Any = classifier.model
    family = next(found for module in model.modules() if (found := family_of(module)))
    space = Trials(model, classifier.inputs([samples.read(0)]), ToMeConfig(0)).space
    default = ToMeConfig(_even(space) if r is None else r)
    if space.ratio([default.r] * space.layers) == 1:
        raise ToMeValueError(complaint("A study merges tokens.", f"r={shown(r)}", "Leave --r out, or give at least 1."))
    wanted = tables(space, default.r, family.prop_attn, only)
    settings = [default, *(choice.setting for table in wanted for choice in table.choices)]
    report = sweep(
        classifier, samples, settings, against=default, batch_size=batch_size, store=store, progress=progress
    )
    attention = model.config._attn_implementation
    return Study(replace(report, model=subject.name), default, wanted, attention)


def _even(space: Space) -> int:
    """The constant r whose multiply-adds come nearest to a `RATIO`-th."""
    return min(range(1, space.tokens), key=lambda r: abs(space.ratio([r] * space.layers) - RATIO))
