"""Any checkpoint becomes a classifier for the classes at hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from cases import SMALL_VIDEO, SMALL_VIT
from transformers import (
    AutoModelForImageClassification,
    VideoMAEConfig,
    VideoMAEForPreTraining,
    ViTMAEConfig,
    ViTMAEForPreTraining,
)

from hf_tome import ToMeValueError, apply_tome
from hf_tome.train.pretrained import classifier, merge_for_training


def mae(folder: Path) -> ViTMAEForPreTraining:
    """A small masked autoencoder, saved in `folder`. It hides nothing, so that its encoder can be compared."""
    config = ViTMAEConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48, image_size=24,
        patch_size=4, decoder_hidden_size=32, decoder_num_hidden_layers=1, decoder_num_attention_heads=2,
        decoder_intermediate_size=32, mask_ratio=0.0, initializer_range=0.2,
    )  # fmt: skip
    model = ViTMAEForPreTraining(config).eval()
    model.save_pretrained(folder)
    return model


def test_a_masked_autoencoder_gives_its_encoder(tmp_path: Path) -> None:
    encoder = mae(tmp_path / "mae").vit
    model = classifier(str(tmp_path / "mae"), ["cat", "dog"]).eval()
    pixels = torch.randn(2, 3, 24, 24)
    with torch.no_grad():
        expected = encoder(pixels, noise=torch.arange(36.0).expand(2, -1)).last_hidden_state
        found = model.vit(pixels).last_hidden_state  # pyright: ignore
    torch.testing.assert_close(found, expected)
    merge_for_training(model, 4).save_pretrained(tmp_path / "tuned")
    again = AutoModelForImageClassification.from_pretrained(tmp_path / "tuned")  # not as a ViTMAE
    assert again.config.id2label == {0: "cat", 1: "dog"}
    assert again.config.tome == {"r": 4, "prop_attn": False, "restore": True}
    further = merge_for_training(classifier(str(tmp_path / "tuned"), ["a", "b", "c"]), 6)
    assert further.config.tome == {"r": 6, "prop_attn": False, "restore": True}
    assert merge_for_training(further, 2, prop_attn=True).config.tome["prop_attn"]


def test_the_pretraining_of_a_videomae_gives_its_encoder(tmp_path: Path) -> None:
    config = VideoMAEConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48, image_size=16, patch_size=8,
        num_frames=4, decoder_hidden_size=32, decoder_num_hidden_layers=1, decoder_num_attention_heads=2,
        decoder_intermediate_size=32, initializer_range=0.2,
    )  # fmt: skip
    saved = VideoMAEForPreTraining(config).eval()
    saved.save_pretrained(tmp_path)
    model = classifier(str(tmp_path), ["cat", "dog", "rain"], "video").eval()
    clips = torch.randn(2, 4, 3, 16, 16)
    with torch.no_grad():
        every = torch.zeros(2, 8, dtype=torch.bool)
        expected = saved.videomae(clips, bool_masked_pos=every).last_hidden_state
        found = model.videomae(clips).last_hidden_state  # pyright: ignore
        torch.testing.assert_close(found, expected)
        assert apply_tome(model, r=2)(pixel_values=clips).logits.shape == (2, 3)


def test_another_head_is_made_new(tmp_path: Path) -> None:
    saved = SMALL_VIT.build()
    saved.save_pretrained(tmp_path)
    model = classifier(str(tmp_path), ["a", "b", "c"])
    assert model.classifier.weight.shape == (3, 32)  # pyright: ignore
    torch.testing.assert_close(model.vit.state_dict(), saved.vit.state_dict())  # pyright: ignore


def test_what_is_no_classifier_is_refused(tmp_path: Path) -> None:
    SMALL_VIDEO.build().save_pretrained(tmp_path)
    for name in (str(tmp_path), str(tmp_path / "nowhere"), "nobody/nothing"):
        with pytest.raises(ToMeValueError, match="A model is the hub name or the folder"):
            classifier(name, ["a"])
