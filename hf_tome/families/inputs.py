"""Random inputs for a tower, of the size that its config names: time does not depend on what they show."""

from __future__ import annotations

from math import isqrt, prod
from typing import Any

import torch
from torch import Tensor

from hf_tome.families.grids import pair

Inputs = dict[str, Tensor]


def noise(*shape: int) -> Tensor:
    """The same random numbers each time."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def image_inputs(config: Any, batch: int) -> Inputs:
    """Images (batch, channels, height, width)."""
    channels = getattr(config, "num_channels", 3)  # BLIP has no name for it
    return {"pixel_values": noise(batch, channels, *pair(config.image_size))}


def features_inputs(config: Any, batch: int) -> Inputs:
    """Features (batch, channels, rows, columns) of another encoder."""
    side = config.image_size // config.patch_size
    return {"patch_embeds": noise(batch, config.hidden_size, side, side)}


def vitpose_inputs(config: Any, batch: int) -> Inputs:
    """Images, and the data set of each, which chooses its expert."""
    experts = {"dataset_index": torch.zeros(batch, dtype=torch.int64)} if config.num_experts > 1 else {}
    return {**image_inputs(config, batch), **experts}


def patches_inputs(config: Any, batch: int) -> Inputs:
    """SigLIP 2: patches in a row, the mask of padding, and the grid."""
    side = isqrt(config.num_patches)
    return {
        "pixel_values": noise(batch, side**2, config.num_channels * config.patch_size**2),
        "pixel_attention_mask": torch.ones(batch, side**2, dtype=torch.int64),
        "spatial_shapes": torch.full((batch, 2), side),
    }


def molmo2_inputs(config: Any, batch: int) -> Inputs:
    """Patches in a row."""
    patches = config.num_position_embeddings
    return {"pixel_values": noise(batch, patches, config.num_channels * config.patch_size**2)}


def packed_inputs(config: Any, batch: int) -> Inputs:
    """Images of 32 x 32 patches, packed in one sequence: patches in a row, and the grids."""
    channels = getattr(config, "in_channels", 3) * getattr(config, "temporal_patch_size", 1)
    return {
        "hidden_states": noise(batch * 32 * 32, channels * prod(pair(config.patch_size))),
        "grid_thw": torch.tensor([[1, 32, 32]] * batch),
    }


def rows_inputs(config: Any, batch: int) -> Inputs:
    """The same under another name."""
    packed = packed_inputs(config, batch)
    return {"pixel_values": packed["hidden_states"], "grid_thw": packed["grid_thw"]}


def kimi_inputs(config: Any, batch: int) -> Inputs:
    """Kimi K2.5: the same, each patch with its rows and columns."""
    packed = rows_inputs(config, batch)
    return {**packed, "pixel_values": packed["pixel_values"].view(-1, 3, *pair(config.patch_size))}


def paddleocr_inputs(config: Any, batch: int) -> Inputs:
    """PaddleOCR-VL: the same in a batch of one."""
    return {name: each[None] if name == "pixel_values" else each for name, each in kimi_inputs(config, batch).items()}


def video_llama3_inputs(config: Any, batch: int) -> Inputs:
    """VideoLLaMA 3: the same, and of each image how many patches become one token behind the layers."""
    return {**kimi_inputs(config, batch), "merge_sizes": torch.full((batch,), 2)}


def pix2struct_inputs(config: Any, batch: int) -> Inputs:
    """1,024 patches in a row, each with its row and column in front; fewer where these have no embedding."""
    lines = torch.arange(1, min(33, getattr(config, "seq_len", 33)))
    places = torch.cartesian_prod(lines, lines).expand(batch, -1, -1)
    return {"flattened_patches": torch.cat([places, noise(*places.shape[:2], config.patch_embed_hidden_size)], dim=-1)}


def gemma4_inputs(config: Any, batch: int) -> Inputs:
    """Patches in a row, which become 256 tokens of a language model, and their places."""
    lines = torch.arange(16 * config.pooling_kernel_size)
    places = torch.cartesian_prod(lines, lines).flip(-1).expand(batch, -1, -1)  # (column, row)
    return {"pixel_values": noise(*places.shape[:2], 3 * config.patch_size**2), "pixel_position_ids": places}


def video_inputs(config: Any, batch: int) -> Inputs:
    """Clips (batch, frames, channels, height, width)."""
    return {"pixel_values": noise(batch, config.num_frames, config.num_channels, *pair(config.image_size))}


def videoprism_inputs(config: Any, batch: int) -> Inputs:
    """The same under another name."""
    return {"pixel_values_videos": video_inputs(config, batch)["pixel_values"]}


def vjepa2_inputs(config: Any, batch: int) -> Inputs:
    """The same, whose sizes go by other names."""
    sides = pair(config.crop_size)
    return {"pixel_values_videos": noise(batch, config.frames_per_clip, config.in_chans, *sides)}


def pe_video_inputs(config: Any, batch: int) -> Inputs:
    """Clips of 16 frames (batch, frames, channels, height, width), each a token."""
    size = getattr(config.vision_config, "image_size", 336)
    return {"pixel_values_videos": noise(batch, 16, 3, *pair(size))}


def frames_inputs(config: Any, batch: int) -> Inputs:
    """X-CLIP: the frames of all clips in a row."""
    return image_inputs(config, batch * config.num_frames)


def spectrogram_inputs(config: Any, batch: int) -> Inputs:
    """Log-mel features (batch, frames, mel bins)."""
    return {"input_values": noise(batch, config.max_length, config.num_mel_bins)}


def mel_inputs(config: Any, batch: int) -> Inputs:
    """Log-mel features (batch, mel bins, frames), two to a token."""
    tokens = getattr(config, "max_source_positions", None) or config.max_position_embeddings
    return {"input_features": noise(batch, config.num_mel_bins, 2 * tokens)}


def masked_mel_inputs(config: Any, batch: int) -> Inputs:
    """The same, and which frames are no padding."""
    mel = mel_inputs(config, batch)
    mask = torch.ones(batch, mel["input_features"].shape[-1], dtype=torch.int64)
    return {**mel, "input_features_mask": mask}


def stacked_inputs(config: Any, batch: int) -> Inputs:
    """Log-mel features (batch, frames, mel bins) of 30 seconds."""
    return {"input_features": noise(batch, 3000, config.num_mel_bins)}


def dots3_inputs(config: Any, batch: int) -> Inputs:
    """dots3.note: log-mel features (batch, mel bins, frames) of 30 seconds, and how many samples they are of."""
    return {
        "input_features": noise(batch, config.feature_size, 3000),
        "chunk_sample_lengths": torch.full((batch,), 3000 * config.hop_length),
    }


def speech_inputs(config: Any, batch: int) -> Inputs:
    """Log-mel features (batch, frames, mel bins) of 10 seconds."""
    return {"input_features": noise(batch, 1000, config.input_feat_per_channel * config.input_channels)}


def wave_inputs(config: Any, batch: int) -> Inputs:
    """Waves (batch, samples) of about 500 tokens: 10 seconds at 16 kHz."""
    return {"input_values": noise(batch, 500 * prod(config.conv_stride))}


def codec_inputs(config: Any, batch: int) -> Inputs:
    """Waves (batch, 1, samples) of 250 tokens: 10 seconds at 48 kHz."""
    return {"input_values": noise(batch, 1, 250 * config.dac_config.hop_length)}


def moonshine_inputs(config: Any, batch: int) -> Inputs:
    """Waves (batch, samples) of 10 seconds at 16 kHz."""
    return {"input_values": noise(batch, 160_000)}
