"""Tiny vision-language models of each layout, and prompts for them: two samples of different length, padded left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from inspect import signature
from typing import Any

import pytest
import torch
import transformers as tf
from torch import Tensor

IMAGE, VIDEO = 3, 4
TEXT = {
    "vocab_size": 40, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
    "max_position_embeddings": 256,
}  # fmt: skip
TOWER = {
    "hidden_size": 24, "intermediate_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "image_size": 16,
    "patch_size": 4,
}  # fmt: skip
MROPE = {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10000.0}


@dataclass(frozen=True)
class Vlm:
    """One model.

    Attributes:
        name: of its family.
        build: makes its config.
        head: its class.
        visual: arguments that hold the pixels of three images.
        tokens: visual tokens of each image.
    """

    name: str
    head: str
    build: Callable[[], Any]
    visual: Callable[[], dict[str, Any]]
    tokens: tuple[int, int, int]
    types: str | None = None

    def model(self) -> Any:
        torch.manual_seed(0)
        model = getattr(tf, self.head)(self.build()).eval()
        for name, parameter in model.named_parameters():  # Gemma 3's projection begins at zero, and hides all images
            if "newline" in name or "projection_weight" in name:
                torch.nn.init.normal_(parameter, std=0.2)
        model.generation_config.eos_token_id = None
        return model

    def inputs(self) -> dict[str, Any]:
        """Two samples: one image; two images with text between. The first is padded."""
        first, second, third = self.tokens
        samples = [[1, 9, *[IMAGE] * first, 10, 11, 12], [1, *[IMAGE] * second, 13, 14, *[IMAGE] * third, 15, 16]]
        return {**self.visual(), **batch_of(samples, self.types)}


def batch_of(samples: list[list[int]], types: str | None) -> dict[str, Tensor]:
    longest = max(map(len, samples))
    ids = torch.tensor([[0] * (longest - len(each)) + each for each in samples])
    batch = {"input_ids": ids, "attention_mask": (ids != 0).long()}
    return {**batch, types: (ids == IMAGE).long()} if types else batch


def pixels(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def clip(**more: Any) -> tf.CLIPVisionConfig:
    return tf.CLIPVisionConfig(**TOWER, **more)


def siglip(**more: Any) -> tf.SiglipVisionConfig:
    return tf.SiglipVisionConfig(**{**TOWER, "vision_use_head": False, **more})


def llama() -> tf.LlamaConfig:
    return tf.LlamaConfig(**TEXT)


def images() -> dict[str, Tensor]:
    return {"pixel_values": pixels(3, 3, 16, 16)}


def one_and_two() -> dict[str, Tensor]:
    """One image of the first sample, filled up with one that is all zeros, and two of the second."""
    first, second, third = pixels(3, 3, 16, 16)
    return {"pixel_values": torch.stack([torch.stack([first, torch.zeros_like(first)]), torch.stack([second, third])])}


def tiled() -> dict[str, Any]:
    """Three images of different size: a base image and tiles each."""
    return {"pixel_values": pixels(3, 3, 3, 16, 16), "image_sizes": torch.tensor([[16, 32], [32, 16], [10, 32]])}


def of_three_sizes() -> dict[str, Any]:
    return {"pixel_values": pixels(3, 3, 32, 24), "image_sizes": torch.tensor([[16, 16], [32, 16], [16, 24]])}


def idefics(config: Any) -> Callable[[], Any]:
    """A config of Idefics 3 or SmolVLM, whose connector puts 2 x 2 patches into one token."""
    vision = {**TOWER, "model_type": f"{config.model_type}_vision"}
    return lambda: config(
        vision_config=vision, text_config=llama(), image_token_id=IMAGE, scale_factor=2, pad_token_id=0
    )


GRID = torch.tensor([[1, 4, 4], [1, 8, 4], [1, 4, 6]])


def packed(channels: int, temporal: int = 2) -> Callable[[], dict[str, Tensor]]:
    return lambda: {
        "pixel_values": pixels(int(GRID.prod(dim=1).sum()), channels * temporal * 16),
        "image_grid_thw": GRID,
    }


def qwen(model_type: str, vision: dict[str, Any]) -> Any:
    text = {**TEXT, "rope_parameters": MROPE, "head_dim": 8}
    vision = {
        "depth": 2, "num_heads": 2, "patch_size": 4, "spatial_merge_size": 2, "temporal_patch_size": 2,
        "in_channels": 3, "in_chans": 3, **vision,
    }  # fmt: skip
    ids = {"image_token_id": IMAGE, "video_token_id": VIDEO, "vision_start_token_id": 5, "vision_end_token_id": 6}
    return tf.AutoConfig.for_model(model_type, text_config=text, vision_config=vision, **ids)


VLMS = (
    Vlm(
        "llava",
        "LlavaForConditionalGeneration",
        lambda: tf.LlavaConfig(vision_config=clip(), text_config=llama(), image_token_index=IMAGE),
        images,
        (16, 16, 16),
    ),
    Vlm(
        "llava_next",
        "LlavaNextForConditionalGeneration",
        lambda: tf.LlavaNextConfig(
            vision_config=clip(),
            text_config=llama(),
            image_token_index=IMAGE,
            image_grid_pinpoints=[[16, 32], [32, 16]],
        ),
        tiled,
        (16 + 4 * 9, 16 + 8 * 5, 16 + 2 * 9),
    ),
    Vlm(
        "llava_onevision",
        "LlavaOnevisionForConditionalGeneration",
        lambda: tf.LlavaOnevisionConfig(
            vision_config=siglip(),
            text_config=tf.Qwen2Config(**TEXT),
            image_token_index=IMAGE,
            video_token_index=VIDEO,
            image_grid_pinpoints=[[16, 32], [32, 16]],
        ),
        tiled,
        (16 + 4 * 9, 16 + 8 * 5, 16 + 2 * 9),
    ),
    Vlm(
        "vipllava",
        "VipLlavaForConditionalGeneration",
        lambda: tf.VipLlavaConfig(
            vision_config=clip(), text_config=llama(), image_token_index=IMAGE, vision_feature_layers=[-1, -2]
        ),
        images,
        (16, 16, 16),
    ),
    Vlm(
        "paligemma",
        "PaliGemmaForConditionalGeneration",
        lambda: tf.PaliGemmaConfig(
            vision_config=siglip(projection_dim=32),
            text_config=tf.GemmaConfig(**TEXT, head_dim=8),
            image_token_index=IMAGE,
            projection_dim=32,
        ),
        images,
        (16, 16, 16),
        "token_type_ids",
    ),
    Vlm(
        "gemma3",
        "Gemma3ForConditionalGeneration",
        lambda: tf.Gemma3Config(
            vision_config=siglip(),
            text_config=tf.Gemma3TextConfig(**{**TEXT, "head_dim": 8}),
            image_token_index=IMAGE,
            mm_tokens_per_image=4,
        ),
        images,
        (4, 4, 4),
        "token_type_ids",
    ),
    Vlm(
        "aya_vision",
        "AyaVisionForConditionalGeneration",
        lambda: tf.AyaVisionConfig(
            vision_config=siglip(),
            text_config=tf.Cohere2Config(**TEXT),
            image_token_index=IMAGE,
            downsample_factor=2,
            vision_feature_layer=-1,
        ),
        images,
        (4, 4, 4),
    ),
    Vlm(
        "internvl",
        "InternVLForConditionalGeneration",
        lambda: tf.InternVLConfig(
            vision_config=tf.InternVLVisionConfig(**{**TOWER, "image_size": [16, 16], "patch_size": [4, 4]}),
            text_config=tf.Qwen2Config(**TEXT),
            image_token_id=IMAGE,
        ),
        images,
        (4, 4, 4),
    ),
    Vlm(
        "mistral3",
        "Mistral3ForConditionalGeneration",
        lambda: tf.Mistral3Config(
            vision_config=tf.PixtralVisionConfig(**{**TOWER, "image_size": 32}),
            text_config=tf.MistralConfig(**TEXT),
            image_token_index=IMAGE,
        ),
        of_three_sizes,
        (4, 8, 6),
    ),
    Vlm("smolvlm", "SmolVLMForConditionalGeneration", idefics(tf.SmolVLMConfig), one_and_two, (4, 4, 4)),
    Vlm("idefics3", "Idefics3ForConditionalGeneration", idefics(tf.Idefics3Config), one_and_two, (4, 4, 4)),
    Vlm(
        "janus",
        "JanusForConditionalGeneration",
        lambda: tf.JanusConfig(
            vision_config=tf.JanusVisionConfig(**TOWER, projection_dim=32, num_image_tokens=16),
            text_config=llama(),
            vq_config=tf.JanusVQVAEConfig(
                base_channels=32, channel_multiplier=[1], num_res_blocks=1, latent_channels=32, num_embeddings=16
            ),
            image_token_id=IMAGE,
        ),
        images,
        (16, 16, 16),
    ),
    Vlm(
        "glm4v",
        "Glm4vForConditionalGeneration",
        lambda: qwen(
            "glm4v",
            {"hidden_size": 16, "out_hidden_size": 32, "intermediate_size": 32, "num_heads": 2, "image_size": 16},
        ),
        packed(3),
        (4, 8, 6),
        "mm_token_type_ids",
    ),
    Vlm(
        "qwen2_vl",
        "Qwen2VLForConditionalGeneration",
        lambda: qwen("qwen2_vl", {"embed_dim": 16, "hidden_size": 32, "mlp_ratio": 2}),
        packed(3),
        (4, 8, 6),
        "mm_token_type_ids",
    ),
    Vlm(
        "qwen2_5_vl",
        "Qwen2_5_VLForConditionalGeneration",
        lambda: qwen(
            "qwen2_5_vl",
            {
                "hidden_size": 16, "out_hidden_size": 32, "intermediate_size": 32, "window_size": 16,
                "fullatt_block_indexes": [1],
            },
        ),
        packed(3),
        (4, 8, 6),
        "mm_token_type_ids",
    ),
    Vlm(
        "qwen3_vl",
        "Qwen3VLForConditionalGeneration",
        lambda: qwen(
            "qwen3_vl",
            {
                "hidden_size": 16, "out_hidden_size": 32, "intermediate_size": 32, "num_position_embeddings": 64,
                "deepstack_visual_indexes": [0, 1],
            },
        ),
        packed(3),
        (4, 8, 6),
        "mm_token_type_ids",
    ),
)  # fmt: skip
# Before, prompts get embeddings in place of ids and encoded images.
ENCODED = "mm_encoder_outputs" in signature(tf.LlavaForConditionalGeneration.forward).parameters
needs_encoded = pytest.mark.skipif(not ENCODED, reason="needs transformers 5.23")
if not ENCODED:
    VLMS = tuple(vlm for vlm in VLMS if vlm.name != "qwen3_vl")  # has features for deeper layers


def generated(model: Any, inputs: dict[str, Any], **settings: Any) -> Tensor:
    """The new tokens that a model adds to a prompt, greedily, and never one that stands for an image."""
    settings = {"max_new_tokens": 4, "do_sample": False, "suppress_tokens": [IMAGE, VIDEO], **settings}
    return model.generate(**inputs, **settings)[:, inputs["input_ids"].shape[1] if "input_ids" in inputs else 0 :]


each_vlm = pytest.mark.parametrize("vlm", VLMS, ids=lambda vlm: vlm.name)
