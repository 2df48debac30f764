"""All families, in the order in which they are listed."""

from __future__ import annotations

from typing import Any

from torch import nn
from transformers.models.auto.modeling_auto import MODEL_MAPPING_NAMES

from hf_tome.families.clip import CLIP_FAMILIES
from hf_tome.families.dino import DINO_FAMILIES
from hf_tome.families.family import Family
from hf_tome.families.language import LANGUAGE_FAMILIES
from hf_tome.families.packed import PACKED_FAMILIES
from hf_tome.families.refused import parts_of
from hf_tome.families.sound import SOUND_FAMILIES
from hf_tome.families.video import VIDEO_FAMILIES
from hf_tome.families.vit import AST, VIT_FAMILIES

GROUPS: dict[str, tuple[Family, ...]] = {
    "images": VIT_FAMILIES,
    "self-supervised images": DINO_FAMILIES,
    "images with text": CLIP_FAMILIES,
    "vision towers of language models": LANGUAGE_FAMILIES,
    "vision towers that pack images of several sizes": PACKED_FAMILIES,
    "video": VIDEO_FAMILIES,
    "sound": (AST, *SOUND_FAMILIES),
}
FAMILIES: tuple[Family, ...] = tuple(family for group in GROUPS.values() for family in group)


def family_of(module: nn.Module) -> Family | None:
    """The family whose tower `module` is, with the numbers of its config; or None."""
    family = next((family for family in FAMILIES if family.owns(module)), None)
    config: Any = getattr(module, "config", None)
    return None if family is None else family.of(config)


def family_named(model_type: str) -> Family | None:
    """The family of this name, or the one whose tower has a config of this model type."""
    found = MODEL_MAPPING_NAMES.get(model_type, ())
    towers = (found,) if isinstance(found, str) else found
    for family in FAMILIES:
        if family.model_type == model_type or set(towers) & set(family.towers):
            return family
    return next((each for each in FAMILIES if parts_of(each.model_type).get("vision_config") == model_type), None)


def tower_in(model: nn.Module) -> tuple[Any, Family]:
    """The first tower in a model that holds one, and its family."""
    return next((module, family) for module in model.modules() if (family := family_of(module)))


def widths_of(model: nn.Module) -> tuple[int, int]:
    """Widths of a layer and of its MLP in the first tower of a model that holds one: what multiply-adds depend on."""
    tower, family = tower_in(model)
    return family.widths(tower.config)
