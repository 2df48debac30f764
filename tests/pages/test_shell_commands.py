"""Every shell command of every page: the program is there, and takes these arguments and options."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from importlib.metadata import metadata
from pathlib import Path
from typing import Any

import pytest
from pages import PAGES, ROOT, blocks_of, extras_of, text_of
from typer.main import get_command

from hf_tome.cli.commands import app
from hf_tome.train.options import Parser

APP: Any = get_command(app)
TRAINING = [option for action in Parser("out")._actions for option in action.option_strings]
TARGETS = re.findall(r"^([\w-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE)
EXTRAS = set(metadata("hf_tome").get_all("Provides-Extra") or ())
PYTHON = re.compile(r"(?:\S*/)?python[\d.]*$")


def commands(page: str) -> Iterator[list[str]]:
    """The words of each command; a console block marks its commands by a dollar."""
    lines = [line for block in blocks_of(page, "bash") for line in block.replace("\\\n", " ").splitlines()]
    lines += [line[2:] for block in blocks_of(page, "console") for line in block.splitlines() if line[:2] == "$ "]
    lines += re.findall(r"`((?:hf-tome|make) [^`]+)`", text_of(page))  # those in a sentence
    for line in lines:
        if words := shlex.split(line, comments=True):
            yield words


@pytest.mark.parametrize("page", PAGES)
def test_commands_are_real(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("script.py", "photo.jpg"):
        Path(name).touch()
    for words in commands(page):
        check(words)


def check(words: list[str]) -> None:
    """Fail where a command of the project does not take these words; programs of others are let pass."""
    if words[0] == "hf-tome":
        parse(words[1:])
    elif words[0] == "make":
        assert {word for word in words[1:] if "=" not in word} <= set(TARGETS), words
    elif words[0] == "torchrun":
        rest = words[words.index("--") + 1 :]
        parse(rest[1:]) if rest[0] == "hf_tome" else check_script(rest)
    elif PYTHON.match(words[0]):
        check_script([words[2].replace(".", "/"), *words[3:]] if words[1] == "-m" else words[1:])


def parse(words: list[str]) -> None:
    """What typer makes of the words; it raises where it knows a command, an argument or an option not."""
    if words == ["NAME"] or words[0].startswith("-"):
        return APP.make_context("hf-tome", words, resilient_parsing=True).close()
    name, command, rest = APP.resolve_command(APP.make_context("hf-tome", words), words)
    placeholder = len(words) == 1  # a command by its name alone
    command.make_context(name, rest, resilient_parsing=placeholder, parent=None).close()
    if name == "train":  # it reads its options itself
        assert {word for word in rest if word.startswith("--")} <= {*TRAINING, "--help-all"}


def check_script(words: list[str]) -> None:
    """A script or module of the repository, whose source holds each of the options."""
    name, *rest = words
    if name in ("venv", "build"):
        return
    path = next(path for path in (ROOT / f"{name}.py", ROOT / name, ROOT / name / "__main__.py") if path.is_file())
    sources = [path.read_text(), (ROOT / "benchmarks/recorded/training_cases.py").read_text()]
    options = [word for word in rest if word.startswith("--")]
    if "examples" in path.parts and "Parser(" in sources[0]:  # options of a training
        missing = [each for each in options if each not in (*TRAINING, "--tiny")]
    else:
        missing = [option for option in options if not any(f'"{option}"' in source for source in sources)]
    assert not missing, f"{path}: {missing}"


@pytest.mark.parametrize("page", PAGES)
def test_extras_are_real(page: str) -> None:
    assert extras_of(page) <= EXTRAS
