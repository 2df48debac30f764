"""Every family: nothing merged is the plain model to the bit; merged is what `by_hand` says; it all comes off again."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

import pytest
import torch
from by_hand import merge_by_hand
from comparison import apart, assert_same, tensors_of
from row import Row
from torch import Tensor
from untouched import assert_untouched
from zoo import ROWS, ZOO, family_of_row

from hf_tome import ToMeError, apply_tome, remove_tome, trace_tome
from hf_tome.families import FAMILIES, family_of

R = 3
HIDDEN = {"vit_mae": (4, 4), "pixtral": (16, 0)}  # patches that a mask takes away, or that are no part of an image


def name(row: Row) -> str:
    return f"{row.model_type}-{row.model.__name__}"


each_row = pytest.mark.parametrize("row", ZOO, ids=name)
each_masked = pytest.mark.parametrize("row", [row for row in ZOO if row.mask], ids=lambda row: row.model_type)
each_implementation = pytest.mark.parametrize(
    ("row", "implementation"),
    [pytest.param(row, each, id=f"{name(row)}-{each}") for row in ZOO for each in row.implementations],
)


def exact(inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.double() if value.is_floating_point() else value for name, value in inputs.items()}


def by_hand(
    row: Row, inputs: dict[str, Tensor], mask: Tensor | None, prop_attn: bool, patch: Any, residual: bool = False
) -> Any:
    """What the plain model gives in float64 with merging around its layers."""
    model = row.build("eager").double()
    with patch.context() as inner:
        merge_by_hand(model, row.shape, R, prop_attn, mask, inner, residual)
        return model(**exact(inputs), output_hidden_states=True)


def assert_close(found: Any, expected: Any) -> None:
    scale = max(tensor.abs().max().item() for tensor in tensors_of(expected))
    assert apart(found, expected) < 1e-6 * max(1, scale)


def test_every_family_has_a_row_here_and_in_the_docs() -> None:
    names = {family.model_type for family in FAMILIES}
    page = (Path(__file__).parents[2] / "docs" / "families.md").read_text(encoding="utf-8")
    assert {row.model_type for row in ROWS} == names
    assert [name for name in names if f"`{name}`" not in page] == []


@each_implementation
@torch.no_grad()
def test_nothing_merged_is_the_plain_model(row: Row, implementation: str) -> None:
    plain, model = row.build(implementation), apply_tome(row.build(implementation), r=0)
    assert_same(model(**row.inputs(), output_hidden_states=True), plain(**row.inputs(), output_hidden_states=True))


@each_row
@torch.no_grad()
def test_dropout_is_drawn_as_in_the_plain_model(row: Row) -> None:
    outputs = []
    for model in (row.build(), apply_tome(row.build(), r=0)):
        for module in model.train().modules():
            for name in {"p", "drop_prob", "dropout", "attention_dropout", "activation_dropout"} & set(vars(module)):
                setattr(module, name, 0.2)
        torch.manual_seed(5)
        outputs.append(model(**row.inputs()))
    assert_same(*outputs)


@each_implementation
@torch.no_grad()
def test_merged_is_what_is_merged_by_hand(row: Row, implementation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = by_hand(row, row.inputs(), None, True, monkeypatch)
    model = apply_tome(row.build(implementation).double(), r=R, prop_attn=True)
    found = model(**exact(row.inputs()), output_hidden_states=True)
    assert_close(found, expected)
    plain = row.build(implementation).double()(**exact(row.inputs()), output_hidden_states=True)
    assert apart(found, plain) > 1e-3


MECHANISMS = (
    "vit",
    "yolos",
    "dinov2",
    "dinov3_vit",
    "clip",
    "internvl",
    "qwen2_vl_vision",
    "pixtral",
    "videomae",
    "vjepa2",
    "whisper",
    "wav2vec2",
)


@pytest.mark.parametrize("row", [row for row in ZOO if row.model_type in MECHANISMS], ids=name)
@torch.no_grad()
def test_positions_keep_what_set_them_apart(row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = by_hand(row, row.inputs(), None, True, monkeypatch, residual=True)
    model = apply_tome(row.build().double(), r=R, prop_attn=True, restore="residual")
    assert_close(model(**exact(row.inputs()), output_hidden_states=True), expected)


@each_masked
@torch.no_grad()
def test_padding_is_what_is_merged_by_hand(row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    assert row.mask is not None
    arguments, mask = row.mask()
    inputs = {**row.inputs(), **arguments}
    expected = by_hand(row, inputs, mask, True, monkeypatch)
    model = apply_tome(row.build().double(), r=R, prop_attn=True)
    assert_close(model(**exact(inputs), output_hidden_states=True), expected)


@each_row
def test_it_comes_off_and_short_sequences_are_refused_where_they_are_wrong(row: Row) -> None:
    model, plain = row.build(), row.build()
    with torch.no_grad():
        plain(**row.inputs(), output_hidden_states=True)
        apply_tome(model, r=R)(**row.inputs(), output_hidden_states=True)
        if row.restored:
            with pytest.raises(ToMeError, match="restore"):
                apply_tome(model, r=R, restore=False)
        else:
            apply_tome(model, r=R, restore=False)(**row.inputs())
    assert_untouched(remove_tome(model), plain, row.inputs())


@each_row
def test_a_recompute_gives_the_same_gradients(row: Row) -> None:
    found = []
    for checkpointing in (False, True):
        model = apply_tome(row.build(), r=R).train()
        if checkpointing and model.supports_gradient_checkpointing:
            model.gradient_checkpointing_enable({"use_reentrant": False})
        out = tensors_of(model(**row.inputs()))[0]
        (out * torch.linspace(-1, 1, out.numel()).view_as(out)).sum().backward()
        found.append([p.grad for p in model.parameters() if p.grad is not None])
    assert len(found[0]) > 10
    assert all(torch.isfinite(grad).all() for grad in found[0])
    assert apart(*found) < 1e-4 * max(1, max(grad.abs().max().item() for grad in found[0]))


@pytest.mark.parametrize("family", {family_of_row(row): None for row in ZOO}, ids=lambda family: family.model_type)
def test_the_facts_fit_the_model(family: Any) -> None:
    """The grid counts the tokens, the widths are those of the layer's weights, and random inputs run."""
    row = next(row for row in ZOO if row.model_type == family.model_type)
    model = apply_tome(row.build(), r=0)
    tower: Any = next(module for module in model.modules() if family.owns(module))
    with torch.no_grad(), trace_tome(model) as trace:
        model(**row.inputs())
        tower(**family.inputs(tower.config, 2))
    for forward, hidden_by_mask in zip(trace.forwards, HIDDEN.get(row.model_type, (0, 0)), strict=True):
        patches = forward.token_counts[0] - row.shape.protected - row.shape.at_end
        assert prod(forward.grid) - hidden_by_mask == patches == forward.patch_groups(0).shape[1]
    found: Any = family_of(tower)
    layer = found.layers_of(tower)[0]
    attends = {id(weight) for weight in layer.get_submodule(found.attention.partition(".")[0]).parameters()}
    mlp = [w for n, w in layer.named_parameters() if w.ndim == 2 and id(w) not in attends and "message" not in n]
    hidden, inner = found.widths(tower.config)
    experts = 9 / 8 if row.model_type == "vitpose_backbone" else 1
    assert sum(weight.numel() for weight in mlp) == 2 * hidden * inner * experts
