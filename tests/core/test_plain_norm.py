"""Only a LayerNorm that is as torch made it may be computed by a kernel."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_hook
from torch.nn.utils import parametrize, prune

from hf_tome.core.ops.plain_norm import is_plain

X = torch.zeros(2, 5, 8)


class Own(nn.LayerNorm):
    pass


def other_forward(norm: nn.LayerNorm) -> None:
    norm.forward = lambda x: x  # as accelerate does


CHANGES: dict[str, Callable[[nn.LayerNorm], Any]] = {
    "forward hook": lambda norm: norm.register_forward_hook(lambda *_: None),
    "forward pre-hook": lambda norm: norm.register_forward_pre_hook(lambda *_: None),
    "backward hook": lambda norm: norm.register_full_backward_hook(lambda *_: None),
    "backward pre-hook": lambda norm: norm.register_full_backward_pre_hook(lambda *_: None),
    "forward": other_forward,
    "subclass": lambda norm: setattr(norm, "__class__", Own),
    "parametrization": lambda norm: parametrize.register_parametrization(norm, "weight", nn.Identity()),
    "pruning": lambda norm: prune.identity(norm, "weight"),
    "dtype": lambda norm: norm.bfloat16(),
    "device": lambda norm: norm.to("meta"),
}


def test_as_torch_made_it() -> None:
    assert is_plain(nn.LayerNorm(8), X)
    assert is_plain(nn.LayerNorm(8, bias=False), X)
    assert is_plain(nn.LayerNorm(8, elementwise_affine=False).requires_grad_(False).eval(), X)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_changed_norm_is_called(change: Callable[[nn.LayerNorm], Any]) -> None:
    norm = nn.LayerNorm(8)
    change(norm)
    assert not is_plain(norm, X)


@pytest.mark.parametrize("norm", [nn.LayerNorm(5), nn.LayerNorm((5, 8)), nn.RMSNorm(8), nn.Identity(), None])
def test_other_norms(norm: nn.Module | None) -> None:
    assert not is_plain(norm, X)


@contextmanager
def hook_on_all() -> Iterator[None]:
    handle = register_module_forward_hook(lambda *_: None)
    yield
    handle.remove()


@contextmanager
def class_changed() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nn.LayerNorm, "forward", lambda self, x: x)
        yield


@pytest.mark.parametrize("around", [hook_on_all, class_changed, lambda: torch.autocast("cpu", torch.bfloat16)])
def test_what_changes_all_norms(around: Callable[[], Any]) -> None:
    norm = nn.LayerNorm(8)
    with around():
        assert not is_plain(norm, X)
    assert is_plain(norm, X)
