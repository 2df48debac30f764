"""Which families another version of transformers has changed."""

from __future__ import annotations

import ast
import json
import warnings

import transformers
from digests import FILE, all_digests, digest, twins


def function(text: str) -> ast.FunctionDef:
    (node,) = ast.parse(text).body
    assert isinstance(node, ast.FunctionDef)
    return node


def test_a_digest_is_of_what_is_computed() -> None:
    plain = digest(function("def forward(self, x, m=None):\n    x = self.norm(x)\n    return x + m"))
    typed = "def forward(self, h: T, mask: int | None = None) -> T:"
    same = f'{typed}\n    "Doc."\n    h: T = self.norm(h)\n    return h + mask'
    assert digest(function(same)) == plain
    assert digest(function("def forward(self, x, m=None):\n    x = self.norm(x)\n    return m + x")) != plain
    assert digest(function("def forward(self, x, m=None):\n    x = self.norm2(x)\n    return x + m")) != plain


def test_forwards_are_those_that_were_read() -> None:
    kept = json.loads(FILE.read_text(encoding="utf-8"))
    found = all_digests()
    changed = [
        f"{name} ({part})"
        for name, parts in found.items()
        for part, value in parts.items()
        if kept["digests"].get(name, {}).get(part) != value
    ]
    if transformers.__version__ == kept["transformers"]:
        assert (changed, set(kept["digests"]) - set(found)) == ([], set()), "run python -m tests.families.digests"
        return
    gone = sorted(set(kept["digests"]) - set(found))
    new = {name: twin for name, twin in twins().items() if name not in kept["twins"]}
    told = f"beside {kept['transformers']}, other forwards: {changed}; families that are not there: {gone}"
    warnings.warn(f"transformers {transformers.__version__}, {told}; new twins: {new}", stacklevel=1)
