"""Where only the residual's addition follows the MLP, the second merge is left out: same result as with it."""

import pytest
import torch
from transformers import VideoMAEConfig, VideoMAEModel, ViTConfig, ViTModel
from transformers.models.vit.modeling_vit import ViTLayer

from hf_tome import apply_tome
from hf_tome.adapters import family_of

SHAPE = {"hidden_size": 48, "num_hidden_layers": 3, "num_attention_heads": 3, "intermediate_size": 96,
         "image_size": 32, "initializer_range": 0.2}  # fmt: skip


def vit(dropout: float = 0.0):
    return ViTModel(ViTConfig(**SHAPE, patch_size=4, hidden_dropout_prob=dropout)).eval(), torch.randn(2, 3, 32, 32)


def videomae():
    return VideoMAEModel(VideoMAEConfig(**SHAPE, patch_size=8, num_frames=4)).eval(), torch.randn(2, 4, 3, 32, 32)


def parts(model):
    family = family_of(model)
    return family, list(model.get_submodule(family.layers).children())


@pytest.mark.parametrize("build", [vit, videomae])
def test_equals_the_general_way(build):
    model, x = build()
    model, x = model.double(), x.double()
    apply_tome(model, r=7, prop_attn=True)
    family, layers = parts(model)
    assert all(layer._tome.adds_only() for layer in layers)

    def outputs() -> tuple[torch.Tensor, list[torch.Tensor]]:
        model.zero_grad()
        out = model(x).last_hidden_state
        out.square().sum().backward()
        return out, [p.grad for p in model.parameters() if p.grad is not None]

    short, short_grads = outputs()
    seen = []
    for layer in layers:  # a hook of the user's own: from now on the general way is taken
        layer.get_submodule(family.mlp_out).register_forward_hook(lambda m, a, out: seen.append(out.shape[1]))
    general, general_grads = outputs()
    assert seen == [general.shape[1] - 7 * i for i in range(3)]  # what a hook sees is not merged
    assert (short - general).abs().max() < 1e-6
    for a, b in zip(short_grads, general_grads, strict=True):
        assert (a - b).abs().max() < 1e-4 * max(1, b.abs().max())


def test_a_hook_on_the_mlp_can_change_its_output():
    model, x = vit()
    apply_tome(model, r=7)
    plain = model(x).last_hidden_state
    model.layers[1].mlp.register_forward_hook(lambda m, a, out: out * 2)
    assert not torch.allclose(model(x).last_hidden_state, plain, atol=1e-2)


def test_active_dropout_takes_the_general_way():
    model, x = vit(dropout=0.5)
    apply_tome(model, r=7)
    _, layers = parts(model)
    assert all(layer._tome.adds_only() for layer in layers)
    model.train()
    assert not any(layer._tome.adds_only() for layer in layers)
    assert not torch.equal(model(x).last_hidden_state, model(x).last_hidden_state)
    model.layers[0].dropout.p = 0.0
    assert layers[0]._tome.adds_only()


class ScaledLayer(ViTLayer):
    """A user's own layer: the same modules, another forward."""

    def forward(self, hidden_states, attention_mask=None, **kwargs):
        residual = hidden_states + self.attention(self.layernorm_before(hidden_states), attention_mask, **kwargs)[0]
        return residual + 0.5 * self.mlp(self.layernorm_after(residual))


def test_a_forward_of_the_users_own_takes_the_general_way():
    model, x = vit()
    for layer in model.layers:
        layer.__class__ = ScaledLayer
    with torch.no_grad():
        apply_tome(model, r=7)
        merged = model(x).last_hidden_state
        assert not any(layer._tome.adds_only() for layer in model.layers)
        for layer in model.layers:  # the same function, written into the weights of a plain ViT
            layer._tome.known = True
            layer.mlp.fc2.weight.mul_(0.5)
            layer.mlp.fc2.bias.mul_(0.5)
        assert (model(x).last_hidden_state - merged).abs().max() < 2e-6
