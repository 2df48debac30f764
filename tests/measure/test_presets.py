"""Full-size models by name; built without their weights, or shrunk."""

from __future__ import annotations

import pytest
import torch
from cases import FAMILIES

from hf_tome import ToMeError, apply_tome
from hf_tome.measure.presets import PRESETS, build, random_inputs


def test_each_preset_can_be_merged() -> None:
    families = set()
    for name in PRESETS:
        with torch.device("meta"):
            model = build(name, num_hidden_layers=1, **({} if name.startswith("ast") else {"image_size": 56}))
        apply_tome(model, r=8)
        assert model.config.hidden_size % model.config.num_attention_heads == 0
        families.add(model.config.model_type)
    assert families <= {family.model_type for family in FAMILIES}


@pytest.mark.parametrize("name", ["vit-small", "deit-small", "videomae-small", "ast-base"])
def test_inputs_fit(name: str) -> None:
    model = build(name, num_hidden_layers=1, hidden_size=16, num_attention_heads=1, intermediate_size=16)
    with torch.no_grad():
        assert model(**random_inputs(model, 2)).logits.shape[0] == 2


def test_an_unknown_name() -> None:
    with pytest.raises(ToMeError, match="vit-tiny"):
        build("vit-tiny")
