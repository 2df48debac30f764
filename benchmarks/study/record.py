"""The paper's comparisons on models at hand: writes docs/results/study.md, its data and its plots.

    python -m benchmarks.study.record RUNS --vit PROBED_VIT

RUNS is a folder that keeps what is finished, so that a second call goes on. PROBED_VIT is a pretrained ViT-S/14 with a
linear probe for the classes of Fashion-MNIST and its processor, a folder; without it that column stays as it is.
`--only image` runs one subject, `--page` only writes the page.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.pages import ROOT, machine, write_block
from benchmarks.results import Results
from benchmarks.study.page import measured, thousandths
from benchmarks.study.plot import plot
from benchmarks.study.run import Study, beyond, study
from benchmarks.study.tables import NAMES, Choice, tables
from hf_tome.config import ToMeConfig
from hf_tome.data.classifier import load_classifier
from hf_tome.data.subject import Subject, embedded_subject
from hf_tome.measure.table import markdown
from hf_tome.tune.space import Space

PAGE = ROOT / "docs/results/study.md"
SUBJECTS = {
    "image": "ViT, 1,000 images",
    "probe": "ViT-S/14 probed",
    "audio": "AST, 44 sounds",
    "video": "VideoMAE, 40 clips",
}
PROBED_IMAGES = 320
R, MASKED = 23, 84.25  # of the small ViT; the default's figure in ToMe's tables of a masked autoencoder
UNTOLD = "random "  # schedules: they are in the data
SHOWN, PLOTTED = "probe", ("probe", "image")  # with 44 sounds and 40 clips hardly any difference is certain
console = Console()


def subject_of(name: str, vit: str | None) -> Subject:
    """What a column is measured on."""
    if name != "probe":
        return embedded_subject(name, attention="eager")
    images = embedded_subject("image", PROBED_IMAGES, "eager").samples
    return Subject("ViT-S/14 with a linear probe", load_classifier(str(vit), "eager"), images)


def kept(found: Study) -> dict[str, Any]:
    """What the page needs of a study."""
    return {
        "measured": measured(found),
        "machine": machine(),
        "unmerged": found.report.rows[0].metric,
        "tables": {
            table.name: {
                "order": found.order(table),
                "certain": found.certain(table),
                "rows": {
                    choice.name: {
                        "metric": row.metric,
                        "metric_differs": not row.change_interval[0] <= 0 <= row.change_interval[1],
                        "kl": row.kl,
                        "kl_differs": beyond(row),
                        "speedup": row.speedup,
                    }
                    for choice, row in found.rows(table)
                    if row.change_interval
                },
            }
            for table in found.tables
        },
    }


def cells(table: dict[str, Any], choice: str) -> tuple[str, str]:
    """Accuracy, and drift in thousandths of a nat; a star where it certainly differs from the default's."""
    row = table["rows"].get(choice)
    if row is None:
        return "", ""
    mark = {True: "\\*", False: ""}
    return f"{row['metric']:.1%}{mark[row['metric_differs']]}", f"{thousandths(row['kl'])}{mark[row['kl_differs']]}"


def write_page(found: dict[str, Any]) -> None:
    """The default, then all other choices, on the pretrained model."""
    usual, rows = ToMeConfig(R), []
    for table in tables(Space(197, 8, 1, 96, 192), R, True):  # for the names: those are alike for all models
        column = found[SHOWN]["tables"][table.name]
        (base,) = (choice for choice in table.choices if choice.setting == usual)
        others = [each for each in table.choices if each != base and not each.name.startswith(UNTOLD)]
        for choice in (*([] if rows else [base]), *others):
            paper = "" if choice.paper is None else f"{choice.paper:.2f}"
            if paper and base.paper != MASKED:
                paper += f" ({base.paper:.2f})"
            rows.append(("**default**" if choice == base else called(choice), paper, *cells(column, choice.name)))
    write_block(PAGE, "choices", markdown(("", "paper", "accuracy", "drift"), rows))
    write_block(PAGE, "subjects", "\n".join(f"- {found[name]['measured']}" for name in PLOTTED))


def called(choice: Choice) -> str:
    """The keywords of `apply_tome`; the name of a choice that is one for each layer."""
    usual = ToMeConfig(R).to_dict()
    own = [(name, value) for name, value in choice.setting.to_dict().items() if value != usual.get(name)]
    if any(isinstance(value, list) for _, value in own):
        return choice.name
    words = (f"{option}={json.dumps(value) if isinstance(value, str) else value}" for option, value in own)
    return f"`{', '.join(words)}`"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, help="folder that keeps what is finished")
    parser.add_argument("--vit", help="a ViT-S/14 with a linear probe and its processor, a folder")
    parser.add_argument("--only", nargs="*", choices=SUBJECTS, default=list(SUBJECTS))
    parser.add_argument("--page", action="store_true", help="only write the page")
    args = parser.parse_args()
    results = Results(ROOT / "docs/results/data/study.json")
    for name in () if args.page else args.only:
        if name == "probe" and not args.vit:
            console.print("ViT-S/14: left out, it needs --vit")
            continue
        console.rule(SUBJECTS[name])
        (args.runs / name).mkdir(parents=True, exist_ok=True)
        found = study(subject_of(name, args.vit), only=NAMES, store=args.runs / name / "study.sqlite")
        if found.report.samples < found.report.total:
            raise SystemExit("study: interrupted; what is finished is kept. Call it again to go on.")
        results.keep(name, kept(found))
        plot(found, ROOT / f"docs/images/study-{name}.png")
    write_page(results.found)


if __name__ == "__main__":
    main()
