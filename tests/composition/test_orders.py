"""Merging beside what else changes a model's parts: both orders give the same, and neither is lost.

What a row of the table in docs/deploy.md says was run here. Packages that are not installed are skipped.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from cases import SMALL_VIT
from comparison import apart
from torch import nn

from hf_tome import apply_tome, remove_tome, trace_tome

Change = Callable[[nn.Module], nn.Module]


def dynamic_int8(model: nn.Module) -> nn.Module:
    return torch.ao.quantization.quantize_dynamic(model, {nn.Linear}, dtype=torch.qint8)


def torchao(bits: str) -> Change:
    def change(model: nn.Module) -> nn.Module:
        quantization: Any = pytest.importorskip("torchao.quantization", reason="torchao is not installed")
        kinds = {
            "int8": lambda: quantization.Int8WeightOnlyConfig(),
            "int4": lambda: quantization.IntxWeightOnlyConfig(torch.int4, quantization.PerGroup(16)),
        }
        quantization.quantize_(model, kinds[bits]())
        return model

    return change


def quanto(model: nn.Module) -> nn.Module:
    library: Any = pytest.importorskip("optimum.quanto", reason="optimum-quanto is not installed")
    library.quantize(model, weights=library.qint8)
    library.freeze(model)
    return model


def adapter(kind: str) -> Change:
    def change(model: nn.Module) -> nn.Module:
        peft: Any = pytest.importorskip("peft", reason="peft is not installed")
        parts = {"target_modules": ["k_proj", "v_proj", "fc2"]}
        configs = {
            "LoRA": lambda: peft.LoraConfig(**parts, r=2, init_lora_weights=False),
            "DoRA": lambda: peft.LoraConfig(**parts, r=2, init_lora_weights=False, use_dora=True),
            "IA3": lambda: peft.IA3Config(**parts, feedforward_modules=["fc2"], init_ia3_weights=False),
        }
        torch.manual_seed(3)
        return peft.get_peft_model(model, configs[kind]()).eval()

    return change


CHANGES = {
    "torch dynamic int8": dynamic_int8,
    "torchao int8": torchao("int8"),
    "torchao int4": torchao("int4"),
    "quanto int8": quanto,
    "LoRA": adapter("LoRA"),
    "DoRA": adapter("DoRA"),
    "IA3": adapter("IA3"),
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
@torch.no_grad()
def test_both_orders_are_the_same(change: Change) -> None:
    inputs = SMALL_VIT.inputs()
    plain = change(SMALL_VIT.build())(**inputs).logits
    first, second = change(apply_tome(SMALL_VIT.build(), r=4)), apply_tome(change(SMALL_VIT.build()), r=4)
    found = []
    for model in (first, second):
        with trace_tome(model) as trace:
            found.append(model(**inputs).logits)
        assert trace.token_counts == [37, 33, 29, 25, 21]
    assert apart(*found) <= 1e-6
    assert apart(found[0], plain) > 1e-3
    assert apart(found[0], apply_tome(SMALL_VIT.build(), r=4)(**inputs).logits) > 1e-4  # the change is not lost
    for model in (first, second):
        assert apart(remove_tome(model)(**inputs).logits, plain) <= 1e-6
