"""The form of a row of the zoo, and what many rows share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import torch
import transformers as tf
from by_hand import Shape
from torch import Tensor

LAYERS = 3
CORE: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "image_size": 16,
    "patch_size": 4,
}
TEXT: dict[str, Any] = {
    **{name: CORE[name] for name in ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")},
    "vocab_size": 40,
    "max_position_embeddings": 16,
    "bos_token_id": 0,
    "pad_token_id": 1,
    "eos_token_id": 2,
    "projection_dim": 16,
}
SPEECH: dict[str, Any] = {
    "d_model": 16,
    "encoder_layers": LAYERS,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 24,
    "decoder_ffn_dim": 24,
    "num_mel_bins": 8,
    "max_source_positions": 20,
}
WAVE: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "conv_dim": (8, 8),
    "conv_kernel": (4, 2),
    "conv_stride": (3, 2),
    "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 2,
    "num_feat_extract_layers": 2,
    "feat_extract_norm": "layer",
    "do_stable_layer_norm": True,
    "layerdrop": 0.0,
    "mask_time_prob": 0.0,
    "hidden_dropout": 0.0,
    "attention_dropout": 0.0,
    "feat_proj_dropout": 0.0,
    "final_dropout": 0.0,
    "activation_dropout": 0.0,
    "vocab_size": 10,
}


STAGES: dict[str, Any] = {"out_features": ["stage1", "stage3"]}


@dataclass(frozen=True)
class Row:
    """One family.

    Attributes:
        model_type: its name in the table.
        model: the class of a model around its tower, or of the tower; None where transformers has none.
        config: makes the config.
        inputs: makes inputs for a batch of 2.
        shape: where the parts are.
        mask: makes the argument for a second sample whose end is padding, and the mask of the tokens (batch, tokens).
        restored: whether the model needs all tokens, so that restore=False is refused.
        implementations: of the attention.
    """

    model_type: str
    model: Any
    config: Callable[[], tf.PretrainedConfig]
    inputs: Callable[[], dict[str, Tensor]]
    shape: Shape
    mask: Callable[[], tuple[dict[str, Tensor], Tensor]] | None = None
    restored: bool = True
    implementations: tuple[str, ...] = ("sdpa", "eager")

    def build(self, implementation: str = "") -> Any:
        """The same model each time. Its weights are wide, so that tokens differ and a wrong merge shows."""
        torch.manual_seed(0)
        model = self.model._from_config(self.config(), attn_implementation=implementation or self.implementations[0])
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn(parameter.shape) * (0.3 if parameter.ndim > 1 else 0.1))
        return model.eval()


def newer(name: str) -> Any:
    """A class of transformers that older versions lack; None there."""
    return getattr(tf, name, None)


def inside(model: str, name: str) -> Any:
    """A class of transformers that stands in a model's file alone; None where a version lacks it."""
    try:
        return getattr(import_module(f"transformers.models.{model}.modeling_{model}"), name)
    except (ImportError, AttributeError):
        return None


def made(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def image() -> dict[str, Tensor]:
    return {"pixel_values": made(2, 3, 16, 16)}


def words() -> dict[str, Tensor]:
    return {"input_ids": torch.tensor([[0, 5, 9, 7, 2], [0, 4, 4, 2, 2]])}


def image_and_words() -> dict[str, Tensor]:
    return {**image(), **words()}


def token_mask(tokens: int, padded: int, name: str = "attention_mask") -> Callable[[], Any]:
    """The last tokens of the second sample are padding."""

    def make() -> tuple[dict[str, Tensor], Tensor]:
        mask = torch.ones(2, tokens, dtype=torch.int64)
        mask[1, tokens - padded :] = 0
        return {name: mask}, mask

    return make


def clip_shape(tower: str, protected: int = 1) -> Shape:
    return Shape(tower, "encoder.layers", "self_attn", "layer_norm2", protected)


def vit_shape(tower: str, protected: int = 1, layers: str = "layers") -> Shape:
    return Shape(tower, layers, "attention", "layernorm_after", protected)


def two(config: Any, vision: dict[str, Any] | None = None, **text: Any) -> Callable[[], Any]:
    """A config with one for text and one for vision."""
    both = {"text_config": {**TEXT, **text}, "vision_config": {**CORE, "projection_dim": 16, **(vision or {})}}
    return lambda: config(**both, projection_dim=16)


def mel() -> dict[str, Tensor]:
    return {"input_features": made(2, 8, 40)}
