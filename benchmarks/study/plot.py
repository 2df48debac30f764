"""A study as a picture: the drift of each choice, a panel for each table."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from benchmarks.study.run import Study

COLUMNS = 2
DECADE = 10  # from such a ratio of drifts on, their axis is logarithmic


def plot(study: Study, out: Path) -> None:
    """Drift of each choice with the 95 % interval of its difference from the default, best in the paper on top."""
    lines = -(-len(study.tables) // COLUMNS)
    figure = Figure(figsize=(4.2 * COLUMNS, 2.6 * lines), layout="constrained")
    grid = figure.subplots(lines, COLUMNS, squeeze=False)
    usual = study.report.rows[1].kl
    for axes, table in zip(grid.flat, study.tables, strict=False):
        names = [choice.name for choice in table.choices]
        rows = study.rows(table)
        for place, (choice, row) in enumerate(rows):
            low, high = row.kl_change_interval
            own = choice.setting == study.default
            reach = [[1000 * (row.kl_change - low)], [1000 * (high - row.kl_change)]]
            colour = "tab:orange" if own else "tab:blue"
            axes.errorbar([1000 * row.kl], [place], xerr=reach, fmt="D" if own else "o", color=colour, capsize=3)
        axes.axvline(1000 * usual, color="tab:orange", linewidth=1, linestyle=":", zorder=0)
        axes.set_yticks(range(len(names)), names, fontsize=8)
        axes.invert_yaxis()
        drifts = [row.kl for _, row in rows]
        if 0 < DECADE * min(drifts) < max(drifts):
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter("{x:g}")
            axes.xaxis.set_minor_formatter("")
        else:
            axes.set_xlim(left=0)
        axes.set_title(table.title + (f" ({table.source})" if table.source else ""), fontsize=9)
        axes.set_xlabel("drift, nats / 1000", fontsize=8)
        axes.tick_params(axis="x", labelsize=8)
        axes.grid(axis="x", which="both", alpha=0.3)
    for axes in list(grid.flat)[len(study.tables) :]:
        axes.set_visible(False)
    figure.savefig(out, dpi=120)
