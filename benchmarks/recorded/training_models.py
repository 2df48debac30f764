"""The small models of the recorded trainings: made coarse, so that they learn fast, then grown to more tokens.

An AST grows by a smaller stride: its patches overlap more, and position embeddings are interpolated. A VideoMAE grows
by patches of half the side: the kernel is summed over its halves; its positions are sines, and are made anew.
"""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import (
    ASTConfig,
    ASTFeatureExtractor,
    ASTForAudioClassification,
    AutoFeatureExtractor,
    VideoMAEConfig,
    VideoMAEForVideoClassification,
    VideoMAEImageProcessorPil,
)

SHAPE = {"hidden_size": 96, "num_hidden_layers": 6, "num_attention_heads": 3, "intermediate_size": 384}
WIDER = {"initializer_range": 0.06}  # the default of 0.02 is for wider models, and learns far slower here
MELS, PATCH, COARSE, FINE = 64, 16, 16, 6


def coarse_ast(folder: Path, rate: int, frames: int, mean: float, spread: float) -> None:
    """An untrained AST with patches that do not overlap. `mean` and `spread`: of the data's spectrograms."""
    torch.manual_seed(0)
    strides = {"frequency_stride": COARSE, "time_stride": COARSE}
    size = {"num_mel_bins": MELS, "max_length": frames}
    config = ASTConfig(
        **SHAPE, **WIDER, **strides, **size, patch_size=PATCH, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0
    )
    ASTForAudioClassification(config).save_pretrained(folder)
    ASTFeatureExtractor(sampling_rate=rate, mean=mean, std=spread, **size).save_pretrained(folder)


def fine_ast(source: Path, folder: Path) -> None:
    """The AST of `source` with a stride of 6."""
    old = ASTForAudioClassification.from_pretrained(source)
    config = ASTConfig.from_pretrained(source, frequency_stride=FINE, time_stride=FINE)
    new = ASTForAudioClassification(config)
    weights, positions = old.state_dict(), "audio_spectrogram_transformer.embeddings.position_embeddings"
    special, patches = weights[positions][:, :2], weights[positions][:, 2:]  # class and distillation first
    grids = [
        tuple((side - PATCH) // stride + 1 for side in (MELS, config.max_length)) for stride in (COARSE, FINE)
    ]  # (frequency, time), before and after
    planes = patches.mT.unflatten(2, grids[0])  # (1, channels, frequency, time)
    planes = torch.nn.functional.interpolate(planes, size=grids[1], mode="bicubic", align_corners=True)
    weights[positions] = torch.cat([special, planes.flatten(2).mT], dim=1)
    new.load_state_dict(weights)
    new.save_pretrained(folder)
    AutoFeatureExtractor.from_pretrained(source).save_pretrained(folder)


def coarse_videomae(folder: Path, side: int) -> None:
    """An untrained VideoMAE for 16 frames with patches of 16x16 pixels."""
    torch.manual_seed(0)
    config = VideoMAEConfig(**SHAPE, **WIDER, image_size=side, patch_size=PATCH, num_frames=16)
    VideoMAEForVideoClassification(config).save_pretrained(folder)
    VideoMAEImageProcessorPil(size={"shortest_edge": side}, crop_size=side).save_pretrained(folder)


def fine_videomae(source: Path, folder: Path) -> None:
    """The VideoMAE of `source` with patches of 8x8 pixels."""
    old = VideoMAEForVideoClassification.from_pretrained(source)
    new = VideoMAEForVideoClassification(VideoMAEConfig.from_pretrained(source, patch_size=PATCH // 2))
    weights, kernel = old.state_dict(), "videomae.embeddings.patch_embeddings.projection.weight"
    weights[kernel] = torch.nn.functional.avg_pool3d(weights[kernel], (1, 2, 2), divisor_override=1)
    new.load_state_dict(weights)
    new.save_pretrained(folder)
    VideoMAEImageProcessorPil.from_pretrained(source).save_pretrained(folder)
