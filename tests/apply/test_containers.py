"""apply_tome and remove_tome on a model inside another module."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from cases import SMALL_VIDEO, SMALL_VIT
from comparison import assert_same
from torch import nn
from untouched import assert_untouched

from hf_tome import apply_tome, merged, remove_tome, trace_tome


class LikeDistributed(nn.Module):
    """Holds the model under `module` and passes all arguments on, as DistributedDataParallel does."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)


class Logits(nn.Module):
    def forward(self, output: Any) -> Any:
        return output.logits


@pytest.mark.parametrize("wrap", [LikeDistributed, lambda model: nn.Sequential(model, Logits())])
@torch.no_grad()
def test_a_model_in_a_container(wrap: Callable[[nn.Module], nn.Module]) -> None:
    inner, pixels = SMALL_VIT.build(), SMALL_VIT.inputs()["pixel_values"]
    wrapped = wrap(inner)
    expected = apply_tome(SMALL_VIT.build(), r=4)(pixels).logits
    assert apply_tome(wrapped, r=4) is wrapped
    assert torch.equal(getattr(wrapped(pixels), "logits", wrapped(pixels)), expected)
    assert inner.config.tome["r"] == 4
    with trace_tome(wrapped) as trace:
        wrapped(pixels)
    assert len(trace) == 1
    remove_tome(wrapped)
    assert_untouched(inner, SMALL_VIT.build(), SMALL_VIT.inputs())


@torch.no_grad()
def test_two_models_in_one_container() -> None:
    pair = nn.ModuleDict({"image": SMALL_VIT.build(), "video": SMALL_VIDEO.build()})
    apply_tome(pair, r=2)
    for model, case in ((pair["image"], SMALL_VIT), (pair["video"], SMALL_VIDEO)):
        assert_same(model(**case.inputs()), apply_tome(case.build(), r=2)(**case.inputs()))
        assert model.config.tome["r"] == 2  # pyright: ignore  # each carries its own settings when saved
    remove_tome(pair["video"])
    with merged(pair, r=5):
        assert pair["image"].config.tome["r"] == pair["video"].config.tome["r"] == 5  # pyright: ignore
    assert pair["image"].config.tome["r"] == 2  # pyright: ignore
    assert_untouched(pair["video"], SMALL_VIDEO.build(), SMALL_VIDEO.inputs())
    remove_tome(pair)
    assert_untouched(pair["image"], SMALL_VIT.build(), SMALL_VIT.inputs())
