"""Whole models that hold an encoder: outputs keep their shapes, and with nothing merged they are the plain ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import transformers as tf
from comparison import assert_same, tensors_of
from PIL import Image
from row import CORE, LAYERS, SPEECH, TEXT, image, made, mel, two, words
from rows_sound import CODEC
from rows_video import FRAMES
from zoo import ZOO

from hf_tome import apply_tome, remove_tome

Made = tuple[Any, dict[str, Any]]
STAGES = ["stage1", "stage2", "stage3"]


def dinov2(**settings: Any) -> tf.PretrainedConfig:
    return tf.Dinov2Config(**CORE, out_features=STAGES, **{"reshape_hidden_states": False, **settings})


def depth_anything() -> Made:
    config = tf.DepthAnythingConfig(
        backbone_config=dinov2(),
        patch_size=4,
        reassemble_hidden_size=16,
        reassemble_factors=[2, 1, 0.5],
        neck_hidden_sizes=[8, 8, 8],
        fusion_hidden_size=8,
        head_hidden_size=4,
    )
    return tf.DepthAnythingForDepthEstimation(config), image()


def dpt_on_dinov2() -> Made:
    config = tf.DPTConfig(
        backbone_config=dinov2(),
        patch_size=4,
        hidden_size=16,
        neck_hidden_sizes=[8, 8, 8],
        reassemble_factors=[2, 1, 0.5],
        fusion_hidden_size=8,
        backbone_out_indices=[1, 2, 3],
        is_hybrid=False,
    )
    return tf.DPTForDepthEstimation(config), image()


def vitpose() -> Made:
    sides = {**CORE, "image_size": [32, 32], "patch_size": [8, 8]}
    config = tf.VitPoseConfig(backbone_config=tf.VitPoseBackboneConfig(**sides, mlp_ratio=2), num_labels=3)
    return tf.VitPoseForPoseEstimation(config), {"pixel_values": made(2, 3, 32, 32)}


def captioner() -> Made:
    decoder = tf.GPT2Config(vocab_size=40, n_embd=16, n_layer=1, n_head=2, n_positions=16, bos_token_id=0)
    config = tf.VisionEncoderDecoderConfig.from_encoder_decoder_configs(tf.ViTConfig(**CORE), decoder)
    config.decoder_start_token_id = config.pad_token_id = 0
    return tf.VisionEncoderDecoderModel(config), {**image(), "decoder_input_ids": words()["input_ids"]}


def speech_model() -> Made:
    config = tf.WhisperConfig(
        **SPEECH, vocab_size=40, pad_token_id=1, decoder_start_token_id=0, max_target_positions=16
    )
    return tf.WhisperForConditionalGeneration(config), {**mel(), "decoder_input_ids": words()["input_ids"]}


def blip_captioner() -> Made:
    text = {**TEXT, "encoder_hidden_size": 16}
    config = tf.BlipConfig(text_config=text, vision_config=CORE, projection_dim=16, image_text_hidden_size=8)
    return tf.BlipForConditionalGeneration(config), {**image(), **words()}


def audio_video() -> Made:
    sizes = {"hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": LAYERS, "intermediate_size": 24}
    encoder = {**sizes, "head_dim": 8}
    config = tf.PeAudioVideoEncoderConfig(
        **encoder,
        audio_config=tf.PeAudioEncoderConfig(**encoder, dac_config=CODEC),
        video_config=tf.PeVideoEncoderConfig(**encoder, vision_config=FRAMES),
    )
    return tf.PeAudioVideoEncoder(config), {
        "input_values": made(2, 1, 64),
        "pixel_values_videos": made(2, 8, 3, 16, 16),
    }


MODELS: dict[str, tuple[Callable[[], Made], str]] = {
    "depth anything": (depth_anything, "dinov2"),
    "DPT on DINOv2": (dpt_on_dinov2, "dinov2"),
    "ViTPose": (vitpose, "vitpose_backbone"),
    "captions by ViT and GPT-2": (captioner, "vit"),
    "Whisper": (speech_model, "whisper"),
    "captions by BLIP": (blip_captioner, "blip"),
    "PE audio-video": (audio_video, "pe_video_encoder"),
}
PRESENT = [name for name, (_, family) in MODELS.items() if family in {row.model_type for row in ZOO}]


def build(name: str) -> Made:
    torch.manual_seed(0)
    model, inputs = MODELS[name][0]()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape) * 0.2)
    return model.eval(), inputs


@pytest.mark.parametrize("name", PRESENT)
@torch.no_grad()
def test_a_whole_model(name: str) -> None:
    model, inputs = build(name)
    plain = model(**inputs)
    assert_same(apply_tome(model, r=0)(**inputs), plain)
    merged = apply_tome(model, r=3)(**inputs)
    shapes = [[tensor.shape for tensor in tensors_of(output)] for output in (merged, plain)]
    assert shapes[0] == shapes[1]
    assert any(not torch.equal(*pair) for pair in zip(tensors_of(merged), tensors_of(plain), strict=True))
    assert_same(remove_tome(model)(**inputs), plain)


@torch.no_grad()
def test_a_tower_alone_that_is_no_model_of_transformers() -> None:
    tower = next(row for row in ZOO if row.model_type == "idefics").build().vision_model
    assert not isinstance(tower, tf.PreTrainedModel)
    plain = tower(**image())
    assert_same(apply_tome(tower, r=0)(**image()), plain)
    assert apply_tome(tower, r=3, restore=False)(**image())[0].shape[1] == 17 - 3 * LAYERS
    assert tower.config.tome["r"] == 3
    assert_same(remove_tome(tower)(**image()), plain)


@pytest.mark.parametrize("name", [name for name in ("captions by ViT and GPT-2", "Whisper") if name in PRESENT])
def test_generation(name: str) -> None:
    model, inputs = build(name)
    inputs.pop("decoder_input_ids")
    model.generation_config.suppress_tokens = [1, 2]  # so that it says something
    told = {"max_new_tokens": 5, "do_sample": False, "num_beams": 2}
    plain = model.generate(**inputs, **told)
    assert torch.equal(apply_tome(model, r=0).generate(**inputs, **told), plain)
    assert apply_tome(model, r=3).generate(**inputs, **told).shape[0] == len(plain)


def test_the_zero_shot_pipeline() -> None:
    torch.manual_seed(0)
    words_of = {"<|startoftext|>": 0, "<|endoftext|>": 2, "a</w>": 3, "b</w>": 4, "a": 5, "b": 6}
    tokenizer = tf.CLIPTokenizer(vocab=words_of, merges=[])
    model = tf.CLIPModel(two(tf.CLIPConfig, max_position_embeddings=77)()).eval()
    pipe = tf.pipeline(
        "zero-shot-image-classification",
        model=model,
        tokenizer=tokenizer,
        image_processor=tf.CLIPImageProcessor(size={"height": 16, "width": 16}, crop_size={"height": 16, "width": 16}),
    )
    picture, labels = Image.effect_noise((16, 16), 90).convert("RGB"), ["a", "b"]
    plain = pipe(picture, candidate_labels=labels)
    assert apply_tome(pipe, r=0)(picture, candidate_labels=labels) == plain
    merged = apply_tome(pipe, r=LAYERS)(picture, candidate_labels=labels)
    assert {each["label"] for each in merged} == {"a", "b"}
    assert merged != plain
