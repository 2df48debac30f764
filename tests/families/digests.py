"""Digests of the forwards that families rely on: `python -m tests.families.digests` writes them for this transformers.

A digest is of a forward's syntax tree without names of locals, annotations and docstrings: so it is the same while the
forward computes the same, and two classes that were copied from each other have one.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import re
import sys
import textwrap
from pathlib import Path
from typing import Any

import torch
import transformers

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]  # as pytest has them

from row import Row  # noqa: E402
from zoo import ZOO, family_of_row  # noqa: E402

from hf_tome.families import FAMILIES  # noqa: E402

FILE = Path(__file__).with_name("digests.json")
Digests = dict[str, dict[str, str]]


class _Nameless(ast.NodeTransformer):
    """Locals numbered by their first use; no annotations."""

    def __init__(self) -> None:
        self.numbers: dict[str, str] = {}

    def _number(self, name: str) -> str:
        return self.numbers.setdefault(name, f"v{len(self.numbers)}")

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Name(self._number(node.id), node.ctx)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        return ast.arg(self._number(node.arg))

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        return self.visit(ast.Assign([node.target], node.value)) if node.value else ast.Pass()


def digest(function: ast.FunctionDef) -> str:
    """12 hexadecimal digits for what a function computes."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    bare = ast.FunctionDef("forward", function.args, body, [], None)
    text = ast.dump(_Nameless().visit(bare), annotate_fields=False)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def of_class(kind: type) -> str:
    """The digest of a class's forward."""
    source = textwrap.dedent(inspect.getsource(inspect.unwrap(kind.forward)))  # pyright: ignore
    (function,) = ast.parse(source).body
    assert isinstance(function, ast.FunctionDef)
    return digest(function)


def of_row(row: Row) -> dict[str, str]:
    """The digests of a layer's forward and of its attention's."""
    family = family_of_row(row)
    with torch.device("meta"):
        model: Any = row.model._from_config(row.config(), attn_implementation=row.implementations[0])
    layer = family.layers_of(next(module for module in model.modules() if family.owns(module)))[0]
    return {"layer": of_class(type(layer)), "attention": of_class(type(layer.get_submodule(family.attention)))}


def all_digests() -> Digests:
    """Of all families that this transformers has, by their names."""
    return {row.model_type: of_row(row) for row in reversed(ZOO)}


def twins() -> dict[str, str]:
    """Layer classes of transformers that no family names, whose forward is that of a family's layer; each with one.

    Read from the source, without an import. Decoders and text encoders are left out.
    """
    names = {each["layer"]: model_type for model_type, each in all_digests().items()}
    known, found = {family.layer for family in FAMILIES}, {}
    for path in sorted((Path(transformers.__file__).parent / "models").glob("*/modeling_*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if not isinstance(node, ast.ClassDef) or node.name in known or re.search("Decoder|Text", node.name):
                continue
            forwards = [n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "forward"]
            if forwards and (twin := names.get(digest(forwards[0]))):
                found[node.name] = twin
    return found


if __name__ == "__main__":
    kept = {"transformers": transformers.__version__, "digests": all_digests(), "twins": twins()}
    FILE.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    print(f"Written: {FILE}. Layer classes of no family with a forward that is known:")
    for name, twin in kept["twins"].items():
        print(f"  {name}: as {twin}")
