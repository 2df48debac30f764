"""Attention kernels that take no mask: token sizes reach flash in channels of queries and keys, flex in its scores."""

from __future__ import annotations

import shutil
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
import transformers
from cases import SMALL_VIT, Case, each_classifier, tower_of
from comparison import apart
from hypothesis import given
from hypothesis import strategies as st
from layouts import each_layout
from torch import Tensor, nn
from torch._subclasses import FakeTensorMode

from hf_tome import UnsupportedAttentionError, apply_tome
from hf_tome.core.channels import with_bias
from hf_tome.engine import attention
from hf_tome.engine.flex import flex_attention

DTYPES = [torch.float32, torch.bfloat16, torch.float16]


def slow(query: Tensor, key: Tensor, value: Tensor, bias: Tensor, scale: float) -> Tensor:
    """Attention with a bias on the keys, in float64."""
    query, key, value, bias = (each.double() for each in (query, key, value, bias))
    scores = query @ key.transpose(-1, -2) * scale + bias[:, None, None]
    weights = (scores - scores.amax(-1, keepdim=True)).exp()
    return weights @ value / weights.sum(-1, keepdim=True)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@given(
    seed=st.integers(0, 2**32 - 1),
    width=st.sampled_from([13, 14, 16]),
    largest=st.sampled_from([1.0, 9.0, 30000.0]),
    hidden=st.booleans(),
)
def test_plain_attention_on_the_wide_tensors_has_the_bias(
    dtype: torch.dtype, seed: int, width: int, largest: float, hidden: bool
) -> None:
    chance = torch.Generator().manual_seed(seed)
    query, key, value = (torch.randn(2, 3, n, width, generator=chance).to(dtype) for n in (5, 7, 7))
    bias = (1 + (largest - 1) * torch.rand(2, 7, generator=chance)).log()
    if hidden:
        bias[:, 2] = float("-inf")
    wide = with_bias(query, key, value, bias, 0.25)
    assert all(each.dtype == dtype and each.isfinite().all() for each in wide)
    assert {each.shape[-1] for each in wide} == {16 if width < 16 else 24}  # what flash kernels take, and no more
    out = slow(*wide, torch.zeros_like(bias), 0.25)
    assert (out[..., :width] - slow(query, key, value, bias, 0.25)).abs().max() < 5e-4
    assert (out[..., width:] == 0).all()


@pytest.fixture
def flash(monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a flash attention that runs on a CPU: transformers' own way to it, and plain torch for the kernel."""

    def flash_attn_func(
        q: Tensor, k: Tensor, v: Tensor, softmax_scale: float | None = None, causal: bool = False, softcap: float = 0
    ) -> Tensor:
        assert q.shape[-1] == k.shape[-1] == v.shape[-1]
        assert not causal
        q, k, v = (each.transpose(1, 2) for each in (q, k, v))  # (batch, tokens, heads, channels) is flash's order
        return torch.nn.functional.scaled_dot_product_attention(q, k, v, scale=softmax_scale).transpose(1, 2)

    package = ModuleType("flash_attn_interface")
    vars(package).update(dict.fromkeys(("flash_attn_varlen_func", "flash_attn_with_kvcache"), flash_attn_func))
    vars(package).update(flash_attn_func=flash_attn_func)
    monkeypatch.setitem(sys.modules, package.__name__, package)
    monkeypatch.setattr("transformers.modeling_flash_attention_utils._loaded_implementation", None)
    return "flash_attention_3"


@each_layout
@torch.no_grad()
def test_flash_attention_takes_token_sizes(case: Case, flash: str) -> None:
    model, inputs = apply_tome(case.build(), r=5, prop_attn=True), case.inputs()
    expected = model(**inputs)
    model.config._attn_implementation_internal = flash  # as set_attn_implementation does on a GPU
    assert apart(model(**inputs), expected) < 1e-5
    assert apart(apply_tome(model, prop_attn=False)(**inputs), expected) > 1e-3


@pytest.mark.skipif(not hasattr(transformers, "VideoPrismVisionModel"), reason="not in this version")
@torch.no_grad()
def test_capped_scores_take_no_channels(flash: str) -> None:
    """The cap would squeeze log-size too."""
    widths = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 24, "image_size": 16}
    config = transformers.VideoPrismVisionConfig(
        **widths, num_frames=2, tubelet_size=[1, 4, 4], num_spatial_layers=2, num_temporal_layers=1
    )
    model = apply_tome(transformers.VideoPrismVisionModel(config).eval(), r=2)
    model.config._attn_implementation_internal = flash
    with pytest.raises(UnsupportedAttentionError, match="caps its scores"):
        model(torch.randn(1, 2, 3, 16, 16))


