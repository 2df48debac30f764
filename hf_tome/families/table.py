"""The families: one constant each, one table. What cannot be merged stands here too, with the reason."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from hf_tome.families.block import Block
from hf_tome.families.family import Family
from hf_tome.families.grids import image_grid, spectrogram_grid, video_grid

VIT = Family(
    model_type="vit",
    modality="image",
    tower="ViTModel",
    layers="layers",
    layer="ViTLayer",
    block=Block(
        norm1="layernorm_before",
        attention="attention",
        projections=("q_proj", "k_proj", "v_proj"),
        head_width="head_dim",
        attention_dropout="attention_dropout",
        out="attention.o_proj",
        dropout1="dropout",
        norm2="layernorm_after",
        mlp=("mlp",),
        dropout2="dropout",
        mlp_out="mlp",
    ),
    children=frozenset({"attention", "layernorm_before", "layernorm_after", "mlp", "dropout"}),
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
    block=Block(
        norm1="layernorm_before",
        attention="attention.attention",
        projections=("query", "key", "value"),
        head_width="attention_head_size",
        attention_dropout="dropout_prob",
        out="attention.output.dense",
        dropout1="attention.output.dropout",
        norm2="layernorm_after",
        mlp=("intermediate", "output.dense"),
        dropout2="output.dropout",
        # after the dropout, not on `output.dense`: LoRA replaces linear layers, and a hook on one would be lost
        mlp_out="output.dropout",
    ),
    children=frozenset({"attention", "intermediate", "output", "layernorm_before", "layernorm_after"}),
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
