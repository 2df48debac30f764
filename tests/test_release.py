"""What a stranger reads and installs: licences, versions, workflows say the same as the code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard

import hf_tome
from hf_tome.doctor.packages import NEWEST_TRANSFORMERS, OLDEST_TRANSFORMERS

ROOT = Path(__file__).parent.parent
ASSETS = ROOT / "hf_tome/assets"
PROJECT = (ROOT / "pyproject.toml").read_text()
WORKFLOWS = {path.stem: path.read_text() for path in (ROOT / ".github/workflows").glob("*.yml")}


def test_the_version_stands_in_one_place() -> None:
    assert 'dynamic = ["version"]' in PROJECT
    assert 'path = "hf_tome/__init__.py"' in PROJECT
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == hf_tome.__version__
    assert f"## [{hf_tome.__version__}]" in (ROOT / "CHANGELOG.md").read_text()


def test_all_that_is_embedded_says_its_licence() -> None:
    (expression,) = re.findall(r'^license = "(.+?)"', PROJECT, re.MULTILINE)
    (files,) = re.findall(r"^license-files = \[(.+)\]", PROJECT, re.MULTILINE)
    notice = (ROOT / "NOTICE").read_text()
    for place in sorted(path for path in ASSETS.iterdir() if path.suffix != ".md"):
        assert place.name in notice, f"NOTICE says nothing of {place.name}"
        if (place / "config.json").exists():
            licence = str(ModelCard.load(place / "README.md").data.license).upper()  # pyright: ignore
            assert licence in {each.upper() for each in expression.split(" AND ")}, place.name
    assert all((ROOT / each.strip(' "')).is_file() for each in files.split(","))


def test_python_and_transformers_are_the_same_everywhere() -> None:
    pythons = set(re.findall(r"Python :: (3\.\d+)", PROJECT))
    assert f'requires-python = ">={min(pythons, key=lambda each: int(each[2:]))}"' in PROJECT
    assert '"transformers>={}.{}"'.format(*OLDEST_TRANSFORMERS) in PROJECT
    jobs = yaml.safe_load(WORKFLOWS["tests"])["jobs"]
    assert set(jobs["installed"]["strategy"]["matrix"]["python"]) == pythons
    versions: list[dict[str, str]] = jobs["versions"]["strategy"]["matrix"]["include"]
    assert {each["python"] for each in versions} == pythons
    ends = {"{}.{}.*".format(*each) for each in (OLDEST_TRANSFORMERS, NEWEST_TRANSFORMERS)}
    assert ends <= {each["transformers"] for each in versions}
    (torch,) = re.findall(r'"torch>=([\d.]+)"', PROJECT)
    assert f"{torch}.*" in {each["torch"] for each in versions}


@pytest.mark.parametrize("name", ["tests", "docs", "publish"])
def test_a_workflow_may_no_more_than_it_needs(name: str) -> None:
    """Read alone, and one permission more for the job that publishes; `make lint` checks the rest."""
    workflow: dict[str, Any] = yaml.safe_load(WORKFLOWS[name])
    assert workflow["permissions"] == {"contents": "read"}
    asked = {job: each["permissions"] for job, each in workflow["jobs"].items() if "permissions" in each}
    allowed = {
        "docs": {"deploy": {"pages": "write", "id-token": "write"}},
        "publish": {"publish": {"id-token": "write"}},
    }
    assert asked == allowed.get(name, {})
    assert "secrets." not in WORKFLOWS[name]


def test_issue_forms_ask_for_the_doctor() -> None:
    for name in ("bug", "model"):
        form = yaml.safe_load((ROOT / f".github/ISSUE_TEMPLATE/{name}.yml").read_text())
        asked = [part for part in form["body"] if "hf-tome doctor" in part["attributes"]["label"]]
        assert [part["validations"] for part in asked] == [{"required": True}]
