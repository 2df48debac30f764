"""Token sizes in more channels of queries and keys, or of values: for attention kernels that take no bias."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import pad

if TYPE_CHECKING:
    from jaxtyping import Float

WIDTH = 8  # channels that are added: two carry the bias, but flash kernels like multiples of eight
LOWEST = -1000.0  # stands for minus infinity: exp(-1000) is 0, and the channel stays finite in half precision


def with_bias(
    query: Float[Tensor, "batch heads queries channels"],
    key: Float[Tensor, "batch heads tokens channels"],
    value: Float[Tensor, "batch heads tokens channels"],
    bias: Float[Tensor, "batch tokens"],
    scale: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values whose plain attention is that of the given ones with `bias` on the scores of each key.

    Where a query has a 1 and a key has bias / scale, their scaled product is the bias. In half precision one number
    would round it to 8 or 11 bits; so the key carries what the first number lost in a second one.

    Args:
        bias: added to the scores of each key, in float32. Minus infinity hides the key, unless all of them are hidden.
        scale: of the scores, before the softmax.

    Returns:
        All three are `WIDTH` channels wider. The channels that the attention's output has more are 0.
    """
    wanted = bias.clamp_min(LOWEST)[:, None, :, None] / scale
    high = wanted.to(key.dtype)
    low = (wanted - high).to(key.dtype)
    carried = torch.cat([high, low], dim=-1).expand(-1, key.shape[1], -1, -1)
    ones = query.new_ones(()).expand(*query.shape[:-1], 2)
    return (
        pad(torch.cat([query, ones], dim=-1), (0, WIDTH - 2)),
        pad(torch.cat([key, carried], dim=-1), (0, WIDTH - 2)),
        pad(value, (0, WIDTH)),
    )


def with_sizes(value: Float[Tensor, "batch heads tokens channels"], sizes: Float[Tensor, "batch tokens"]) -> Tensor:
    """Values whose plain attention has each key count `sizes` times, once `divided`: no bias of log(size) is needed.

    Each value is multiplied by its size, and one more channel carries the size: exact, but for half precision's
    rounding. Kernels that want queries, keys and values of one width want the first two padded with zeros.

    Args:
        value: the values.
        sizes: how often each key counts, in float32. 0 hides the key, unless all of them are hidden.

    Returns:
        The values, `WIDTH` channels wider.
    """
    largest = sizes.amax(dim=1, keepdim=True)
    _, exponent = torch.frexp(largest)
    # divided by a power of two nothing is rounded, and by sizes of at most 1 no value overflows
    factor = torch.ldexp(sizes.masked_fill(largest == 0, 1), -exponent).to(value.dtype)[:, None, :, None]
    carried = factor.expand(-1, value.shape[1], -1, -1)
    return pad(torch.cat([value * factor, carried], dim=-1), (0, WIDTH - 1))


def divided(output: Float[Tensor, "*positions wide"]) -> Float[Tensor, "*positions channels"]:
    """The attention's output for the values that `with_sizes` made, by its channel of sizes: `WIDTH` channels less."""
    channels = output.shape[-1] - WIDTH
    return output[..., :channels] / output[..., channels, None]
