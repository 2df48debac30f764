"""The MAC formula against the paper's figures, and against a count of the real model."""

import pytest
import torch
from cases import each_classifier
from torch.utils.flop_counter import FlopCounterMode
from transformers import ViTConfig, ViTModel

from hf_tome import apply_tome, trace_tome
from hf_tome.core import Schedule
from hf_tome.measure import counted_macs, encoder_macs, mac_ratio


def test_ratio_of_known_models():
    for tokens, layers, hidden, r, ratio in (
        (197, 12, 768, 0, 1),
        (197, 12, 768, 8, 1.34),
        (197, 12, 768, 13, 1.69),
        (197, 12, 768, 16, 2.00),
        (577, 24, 1024, 23, 1.98),
    ):
        counts = Schedule.parse(r).counts(tokens, layers, protected=1)
        assert mac_ratio(counts, hidden, 4 * hidden) == pytest.approx(ratio, abs=0.03)


@pytest.mark.parametrize("r", [0, 5, 20])
def test_formula_equals_the_count_of_the_real_model(r):
    config = ViTConfig(hidden_size=48, num_hidden_layers=3, num_attention_heads=3, intermediate_size=96, image_size=32,
                       patch_size=4, attn_implementation="eager")  # fmt: skip
    model = apply_tome(ViTModel(config, add_pooling_layer=False).eval(), r=r, prop_attn=False)
    x = torch.randn(1, 3, 32, 32)
    with torch.no_grad(), trace_tome(model) as trace, FlopCounterMode(display=False) as flops:
        model(x)
    counted = flops.get_total_flops() / 2
    patches = 64 * 48 * 3 * 16
    # the only other products are those of the matching, of about (n/2)^2 pairs; the class token takes no part
    matching = sum((n - 1) // 2 * (n // 2) * 16 for n in trace.token_counts[:-1]) if r else 0
    assert counted == encoder_macs(trace.token_counts, 48, 96) + patches + matching


@each_classifier
def test_counted_multiply_adds_are_those_of_the_formula(case):
    wide = {"hidden_size": 128, "intermediate_size": 512}  # in a narrow model the matching's own would show
    model, inputs = apply_tome(case.build(**wide), r=4), case.inputs(batch=3)
    with torch.no_grad(), trace_tome(model) as trace:
        model(**inputs)
    formula = 3 * encoder_macs(trace.token_counts, 128, 512)
    assert formula <= counted_macs(model, inputs) <= formula * 1.01
