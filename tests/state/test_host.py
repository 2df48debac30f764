"""No forward of a patched model reads a tensor's value: on a GPU, each such read waits for all that came before."""

from __future__ import annotations

from typing import Any

import torch
from cases import Case, each_classifier
from torch.utils._python_dispatch import TorchDispatchMode

from hf_tome import apply_tome

# What `.item()`, `bool(tensor)` and branches on values come down to, and what has as many results as there are values.
WAIT = {"aten::_local_scalar_dense", "aten::equal", "aten::nonzero", "aten::masked_select", "aten::_unique2"}


class Waits(TorchDispatchMode):
    """Lists the operations that wait for the device."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func._schema.name in WAIT:
            self.found.append(func._schema.name)
        return func(*args, **(kwargs or {}))


def test_the_list_sees_a_read() -> None:
    with Waits() as waits:
        assert bool(torch.ones(2).all())
    assert waits.found == ["aten::_local_scalar_dense"]


@each_classifier
@torch.no_grad()
def test_a_forward_reads_no_value(case: Case) -> None:
    model, inputs = apply_tome(case.build(), r=4), case.inputs()
    model(**inputs)
    with Waits() as waits:
        model(**inputs)
    assert waits.found == []
