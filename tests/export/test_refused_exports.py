"""What no export can carry says so."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import transformers as tf
from cases import SMALL_VIT

from hf_tome import UnsupportedModelError, apply_tome


def test_the_torchscript_exporter(tmp_path: Path) -> None:
    model, inputs = apply_tome(SMALL_VIT.build(num_hidden_layers=1), r=4), SMALL_VIT.inputs()
    pytest.importorskip("onnx", reason="ONNX needs the extra [export]")
    with torch.no_grad(), pytest.raises(UnsupportedModelError, match="dynamo=True"):
        torch.onnx.export(model, (inputs["pixel_values"],), tmp_path / "model.onnx", dynamo=False)


def test_a_free_length() -> None:
    settings = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 24, "num_hidden_layers": 1}
    conv = {"conv_dim": (8,), "conv_kernel": (4,), "conv_stride": (3,), "num_feat_extract_layers": 1}
    more = {"num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2, "feat_extract_norm": "layer"}
    config = tf.Wav2Vec2Config(**settings, **conv, **more, do_stable_layer_norm=True)
    model = apply_tome(tf.Wav2Vec2Model._from_config(config).eval(), r=0.1)
    waves = torch.randn(2, 130)
    expected = model(waves).last_hidden_state
    time = torch.export.Dim("time", min=40, max=1000)
    with torch.no_grad(), pytest.raises(UnsupportedModelError, match="one number of tokens"):
        torch.export.export(model, (), {"input_values": waves}, dynamic_shapes={"input_values": {1: time}})
    assert torch.equal(model(waves).last_hidden_state, expected)  # the failed export has left nothing behind
