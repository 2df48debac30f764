"""A bias on the keys, such as log-size, as extra channels of queries and keys: for kernels that take no mask."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import pad

if TYPE_CHECKING:
    from jaxtyping import Float

# Flash kernels read 16 bytes at a time: they take widths that are multiples of 8. Inside they round up to 96 after 64,
# and to 192 after 128, so that a larger multiple would be no faster.
MULTIPLE = 8
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
        All three are some channels wider. The channels that the attention's output has more are 0.
    """
    spare = -(query.shape[-1] + 2) % MULTIPLE
    wanted = bias.clamp_min(LOWEST)[:, None, :, None] / scale
    high = wanted.to(key.dtype)
    low = (wanted - high).to(key.dtype)
    carried = torch.cat([high, low], dim=-1).expand(-1, key.shape[1], -1, -1)
    ones = query.new_ones(()).expand(*query.shape[:-1], 2)
    return (
        pad(torch.cat([query, ones], dim=-1), (0, spare)),
        pad(torch.cat([key, carried], dim=-1), (0, spare)),
        pad(value, (0, 2 + spare)),
    )
