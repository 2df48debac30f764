"""Widths of a layer, from a tower's config: of its tokens, and of its MLP in between."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Widths = Callable[[Any], tuple[int, int]]


def named_widths(config: Any) -> tuple[int, int]:
    """hidden_size and intermediate_size, as in most configs."""
    return config.hidden_size, config.intermediate_size


def ratio_widths(config: Any) -> tuple[int, int]:
    """mlp_ratio says how many times wider the MLP is; a gated one (SwiGLU) has three matrices, of 2/3 of that width."""
    return config.hidden_size, int(config.hidden_size * config.mlp_ratio)


def gated_widths(config: Any) -> tuple[int, int]:
    """A gated MLP has three matrices of intermediate_size: as many multiply-adds as two of 1.5 times that."""
    gated = getattr(config, "use_gated_mlp", True)
    inner = config.intermediate_size
    return config.hidden_size, inner * 3 // 2 if gated else inner


def qwen2_vl_widths(config: Any) -> tuple[int, int]:
    """embed_dim, and mlp_ratio times as much: hidden_size is the width behind the layers."""
    return config.embed_dim, config.embed_dim * config.mlp_ratio


def glm4v_widths(config: Any) -> tuple[int, int]:
    """A gated MLP, as wide as the output behind the layers."""
    return config.hidden_size, config.out_hidden_size * 3 // 2


def pix2struct_widths(config: Any) -> tuple[int, int]:
    """A gated MLP, whose width is d_ff."""
    return config.hidden_size, config.d_ff * 3 // 2


def speech_widths(config: Any) -> tuple[int, int]:
    """The names of an encoder beside a decoder."""
    return config.d_model, config.encoder_ffn_dim
