"""Every encoder of images and sounds in transformers is supported, or refused with a reason."""

from __future__ import annotations

import re
from pathlib import Path

import transformers
from transformers import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_MAPPING_NAMES

from hf_tome.families import FAMILIES, REFUSED, family_named, parts_of

INPUTS = r"\b(pixel_values|pixel_values_videos|input_features|input_values|flattened_patches)\b"


def forwards() -> dict[str, str]:
    """The arguments of the forward of each class in transformers' models, read without an import."""
    found: dict[str, str] = {}
    for path in (Path(transformers.__file__).parent / "models").glob("*/modeling_*.py"):
        for block in re.split(r"^class ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
            arguments = re.search(r"    def forward\((.*?)\)(?: ->|:)", block, flags=re.DOTALL)
            found[re.split(r"\W", block, maxsplit=1)[0]] = arguments.group(1) if arguments else ""
    return found


def is_told(model_type: str) -> bool:
    """Whether it is in a table; of a model around others, whether one of these is."""
    if family_named(model_type) is not None or model_type in REFUSED:
        return True
    return any(not part or is_told(part) for part in parts_of(model_type).values())


def test_every_encoder_is_told() -> None:
    arguments, unknown, seen = forwards(), [], 0
    for model_type, names in MODEL_MAPPING_NAMES.items():
        classes = (names,) if isinstance(names, str) else names
        if any(re.search(INPUTS, arguments.get(name, "")) for name in classes):
            seen += 1
            unknown += [] if is_told(model_type) else [model_type]
    assert seen > 150
    assert unknown == [], "a row in tests/families, or a line in hf_tome/families/refused.py"


def test_every_part_that_sees_or_hears_is_told() -> None:
    parts = {(part, name) for model_type in CONFIG_MAPPING for name, part in parts_of(model_type).items() if part}
    encoders = {part for part, name in parts if re.search("vision|audio|video|image|backbone", name)}
    assert len(encoders) > 100
    assert sorted(part for part in encoders if not is_told(part)) == []


def test_nothing_is_both() -> None:
    assert [name for name in REFUSED if any(family.model_type == name for family in FAMILIES)] == []
