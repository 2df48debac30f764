"""Widths of a layer, from a tower's config: of its tokens, and of its MLP in between."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Widths = Callable[[Any], tuple[int, int]]


def named_widths(config: Any) -> tuple[int, int]:
    """Both by name, as in most families."""
    return config.hidden_size, config.intermediate_size


def ratio_widths(config: Any) -> tuple[int, int]:
    """The MLP is so many times wider. A gated one (SwiGLU) has three matrices of two thirds of that: as much work."""
    return config.hidden_size, int(config.hidden_size * config.mlp_ratio)


def gated_widths(config: Any) -> tuple[int, int]:
    """By name, of a gated MLP: three matrices, as much work as two of half as wide again."""
    gated = getattr(config, "use_gated_mlp", True)
    inner = config.intermediate_size
    return config.hidden_size, inner * 3 // 2 if gated else inner


def qwen2_vl_widths(config: Any) -> tuple[int, int]:
    """As ratio_widths, where hidden_size is the width behind the layers."""
    return config.embed_dim, config.embed_dim * config.mlp_ratio


def glm4v_widths(config: Any) -> tuple[int, int]:
    """A gated MLP as wide as what comes behind the layers."""
    return config.hidden_size, config.out_hidden_size * 3 // 2


def pix2struct_widths(config: Any) -> tuple[int, int]:
    """The same under its own name."""
    return config.hidden_size, config.d_ff * 3 // 2


def speech_widths(config: Any) -> tuple[int, int]:
    """Those of an encoder beside a decoder."""
    return config.d_model, config.encoder_ffn_dim
