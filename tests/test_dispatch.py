"""accelerate's hooks, which set a forward on each layer's instance."""

import pytest
import torch
from accelerate.hooks import AlignDevicesHook, add_hook_to_module, remove_hook_from_module
from transformers import ViTConfig, ViTModel

from hf_tome import UnsupportedModelError, apply_tome, remove_tome, trace_tome


@pytest.fixture
def model():
    config = ViTConfig(hidden_size=48, num_hidden_layers=2, num_attention_heads=3, intermediate_size=96, image_size=32,
                       patch_size=4, initializer_range=0.2)  # fmt: skip
    return ViTModel(config).eval()


def hook(model):
    for layer in model.layers:
        add_hook_to_module(layer, AlignDevicesHook(execution_device="cpu"))


def test_hooked_before_is_refused(model):
    hook(model)
    with pytest.raises(UnsupportedModelError, match="before dispatch_model"):
        apply_tome(model, r=8)
    assert not hasattr(model, "_tome")


def test_hooked_after_works(model):
    x = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        plain = model(x).last_hidden_state
        expected = apply_tome(model, r=8)(x).last_hidden_state
        hook(model)
        with trace_tome(model) as trace:
            assert torch.equal(model(x).last_hidden_state, expected)
        assert trace.token_counts == [65, 57, 49]
        apply_tome(model, r=4)
        with pytest.raises(UnsupportedModelError, match="remove_hook_from_submodules"):
            remove_tome(model)
        for layer in model.layers:
            remove_hook_from_module(layer)
        remove_tome(model)
        assert torch.equal(model(x).last_hidden_state, plain)