@torch.no_grad()
def test_flash_attention_of_images_in_one_sequence(flash: str) -> None:
    widths = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 24, "patch_size": 4}
    config = transformers.PixtralVisionConfig(**widths, num_hidden_layers=3)
    model = apply_tome(transformers.PixtralVisionModel(config).eval(), r=2)
    images = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0)), torch.tensor([[16, 8], [12, 16]])
    expected = model(*images)
    model.config._attn_implementation_internal = flash
    assert apart(model(*images), expected) < 1e-5


def test_flash_attention_has_the_gradients_of_sdpa(flash: str) -> None:
    grads = []
    for name in ("sdpa", flash):
        model = apply_tome(SMALL_VIT.build(), r=5)
        model.config._attn_implementation_internal = name
        model(**SMALL_VIT.inputs(), labels=torch.tensor([0, 1])).loss.backward()
        grads.append([each.grad for each in model.parameters() if each.grad is not None])
    torch.testing.assert_close(grads[1], grads[0], rtol=0, atol=1e-5)


@torch.no_grad()
def test_flash_attention_leaves_padding_out(flash: str) -> None:
    tower = tower_of(apply_tome(SMALL_VIT.build(), r=4, prop_attn=False), SMALL_VIT)
    mask = torch.ones(2, SMALL_VIT.tokens)
    mask[:, [4, 6, 8]] = 0
    expected = tower(**SMALL_VIT.inputs(), attention_mask=mask)
    tower.config._attn_implementation_internal = flash
    assert apart(tower(**SMALL_VIT.inputs(), attention_mask=mask), expected) < 1e-5


@torch.no_grad()
def test_flash_attention_in_bfloat16_is_no_less_exact_than_a_mask(flash: str) -> None:
    inputs = SMALL_VIT.inputs()
    exact = apply_tome(SMALL_VIT.build(), r=5)(**inputs).logits
    model = apply_tome(SMALL_VIT.build().bfloat16(), r=5)
    inputs = {name: each.bfloat16() for name, each in inputs.items()}
    errors = {}
    for name in ("sdpa", flash):
        model.config._attn_implementation_internal = name
        errors[name] = (model(**inputs).logits - exact).abs().mean()
    assert errors[flash] < 1.5 * errors["sdpa"]


@pytest.fixture
def fresh_dynamo() -> None:
    """Torch fails to compile flex attention on a CPU where too many sizes have been others before."""
    torch._dynamo.reset()


needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="flex attention on a CPU needs a C++ compiler")


@pytest.mark.slow  # flex attention on a CPU is compiled, 10 s
@needs_compiler
@pytest.mark.usefixtures("fresh_dynamo")
@pytest.mark.parametrize("prop_attn", [True, False])
@each_classifier
@torch.no_grad()
def test_flex_attention_takes_token_sizes(case: Case, prop_attn: bool) -> None:
    model, inputs = apply_tome(case.build(), r=4, prop_attn=prop_attn), case.inputs()
    expected = model(**inputs).logits
    model.set_attn_implementation("flex_attention")
    torch.testing.assert_close(model(**inputs).logits, expected, rtol=0, atol=1e-5)


@pytest.mark.slow
@needs_compiler
@pytest.mark.usefixtures("fresh_dynamo")
def test_the_score_function_of_flex_attention_adds_the_bias() -> None:
    chance = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(2, 2, 37, 16, generator=chance) for _ in range(3))
    bias = torch.rand(2, 37, generator=chance)
    out, _ = flex_attention(nn.Module().eval(), query, key, value, bias, scaling=0.5)
    assert (out.transpose(1, 2) - slow(query, key, value, bias, 0.5)).abs().max() < 1e-5


def test_on_a_gpu_flex_attention_gets_sizes_in_its_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a GPU without data, which every machine has."""
    seen: list[torch.Size] = []
    monkeypatch.setattr(attention, "flex_attention", lambda module, query, *rest, **kwargs: (seen.append(query.shape),))
    site: Any = SimpleNamespace(eager_adds_mask=True)
    with FakeTensorMode():
        query, key, value = (torch.empty(2, 3, 7, 16, device="cuda") for _ in range(3))
        sizes, settings = (
            torch.empty(2, 7, device="cuda"),
            SimpleNamespace(prop_attn=True, family=SimpleNamespace(messages=0)),
        )
        record: Any = SimpleNamespace(sizes=sizes, settings=settings)
        attention.biased(site, "flex_attention", nn.Module(), query, key, value, record)
    assert seen == [(2, 3, 7, 16)]  # no wider


def test_flex_attention_has_no_dropout() -> None:
    x = torch.zeros(1, 1, 2, 16)
    with pytest.raises(UnsupportedAttentionError, match=r"dropout=0\.1"):
        flex_attention(nn.Module(), x, x, x, torch.zeros(1, 2), dropout=0.1)
