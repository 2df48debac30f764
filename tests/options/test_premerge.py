"""`premerge`: tokens that merge before the first layer. The tests of families hold it against `by_hand`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from cases import BARE, SMALL_VIT
from comparison import apart
from gradients import assert_checkpointing_changes_nothing, each_checkpointing
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode
from transformers import Dinov2Config, Dinov2Model, ViTModel

from hf_tome import ToMeConfig, ToMeError, ToMeTypeError, ToMeValueError, UnsupportedModelError, apply_tome, trace_tome
from hf_tome.families import FAMILIES
from hf_tome.measure import encoder_macs
from hf_tome.tune import tune

VIT = BARE[0]


def repeated(kinds: Tensor) -> Tensor:
    """(batch, 3, 24, 24): images of patches of 4 x 4 pixels, of which those of one kind are equal."""
    every = torch.randn(4, 3, 4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return every[kinds].permute(0, 3, 1, 4, 2, 5).reshape(len(kinds), 3, 24, 24)


@pytest.mark.parametrize("premerge", [10, 20])
@torch.no_grad()
def test_equal_tokens_merge_without_any_change(premerge: int) -> None:
    """Where positions add nothing, equal patches are equal tokens: one of n times the size answers for n of them."""
    kinds = torch.randint(0, 4, (2, 6, 6), generator=torch.Generator().manual_seed(0))
    model: Any = VIT.build().double()
    model.embeddings.position_embeddings.zero_()
    pixels = repeated(kinds)
    plain = model(pixels, output_hidden_states=True)
    apply_tome(model, r=0, premerge=premerge)
    with trace_tome(model) as trace:
        assert apart(model(pixels, output_hidden_states=True), plain) < 1e-6  # sizes are in float32
    groups = trace.groups[:, 1:] - 1
    of_group = torch.zeros(2, 36 - premerge, dtype=torch.int64).scatter(1, groups, kinds.flatten(1))
    assert torch.equal(of_group.gather(1, groups), kinds.flatten(1))  # no group has patches of two kinds
    apply_tome(model, r=0, premerge=premerge, prop_attn=False)
    assert apart(model(pixels, output_hidden_states=True), plain) > 1e-3  # the sizes are what keeps it exact


def test_multiply_adds_are_those_of_the_model() -> None:
    model = apply_tome(VIT.build(implementation="eager"), r=3, premerge=15, prop_attn=False)
    with torch.no_grad(), trace_tome(model) as trace, FlopCounterMode(display=False) as flops:
        model(**VIT.inputs(batch=1))
    inside = [37 - 15, *trace.token_counts[1:-1]]
    rounds = [37, 37 - 4, 37 - 8, 37 - 11, 37 - 14]  # before each: an eighth goes, 15 in all
    matching = sum((n - 1) // 2 * (n // 2) * 16 for n in inside)  # keys of 16 channels, tokens of 32
    matching += sum((n - 1) // 2 * (n // 2) * 32 for n in rounds)
    patches, pooler = 36 * 32 * 3 * 16, 32 * 32
    counted = flops.get_total_flops() / 2 - matching - patches - pooler
    assert counted == encoder_macs(trace.token_counts, 32, 48, trace.last.premerged)


@each_checkpointing
def test_checkpointing_changes_no_gradient(reentrant: bool) -> None:
    model = apply_tome(SMALL_VIT.build(), r=3, premerge=12).train()
    assert_checkpointing_changes_nothing(model, SMALL_VIT, reentrant)


@torch.no_grad()
def test_it_is_saved_and_taken_off(tmp_path: Path) -> None:
    model, inputs = apply_tome(VIT.build(), r=2, premerge=0.5), VIT.inputs()
    assert model.config.tome == {"r": 2, "prop_attn": None, "restore": True, "premerge": 0.5}
    model.save_pretrained(tmp_path)
    again = apply_tome(ViTModel.from_pretrained(tmp_path).eval())
    assert apart(again(**inputs), model(**inputs)) == 0
    assert "premerge" not in apply_tome(model, r=2).config.tome
    assert apart(model(**inputs), apply_tome(VIT.build(), r=2)(**inputs)) == 0


@pytest.mark.parametrize(
    ("premerge", "error"),
    [(-1, ToMeValueError), (1.0, ToMeValueError), (True, ToMeTypeError), ("half", ToMeTypeError),
     ((8, -1.0), ToMeTypeError), ([8], ToMeTypeError), (None, ToMeTypeError)],
)  # fmt: skip
def test_wrong_values_are_refused(premerge: Any, error: type[ToMeError]) -> None:
    with pytest.raises(error, match="premerge is an int"):
        ToMeConfig(r=0, premerge=premerge)


def test_families_without_a_table_of_positions_refuse_it() -> None:
    """Where positions follow tokens, or some at the end are protected, `premerge` does not look after them."""
    assert not any(
        family.positions or family.boundaries or family.protected_at_end for family in FAMILIES if family.table
    )
    model = Dinov2Model(Dinov2Config(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, image_size=28))
    with pytest.raises(UnsupportedModelError, match="vit, deit"):
        apply_tome(model, r=0, premerge=0.5)
    with pytest.raises(ToMeValueError, match="37 tokens"), torch.no_grad():
        apply_tome(VIT.build(), r=0, premerge=0.5)(torch.randn(1, 3, 32, 32), interpolate_pos_encoding=True)


def test_tune_refuses_it() -> None:
    with pytest.raises(ToMeValueError, match="first layer"):
        tune(SMALL_VIT.build(), SMALL_VIT.inputs(), target_speedup=1.2, premerge=4)
