"""A report in a model card: the results as the hub reads them, and the table and how to use the model as a section."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData, get_token
from huggingface_hub.errors import HTTPError, RemoteEntryNotFoundError  # pyright: ignore
from yaml import YAMLError  # the hub's library reads cards with it

from hf_tome.data.samples import EVALUATION
from hf_tome.errors import ToMeValueError, complaint
from hf_tome.measure.row import Report
from hf_tome.measure.table import LEGEND, markdown, summary, table

TITLE = "## What token merging costs and gains"
SECTION = """Measured by hf_tome on {data}, with the weights as they are.

{table}

{summary} {legend}

{usage}"""
MERGED = "import hf_tome.auto  # pip install hf_tome; merges tokens as the config says, in what is loaded after it"
AS_SAVED = """\
The settings of token merging ([ToMe](https://arxiv.org/abs/2210.09461)) are saved with the model: {settings}. To load \
it with them:

```python
{lines}
```

Without the first line it runs unmerged.
"""
BY_CHOICE = """\
To merge tokens ([ToMe](https://arxiv.org/abs/2210.09461)) with r = {r}:

```python
{lines}
```
"""


def as_saved(settings: Mapping[str, Any], load: str) -> str:
    """How to load a model that was saved with these settings; `load`: lines of Python that load a model of its
    class."""
    shown = {name: "as the family does" if value is None else value for name, value in settings.items()}
    listed = ", ".join(f"{name} = {value}" for name, value in shown.items())
    return AS_SAVED.format(settings=listed, lines=f"{MERGED}\n{load}")


def usage(report: Report) -> str:
    """How to load the model of a report with merging: as it was saved, or else with the last r of the report."""
    load, name = ("AutoModel.from_pretrained", f'"{report.model}"')
    if not report.task.endswith(("retrieval", "feature-extraction")):  # the other tasks have a pipeline
        load, name = "pipeline", f'"{report.task}", {name}'
    lines = f"from transformers import {load.partition('.')[0]}\n\nmodel = "
    if report.saved is not None:
        return as_saved(report.saved, f"{lines}{load}({name})")
    r = report.rows[-1].r
    applied = f"from hf_tome import apply_tome  # pip install hf_tome\n{lines}apply_tome({load}({name}), r={r})"
    return BY_CHOICE.format(r=r, lines=applied)


def data_name(report: Report) -> str:
    """The data's own name: of its folder, or on the hub, without the split."""
    path = Path(report.data).absolute()
    return path.parent.name if path.name in EVALUATION else path.name


def card_data(report: Report) -> ModelCardData:
    """The results of all variants as the `model-index` of a model card."""
    name = data_name(report)
    results = [
        EvalResult(
            task_type=report.task,
            dataset_type=report.source,
            dataset_name=name,
            dataset_config=None if report.data == report.source else name,  # the hub tells folders apart by it
            dataset_split=report.split,
            metric_type=report.metric or "agreement",
            metric_name=f"{report.metric or 'same prediction as unmerged'}, {row.name}",
            metric_value=round(row.agreement if row.metric is None else row.metric, 5),
            metric_args=row.settings and {key: value for key, value in row.settings.items() if value is not None},
        )
        for row in report.rows
    ]
    return ModelCardData(model_name=Path(report.model).name, eval_results=results)


def with_report(card: ModelCard, report: Report) -> ModelCard:
    """The card with the results; those of an earlier run on the same data are replaced, others stay."""
    new = card_data(report)
    old, results = (data.eval_results or [] for data in (card.data, new))  # pyright: ignore
    kept = [each for each in old if not any(each.is_equal_except_value(result) for result in results)]
    data = {key: value for key, value in card.data.to_dict().items() if key != "model-index"}
    name = card.data.get("model_name") or new.model_name
    data = ModelCardData(**data, model_name=name, eval_results=[*kept, *results])
    told = {"data": data_name(report), "table": markdown(*table(report)), "usage": usage(report)}
    return with_section(card, TITLE, SECTION.format(**told, summary=summary(report), legend=LEGEND), data)


def write_card(path: Path, report: Report) -> None:
    """Put the results into the model card in a file, made where there is none.

    Raises:
        ToMeValueError: if the file cannot be read or written, or its metadata are broken.
    """
    try:
        card = ModelCard.load(path) if path.exists() else _empty(report)
        with_report(card, report).save(path)
    except (OSError, ValueError, YAMLError) as error:
        rule = "The model card is a Markdown file that can be written."
        raise ToMeValueError(complaint(rule, f"{path} ({error})", "Check --card.")) from error


def check_push(model: str) -> None:
    """Raise ToMeValueError, before any work is done, if the model is a folder, or nobody is logged in."""
    rule = "--push writes into the card of a model on the hub, as its owner."
    if Path(model).exists():
        cure = "Name the model as it is called there, or write into a file with --card."
        raise ToMeValueError(complaint(rule, f"{model}, a folder", cure))
    check_token(rule)


def check_token(rule: str) -> None:
    """Raise ToMeValueError if nobody is logged in; `rule` says what needs it."""
    if not get_token():
        cure = "Run `hf auth login` first, or set HF_TOKEN to a token that may write."
        raise ToMeValueError(complaint(rule, "no token of the hub", cure))


def push_card(report: Report) -> str:
    """Put the results into the model's card on the hub. Gives the address of the commit.

    Raises:
        ToMeValueError: if the hub does not take it.
    """
    try:
        try:
            card = ModelCard.load(report.model)
        except RemoteEntryNotFoundError:  # a repository without a card; not one that is out of reach
            card = _empty(report)
        message = "What token merging costs and gains"
        return str(with_report(card, report).push_to_hub(report.model, commit_message=message))
    except (HTTPError, OSError, ValueError, YAMLError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        rule = "The hub must take the model card."
        cure = "Check the token and the connection; the report's folder holds the results."
        raise ToMeValueError(complaint(rule, f"{report.model} ({reason})", cure)) from error


def _empty(report: Report) -> ModelCard:
    return ModelCard(f"---\npipeline_tag: {report.task}\n---\n\n# {Path(report.model).name}\n")


def with_section(card: ModelCard, title: str, text: str, data: ModelCardData) -> ModelCard:
    """A new card with the metadata `data` and one section more; an older one of that title (`## ...`) is replaced."""
    rest = re.sub(rf"\n{re.escape(title)}\n.*?(?=\n## |\Z)", "", f"\n{card.text.lstrip()}", flags=re.DOTALL).strip()
    return ModelCard(f"---\n{data.to_yaml()}\n---\n\n{rest}\n\n{title}\n\n{text}")
