"""Token sizes in one more channel of the values, for attention kernels that take no mask.

Another way to what `hf_tome.core.channels` does, which the benchmark on a GPU measures beside it.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

WIDTH = 8  # channels that are added: one carries the sizes, but flash kernels take multiples of eight


def with_sizes(value: Tensor, sizes: Tensor) -> Tensor:
    """Values whose plain attention has each key count `sizes` times, once `divided`: no bias of log(size) is needed.

    Each value is multiplied by its size, and one more channel carries the size: exact, but for half precision's
    rounding. Kernels that want queries, keys and values of one width want the first two padded with zeros.

    Args:
        value: (batch, heads, tokens, channels).
        sizes: (batch, tokens) float32, how often each key counts. 0 hides the key, unless all of them are hidden.

    Returns:
        The values, `WIDTH` channels wider.
    """
    largest = sizes.amax(dim=1, keepdim=True)
    _, exponent = torch.frexp(largest)
    # divided by a power of two nothing is rounded, and by sizes of at most 1 no value overflows
    factor = torch.ldexp(sizes.masked_fill(largest == 0, 1), -exponent).to(value.dtype)[:, None, :, None]
    carried = factor.expand(-1, value.shape[1], -1, -1)
    return pad(torch.cat([value * factor, carried], dim=-1), (0, WIDTH - 1))


def divided(output: Tensor) -> Tensor:
    """The attention's output for the values that `with_sizes` made, by its channel of sizes: `WIDTH` channels less."""
    channels = output.shape[-1] - WIDTH
    return output[..., :channels] / output[..., channels, None]
