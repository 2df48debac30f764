"""What cannot be merged is refused with the reason; nothing is lost without a word."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
import transformers as tf
from row import CORE, WAVE, Row, image, mel
from transformers.models.vit.modeling_vit import eager_attention_forward as vit_eager
from transformers.models.vjepa2.modeling_vjepa2 import eager_attention_forward as vjepa2_eager
from untouched import photograph
from zoo import ZOO

from hf_tome import ToMeValueError, UnsupportedModelError, apply_tome, remove_tome
from hf_tome.engine.attention import adds_mask


def row(name: str) -> Row:
    return next(each for each in ZOO if each.model_type == name)


PRESENT = {each.model_type for each in ZOO}
SWITCHED = {
    "relative position bias": lambda: tf.BeitModel(tf.BeitConfig(**CORE, use_relative_position_bias=True)),
    "between layers": lambda: tf.YolosModel(
        tf.YolosConfig(**{**CORE, "image_size": [16, 16]}, use_mid_position_embeddings=True)
    ),
    r"set_attn_implementation\(.eager.\)": lambda: row("kosmos-2.5").build("sdpa"),
    "post-norm": lambda: tf.Wav2Vec2Model(tf.Wav2Vec2Config(**{**WAVE, "do_stable_layer_norm": False})),
}


@pytest.mark.parametrize("reason", [each for each in SWITCHED if "eager" not in each or "kosmos-2.5" in PRESENT])
def test_a_config_that_rules_merging_out(reason: str) -> None:
    model = SWITCHED[reason]()
    before = photograph(model)
    with pytest.raises(UnsupportedModelError, match=reason):
        apply_tome(model, r=2)
    assert photograph(model) == before


def test_an_unknown_family_is_told_how_to_become_one() -> None:
    config = tf.BertConfig(vocab_size=8, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8)
    with pytest.raises(UnsupportedModelError, match="adding-a-family"):
        apply_tome(tf.BertModel(config), r=2)


def test_a_mask_for_a_tower_that_takes_none() -> None:
    model = apply_tome(row("siglip").build().vision_model, r=2)
    with pytest.raises(ToMeValueError, match="takes no attention mask"):
        model(**image(), attention_mask=torch.ones(2, 16))


@pytest.mark.parametrize("hidden", [True, False])
def test_a_mask_that_reaches_the_layers_unannounced(hidden: bool) -> None:
    model, mask = apply_tome(row("siglip").build().vision_model, r=2), torch.ones(2, 1, 16, 16, dtype=torch.bool)
    mask[0, ..., -1] = not hidden
    model.encoder.register_forward_pre_hook(
        lambda _, args, kwargs: (args, {**kwargs, "attention_mask": mask}), with_kwargs=True
    )
    if not hidden:
        model(**image())
        return
    with pytest.raises(UnsupportedModelError, match="no attention mask that hides tokens"):
        model(**image())


def test_masks_per_pair_whose_rows_differ() -> None:
    model, mask = apply_tome(row("qwen2_audio_encoder").build(), r=2), torch.zeros(2, 1, 20, 20)
    mask[0, 0, 3, 4] = -torch.inf
    with pytest.raises(ToMeValueError, match="per pair"):
        model(**mel(), attention_mask=mask)


@pytest.mark.parametrize("name", sorted({"whisper", "wav2vec2"} & PRESENT))
def test_training_that_skips_layers(name: str) -> None:
    model = apply_tome(row(name).build(), r=2)
    tower = model.model.encoder if name == "whisper" else model.wav2vec2.config
    tower.layerdrop = 0.5
    model(**row(name).inputs())
    model.train()
    with pytest.raises(UnsupportedModelError, match="LayerDrop"):
        model(**row(name).inputs())
    tower.layerdrop = 0.0
    model(**row(name).inputs())


@pytest.mark.parametrize("order", [0, 1])
def test_two_models_with_one_config_object(order: int) -> None:
    config = tf.ViTConfig(**CORE)
    models: list[Any] = [tf.ViTModel(config), tf.ViTModel(config)]
    before = copy.deepcopy(vars(config))
    for model in models:
        apply_tome(model, r=2)
    for model in models[:: 1 - 2 * order]:
        remove_tome(model)
    assert vars(config) == before


def test_settings_leave_the_config_of_a_part_too() -> None:
    model = row("clip").build()
    before = photograph(model)
    apply_tome(model, r=2)
    apply_tome(model.vision_model, r=3)
    assert "tome" in vars(model.vision_model.config)
    apply_tome(model, r=4)
    assert "tome" not in vars(model.vision_model.config)
    remove_tome(model)
    assert photograph(model) == before


def test_only_the_vision_tower_is_patched() -> None:
    model = apply_tome(row("clip").build(), r=2)
    patched = [name for name, module in model.named_modules() if "_tome" in vars(module)]
    assert len(patched) == 1 + 2 * 3
    assert all(name.startswith("vision_model") for name in patched)


def test_an_eager_attention_that_ignores_masks_is_known() -> None:
    module = row("vit").build().layers[0].attention
    assert adds_mask(vit_eager, module)
    assert not adds_mask(vjepa2_eager, module)


def test_a_causal_attention() -> None:
    model = row("vit").build()
    model.layers[1].attention.is_causal = True
    with pytest.raises(UnsupportedModelError, match="is_causal=True"):
        apply_tome(model, r=2)


def test_a_family_whose_layers_were_others_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hf_tome.families.family.transformers.__version__", "5.9.1")
    model = row("clip").build()
    monkeypatch.setattr(type(model.vision_model.encoder.layers[0]), "forward", lambda self, x, *_, **__: x)
    with pytest.raises(UnsupportedModelError, match=r"needs transformers 5\.10 or later"):
        apply_tome(model, r=2)


@pytest.mark.skipif("radio" not in PRESENT, reason="not in this version")
def test_packed_images() -> None:
    model = apply_tome(row("radio").build(), r=2)
    with pytest.raises(ToMeValueError, match="image_grid_hw"):
        model(torch.randn(20, 48), image_grid_hw=torch.tensor([[4, 4], [2, 2]]))
    with pytest.raises(ToMeValueError, match="image_grid_hw"):
        model(torch.randn(20, 48), torch.tensor([[4, 4], [2, 2]]))


def test_an_attention_that_computes_by_itself_and_is_not_the_familys() -> None:
    model = row("blip").build()
    layer = model.vision_model.encoder.layers[1].self_attn

    class Mine(type(layer)):
        def forward(self, hidden_states: torch.Tensor, **_: Any) -> Any:
            return hidden_states, None

    layer.__class__ = Mine
    with pytest.raises(UnsupportedModelError, match="transformers' own"):
        apply_tome(model, r=2)
