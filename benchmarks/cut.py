"""What would be left if merging cost nothing: tokens are cut off where they would merge.

No matching, no merge, no token sizes, and a forward of its own. The outputs mean nothing; the time is what
torch's own operations take on these token counts.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from benchmarks.plain import PROTECTED, layers_of, parts_of, video_parts


def cut(model: Any, r: int) -> Any:
    """The model with its layers replaced."""
    layers, video = layers_of(model), model.config.model_type == "videomae"
    for index, layer in enumerate(layers):
        parts = video_parts(layer) if video else parts_of(layer)
        layers[index] = CutLayer(parts, model.config.num_attention_heads, r, PROTECTED[model.config.model_type])
    return model


class CutLayer(nn.Module):
    """A pre-norm layer that drops its last r tokens between attention and MLP."""

    def __init__(self, parts: nn.ModuleDict, heads: int, r: int, protected: int) -> None:
        super().__init__()
        self.parts, self.heads, self.r, self.protected = parts, heads, r, protected

    def forward(self, hidden_states: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        batch, tokens, channels = hidden_states.shape
        x = self.parts["norm1"](hidden_states)
        q, k, v = (
            self.parts[name](x).view(batch, tokens, self.heads, -1).transpose(1, 2)
            for name in ("query", "key", "value")
        )
        x = scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(batch, tokens, channels)
        x = self.parts["out"](x) + hidden_states
        r = max(0, min(self.r, (tokens - self.protected) // 2))
        x = x[:, : tokens - r].contiguous()
        return self.parts["mlp"](self.parts["norm2"](x)) + x
