"""A report in a model card."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from hf_tome import ToMeConfig, ToMeValueError
from hf_tome.measure.card import check_push, push_card, with_report, write_card
from hf_tome.measure.row import Report, Row

MERGED = ToMeConfig(r=8).to_dict()
CARD = """---
license: mit
model-index:
- name: my model
  results:
  - task:
      type: image-classification
    dataset:
      name: others
      type: imagefolder
    metrics:
    - type: accuracy
      value: 0.5
---

# My model

Text that stays.

## Use

More of it.
"""


def report(value: float, data: str = "own/fashion", saved: dict | None = None) -> Report:
    rows = [
        Row(r, name=name, settings=settings, metric=value, interval=(0, 1), change=0, change_interval=(0, 0),
                seconds=[1.0], speedups=[1.0], inputs=4, token_counts=[9, 9])
        for r, name, settings in ((None, "unmerged", None), (8, "r=8", MERGED))
    ]  # fmt: skip
    return Report("me/model", data, "imagefolder", None, "image-classification", "image", "accuracy", 4, {"dtype": "x"},
                  saved, samples=4, rows=rows)  # fmt: skip


def test_results_are_written_once_and_others_stay(tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text(CARD)
    for value in (0.25, 0.75):
        write_card(path, report(value))
    card = ModelCard.load(path)
    found = [(each.dataset_name, each.metric_name, each.metric_value) for each in card.data.eval_results or []]
    assert found == [("others", None, 0.5), ("fashion", "accuracy, unmerged", 0.75), ("fashion", "accuracy, r=8", 0.75)]
    assert card.data.eval_results[2].metric_args == {"r": 8, "restore": True}  # pyright: ignore
    assert (card.data.license, card.data.model_name) == ("mit", "my model")  # pyright: ignore
    for text in ("Text that stays.", "More of it.", "## What token merging costs and gains", "| r=8 | 75.0%"):
        assert card.text.count(text) == 1
    assert "25.0%" not in card.text


def test_a_card_is_made_where_there_is_none(tmp_path: Path) -> None:
    write_card(tmp_path / "README.md", report(0.5))
    assert ModelCard.load(tmp_path / "README.md").data.model_name == "model"  # pyright: ignore
    with pytest.raises(ToMeValueError, match="Check --card"):
        write_card(tmp_path / "README.md" / "below", report(0.5))
    (tmp_path / "broken.md").write_text("---\na: [\n---\n")
    with pytest.raises(ToMeValueError, match=r"broken\.md"):
        write_card(tmp_path / "broken.md", report(0.5))


@pytest.mark.parametrize("data", ["own/fashion", "own/fashion/test", "me/fashion"])
def test_the_data_are_called_by_their_own_name(data: str) -> None:
    card = with_report(ModelCard(CARD), report(0.5, data))
    assert card.data.eval_results[1].dataset_name == "fashion"  # pyright: ignore
    assert "Measured by hf_tome on fashion," in card.text


def test_a_card_says_how_to_load_the_model_and_links_to_the_paper_alone() -> None:
    plain, merged = (with_report(ModelCard(CARD), report(0.5, saved=saved)).text for saved in (None, MERGED))
    assert 'model = apply_tome(pipeline("image-classification", "me/model"), r=8)' in plain
    assert "r = 8, prop_attn = as the family does, restore = True" in merged
    assert 'model = pipeline("image-classification", "me/model")' in merged
    assert merged.index("import hf_tome.auto") < merged.index("pipeline(")
    assert set(re.findall(r"https?://[^)\s]+", plain + merged)) == {"https://arxiv.org/abs/2210.09461"}


def test_a_section_is_replaced_wherever_it_stands() -> None:
    card = with_report(ModelCard("---\nlicense: mit\n---\n## What token merging costs and gains\n\nold\n"), report(0.5))
    assert card.text.count("## What") == 1
    assert "old" not in card.text


def test_who_cannot_push_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "")
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "none"))
    with pytest.raises(ToMeValueError, match="a folder"):
        check_push(str(tmp_path))
    with pytest.raises(ToMeValueError, match="hf auth login"):
        check_push("me/model")
    with pytest.raises(ToMeValueError, match="me/model"):
        push_card(report(0.5))  # out of reach: nothing is pushed over the card that may be there
