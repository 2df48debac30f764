"""What an installed hf_tome must do with nothing but its hard dependencies: python smoke.py

Merges, traces, differentiates, saves, loads, compiles and undoes it, on the embedded models. Prints the versions.
"""

from __future__ import annotations

import platform
from tempfile import TemporaryDirectory
from typing import Any

import torch
import transformers

import hf_tome
from hf_tome import ToMeError, apply_tome, remove_tome, trace_tome
from hf_tome.data.embedded import AST, VIDEOMAE, VIT

CASES = (  # class and folder of an embedded model, name and shape of its input, r, and the tokens that are left
    ("ViTForImageClassification", VIT, "pixel_values", (2, 3, 28, 28), 16, 69),
    ("ASTForAudioClassification", AST, "input_values", (2, 128, 64), 17, 71),
    ("VideoMAEForVideoClassification", VIDEOMAE, "pixel_values", (2, 16, 3, 64, 64), 51, 206),
)


def loaded(kind: str, folder: str) -> Any:
    return getattr(transformers, kind).from_pretrained(folder, dtype=torch.float32).eval()


def check(kind: str, folder: str, key: str, shape: tuple[int, ...], r: int, left: int) -> None:
    """One embedded model: merging, its trace, gradients, saving, loading, and the plain model again."""
    model, inputs = loaded(kind, folder), {key: torch.randn(shape, generator=torch.Generator().manual_seed(0))}
    with torch.no_grad():
        plain = model(**inputs).logits
        assert torch.equal(apply_tome(model, r=0)(**inputs).logits, plain)
        with trace_tome(apply_tome(model, r=r)) as trace:
            merged = model(**inputs).logits
    assert trace.token_counts[-1] == left, trace.token_counts
    assert not torch.equal(merged, plain)
    model(**inputs).logits.sum().backward()
    assert all(torch.isfinite(weights.grad).all() for weights in model.parameters() if weights.grad is not None)
    with TemporaryDirectory() as saved, torch.no_grad():
        model.save_pretrained(saved)
        assert torch.equal(apply_tome(loaded(kind, saved))(**inputs).logits, merged)
    with torch.no_grad():
        assert torch.equal(remove_tome(model)(**inputs).logits, plain)


def check_compiled() -> None:
    model, pixels = apply_tome(loaded(*CASES[0][:2]), r=16), torch.randn(2, 3, 28, 28)
    with torch.no_grad():
        compiled = torch.compile(model, fullgraph=True, backend="aot_eager")(pixels).logits
        torch.testing.assert_close(compiled, model(pixels).logits)


def main() -> None:
    for case in CASES:
        check(*case)
    check_compiled()
    try:
        apply_tome(torch.nn.Linear(2, 2), r=8)
        raise AssertionError("a model without an encoder must be refused")
    except ToMeError:
        pass
    versions = f"torch {torch.__version__}, transformers {transformers.__version__}"
    print(f"hf_tome {hf_tome.__version__} works: Python {platform.python_version()}, {versions}.")


if __name__ == "__main__":
    main()
