"""Features of any supported encoder: one vector for each sample, or one for each of its patches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn
from transformers import AutoModel, ViTModel

from hf_tome.data.encoder import Encoder
from hf_tome.data.image_text import compares, image_embeddings
from hf_tome.data.pretrained import as_vit, load_config, load_model, load_processor, unsupported
from hf_tome.errors import ToMeValueError, complaint
from hf_tome.families import Family, family_of

if TYPE_CHECKING:
    from jaxtyping import Float

POOLED, PATCHES = "pooled", "patches"
ENCODER_ALONE = {"vjepa2": {"skip_predictor": True}}  # arguments of a tower that leave out what is not its encoder


@dataclass(frozen=True)
class Embedder(Encoder):
    """A model of which the features are wanted.

    Attributes:
        features: "pooled": one vector a sample. The model's embedding of images where it has one (CLIP, SigLIP), of
            length 1; else the class token after the last layer; without a class token the mean of all tokens that are
            no padding. "patches": a vector for each patch or time step, which merged ones share.
    """

    features: str = POOLED

    def output(self, model: nn.Module, inputs: dict[str, Tensor]) -> list[Float[Tensor, "*patches width"]]:
        """The features of each sample."""
        config: Any = model.config
        if self.features == POOLED and compares(config.model_type):
            return list(image_embeddings(model, inputs))
        tower, family = tower_of(model)
        tokens = tower(**inputs, **ENCODER_ALONE.get(family.model_type, {})).last_hidden_state  # (batch, tokens, width)
        if self.features == POOLED and family.protected:
            return list(tokens[:, 0])
        end = tokens.shape[1] - family.protected_at_end
        lengths = list(_lengths(tower, family, inputs, end - family.protected))
        patches = [each[family.protected : end][:length] for each, length in zip(tokens, lengths, strict=True)]
        return [each.mean(0) for each in patches] if self.features == POOLED else patches


def tower_of(model: nn.Module) -> tuple[Any, Family]:
    """The one supported encoder in a model. Raises ToMeValueError if there are several."""
    found = [(module, family) for module in model.modules() if (family := family_of(module))]
    if len(found) > 1:
        rule = "Features are those of one encoder."
        got = f"a {type(model).__name__} with {len(found)}"
        raise ToMeValueError(complaint(rule, got, "Save the encoder that you want by itself."))
    return found[0]


def _lengths(tower: nn.Module, family: Family, inputs: dict[str, Tensor], patches: int) -> Iterator[int]:
    """How many patches of each sample are no padding."""
    pixels, mask = next(iter(inputs.values())), inputs.get(family.mask.argument) if family.mask else None
    if mask is None or (family.mask and family.mask.ignored):
        yield from [patches] * len(pixels)
        return
    grid = family.grid(tower.config)
    for each in mask.flatten(1).sum(1).tolist():
        yield each if mask.shape[-1] == patches else prod(grid.shape((each,)))  # of a wave: from its samples


def load_embedder(name: str, features: str = POOLED, attention: str | None = None) -> Embedder:
    """The encoder that `name` holds, with its processor. A head of a classifier is left out.

    Args:
        name: on the hub, or a folder. Of a masked autoencoder, the encoder sees every patch.
        features: "pooled" or "patches".
        attention: the attention implementation; None takes transformers' choice.

    Raises:
        ToMeValueError: if it cannot be loaded, or there are no such features.
        UnsupportedModelError: if it cannot be merged.
    """
    if features not in (POOLED, PATCHES):
        raise ToMeValueError(complaint("Features are pooled or patches.", features, "Choose one of them."))
    config = load_config(name)
    if config.model_type == "vit_mae":  # by itself it hides most patches
        model, saved = load_model(ViTModel, name, attention, config=as_vit(config), add_pooling_layer=False)
    else:
        model, saved = load_model(AutoModel, name, attention, unread="pooler")
    if compares(config.model_type) and not hasattr(model, "get_image_features"):
        raise unsupported(name, config)
    _, family = tower_of(model)
    processor = load_processor(name, family.modality, config)
    return Embedder(model, processor, family.modality, saved, features)
