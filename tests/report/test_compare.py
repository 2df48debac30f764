"""compare: labels, agreement and pairing on a model whose predictions are known."""

import pytest
import torch
from transformers import ViTConfig, ViTForImageClassification

from hf_tome import ToMeError, apply_tome
from hf_tome.report import compare


@pytest.fixture
def model():
    config = ViTConfig(hidden_size=48, num_hidden_layers=3, num_attention_heads=3, intermediate_size=96, image_size=32,
                       patch_size=4, num_labels=5, initializer_range=0.2)  # fmt: skip
    return ViTForImageClassification(config).eval()


def test_rows(model):
    images = torch.randn(10, 3, 32, 32)
    with torch.no_grad():
        labels = model(images).logits.argmax(-1)
    batches = [({"pixel_values": images[i : i + 4]}, labels[i : i + 4]) for i in (0, 4, 8)]
    ticks = []
    rows = compare(model, batches, [0, 20], done=lambda: ticks.append(1))
    assert [row.r for row in rows] == [None, 0, 20]
    assert len(ticks) == 3
    assert all(row.inputs == 10 and len(row.seconds) == len(row.speedups) == 3 for row in rows)
    assert rows[0].correct == rows[0].agreeing == rows[1].correct == 10  # r=0 changes nothing
    assert rows[2].correct == rows[2].agreeing < 10
    assert rows[0].token_counts == [65] * 4
    assert rows[2].token_counts == [65, 45, 25, 13]
    assert rows[2].mac_ratio > 1 == rows[1].mac_ratio == rows[0].mac_ratio
    assert not hasattr(model, "_tome")


def test_without_labels(model):
    rows = compare(model, [({"pixel_values": torch.randn(2, 3, 32, 32)}, None)], [4])
    assert [row.correct for row in rows] == [None, None]
    assert rows[1].spread == (rows[1].speedup, rows[1].speedup)


def test_no_batches(model):
    with pytest.raises(ToMeError, match="at least one batch"):
        compare(model, [], [4])


def test_a_patched_model_stays_patched(model):
    apply_tome(model, r=3)
    compare(model, [({"pixel_values": torch.randn(2, 3, 32, 32)}, None)], [4])
    assert model.config.tome["r"] == 3
    assert hasattr(model.vit, "_tome")
