"""Full-size models by name; built without their weights, or shrunk."""

from __future__ import annotations

import pytest
import torch

from hf_tome import ToMeConfig, ToMeError, apply_tome
from hf_tome.measure.compare import token_costs
from hf_tome.measure.presets import PRESETS, build, random_inputs

ONE_LAYER = {"num_hidden_layers": 1, "encoder_layers": 1, "decoder_layers": 1, "pred_num_hidden_layers": 1,
             "num_pooler_layers": 1}  # fmt: skip
NARROW = {"hidden_size": 16, "num_attention_heads": 1, "intermediate_size": 16, "d_model": 16, "mlp_ratio": 1,
          "encoder_attention_heads": 1, "encoder_ffn_dim": 16}  # fmt: skip


@pytest.mark.slow
def test_each_preset_can_be_merged() -> None:
    for name in PRESETS:
        with torch.device("meta"):
            model = build(name, **ONE_LAYER)
        apply_tome(model, r=8)
        assert model.config.hidden_size % model.config.num_attention_heads == 0


@pytest.mark.parametrize(
    ("name", "tokens"),
    [("vit-small", 197), ("deit-small", 198), ("videomae-small", 1568), ("ast-base", 1214), ("clip-large-336", 577),
     ("siglip2-so400m-384", 729), ("dinov2-large-518", 1370), ("dinov3-large", 201), ("whisper-large", 1500),
     ("vjepa2-large", 8192)],
)  # fmt: skip
def test_inputs_fit(name: str, tokens: int) -> None:
    model = build(name, **ONE_LAYER, **NARROW)
    counts = token_costs(model, ToMeConfig(r=8), random_inputs(model, 2))["token_counts"]
    assert counts == [tokens, tokens - 8]


def test_an_unknown_name() -> None:
    with pytest.raises(ToMeError, match="vit-tiny"):
        build("vit-tiny")
