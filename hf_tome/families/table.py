"""The families: one constant each, one table. What cannot be merged stands here too, with the reason."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from hf_tome.families.blocks import nested_block, vit_block
from hf_tome.families.family import Family
from hf_tome.families.grids import image_grid, spectrogram_grid, video_grid

VIT = Family(
    model_type="vit",
    modality="image",
    tower="ViTModel",
    layers="layers",
    layer="ViTLayer",
    attention="attention",
    block=vit_block,
    protected=1,
    prop_attn=True,
    grid=image_grid,
    token_heads=("ViTForImageClassification",),
)

DEIT = replace(
    VIT,
    model_type="deit",
    tower="DeiTModel",
    layer="DeiTLayer",
    protected=2,
    token_heads=("DeiTForImageClassification", "DeiTForImageClassificationWithTeacher"),
)

AST = replace(
    VIT,
    model_type="audio-spectrogram-transformer",
    modality="audio",
    tower="ASTModel",
    layer="ASTLayer",
    protected=2,
    grid=spectrogram_grid,
    token_heads=("ASTForAudioClassification",),
)

VIDEOMAE = Family(
    model_type="videomae",
    modality="video",
    tower="VideoMAEModel",
    layers="encoder.layer",
    layer="VideoMAELayer",
    attention="attention.attention",
    block=nested_block,
    protected=0,
    prop_attn=False,
    grid=video_grid,
    token_heads=(),
)

FAMILIES: tuple[Family, ...] = (VIT, DEIT, VIDEOMAE, AST)

REFUSED: dict[str, str] = {
    "swin": "windowed attention: merged tokens would leave their windows",
    "swinv2": "windowed attention: merged tokens would leave their windows",
    "hiera": "windowed attention and pooling: merged tokens would leave their windows",
    "beit": "its relative position bias is a table per pair of positions, which merged tokens no longer have",
    "timesformer": "divided space-time attention needs the full grid in every layer",
    "pixtral": "rotary position embeddings per patch of a packed sequence",
    "qwen2_5_vl": "its vision tower uses windowed attention and packed sequences",
    "wav2vec2": "post-norm layers: there is no norm between attention and MLP where tokens could merge exactly",
    "hubert": "post-norm layers: there is no norm between attention and MLP where tokens could merge exactly",
}


def family_of(module: nn.Module) -> Family | None:
    """The family whose tower `module` is, or None."""
    return next((family for family in FAMILIES if family.owns(module)), None)
