"""Multiply-adds of an encoder with merging. The formula reproduces every "gflops" of the paper's tables."""

from __future__ import annotations

from collections.abc import Sequence


def encoder_macs(token_counts: Sequence[int], hidden: int, intermediate: int, premerged: int = 0) -> int:
    """Multiply-adds of all layers for one input.

    A layer with n tokens before its merge and n' after it costs n (4 d^2 + 2 n d) + n' 2 d d_ff: projections and
    attention before the merge, MLP after it.

    Args:
        token_counts: [n_0, ..., n_L] as `trace.token_counts`.
        hidden: width d.
        intermediate: width of the MLP, d_ff.
        premerged: tokens that have merged before the first layer.
    """
    entering = [token_counts[0] - premerged, *token_counts[1:-1]]
    attention = sum(n * (4 * hidden**2 + 2 * n * hidden) for n in entering)
    return attention + sum(token_counts[1:]) * 2 * hidden * intermediate


def mac_ratio(token_counts: Sequence[int], hidden: int, intermediate: int, premerged: int = 0) -> float:
    """How many times fewer multiply-adds than without merging: the limit of the speed-up."""
    unmerged = [token_counts[0]] * len(token_counts)
    return encoder_macs(unmerged, hidden, intermediate) / encoder_macs(token_counts, hidden, intermediate, premerged)


def decoder_macs(prompt: int, new: int, weights: int, head: int, width: int) -> int:
    """Multiply-adds of a language model for the first token after a prompt, and for `new` tokens after it.

    Each token goes through all weights. Its query meets the keys of all tokens up to it, and so do the values. The head
    reads the last token alone.

    Args:
        prompt: tokens of the prompt.
        new: tokens after the first.
        weights: numbers in the matrices of all layers.
        head: numbers in the matrix of the head.
        width: channels of the queries of all heads, in all layers together.
    """
    tokens = prompt + new
    return tokens * weights + (1 + new) * head + tokens * (tokens + 1) * width
