"""One row a family: a tiny model, an input that it takes, and where its parts are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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


ViTs = (
    Row("vit", tf.ViTModel, lambda: tf.ViTConfig(**CORE), image, vit_shape("ViTModel"), token_mask(17, 5), False),
    Row(
        "deit", tf.DeiTModel, lambda: tf.DeiTConfig(**CORE), image, vit_shape("DeiTModel", 2), token_mask(18, 5), False
    ),
    Row(
        "vit_mae",
        tf.ViTMAEForPreTraining,
        lambda: tf.ViTMAEConfig(
            **CORE,
            decoder_hidden_size=16,
            decoder_num_hidden_layers=2,
            decoder_num_attention_heads=2,
            decoder_intermediate_size=24,
            mask_ratio=0.25,
        ),
        lambda: {**image(), "noise": made(2, 16, seed=2)},
        vit_shape("ViTMAEModel"),
        token_mask(13, 4),
    ),
    Row(
        "vit_msn",
        tf.ViTMSNForImageClassification,
        lambda: tf.ViTMSNConfig(**CORE),
        image,
        vit_shape("ViTMSNModel"),
        restored=False,
    ),
    Row("ijepa", tf.IJepaForImageClassification, lambda: tf.IJepaConfig(**CORE), image, vit_shape("IJepaModel", 0)),
    Row(
        "pixio",
        tf.PixioBackbone,
        lambda: tf.PixioConfig(**CORE, mlp_ratio=2, n_cls_tokens=3, **STAGES),
        image,
        vit_shape("PixioModel", 3),
        token_mask(19, 4),
    ),
    Row("beit", tf.BeitForImageClassification, lambda: tf.BeitConfig(**CORE), image, vit_shape("BeitModel")),
    Row(
        "dpt",
        tf.DPTForDepthEstimation,
        lambda: tf.DPTConfig(
            **CORE,
            backbone_out_indices=[0, 1, 2],
            neck_hidden_sizes=[8, 8, 8],
            reassemble_factors=[2, 1, 0.5],
            fusion_hidden_size=8,
            is_hybrid=False,
        ),
        image,
        vit_shape("DPTModel", layers="encoder.layer"),
    ),
    Row(
        "yolos",
        tf.YolosForObjectDetection,
        lambda: tf.YolosConfig(
            **{**CORE, "image_size": [16, 16]}, num_detection_tokens=4, use_mid_position_embeddings=False
        ),
        image,
        Shape("YolosModel", "encoder.layer", "attention", "layernorm_after", 1, 4),
        restored=False,
    ),
    Row(
        "vitpose_backbone",
        tf.VitPoseBackbone,
        lambda: tf.VitPoseBackboneConfig(
            **{**CORE, "image_size": [32, 32], "patch_size": [8, 8]}, num_experts=2, part_features=4, mlp_ratio=2
        ),
        lambda: {"pixel_values": made(2, 3, 32, 32), "dataset_index": torch.tensor([0, 1])},
        vit_shape("VitPoseBackbone", 0, "encoder.layer"),
    ),
)

DINOs = (
    Row(
        "dinov2",
        tf.Dinov2ForImageClassification,
        lambda: tf.Dinov2Config(**CORE),
        image,
        Shape("Dinov2Model", "encoder.layer", "attention", "norm2", 1),
        token_mask(17, 5),
    ),
    Row(
        "dinov2_with_registers",
        tf.Dinov2WithRegistersBackbone,
        lambda: tf.Dinov2WithRegistersConfig(**CORE, num_register_tokens=2, **STAGES),
        image,
        Shape("Dinov2WithRegistersBackbone", "encoder.layer", "attention", "norm2", 3),
        token_mask(19, 5),
    ),
    Row(
        "tipsv2_vision_model",
        getattr(tf, "Tipsv2VisionModel", None),
        lambda: tf.Tipsv2VisionConfig(**CORE, mlp_ratio=2, num_register_tokens=1),
        image,
        Shape("Tipsv2VisionModel", "encoder.layer", "attention", "norm2", 2),
        token_mask(18, 5),
        restored=False,
    ),
    Row(
        "dinov3_vit",
        tf.DINOv3ViTModel,
        lambda: tf.DINOv3ViTConfig(**CORE, num_register_tokens=2),
        image,
        Shape("DINOv3ViTModel", "model.layer", "attention", "norm2", 3, positions="position_embeddings"),
        restored=False,
    ),
    Row(
        "dinov3_vit",
        tf.DINOv3ViTBackbone,
        lambda: tf.DINOv3ViTConfig(**CORE, num_register_tokens=2, **STAGES),
        image,
        Shape("DINOv3ViTBackbone", "model.layer", "attention", "norm2", 3, positions="position_embeddings"),
    ),
)


def flat_patches() -> dict[str, Tensor]:
    """As SigLIP 2 takes them: patches in a row, of which the last are padding."""
    return {
        "pixel_values": made(2, 16, 48),
        "pixel_attention_mask": torch.ones(2, 16, dtype=torch.int64),
        "spatial_shapes": torch.tensor([[4, 4], [4, 4]]),
    }


def flat_patches_mask() -> tuple[dict[str, Tensor], Tensor]:
    mask = torch.ones(2, 16, dtype=torch.int64)
    mask[1, 12:] = 0
    return {"pixel_attention_mask": mask, "spatial_shapes": torch.tensor([[4, 4], [3, 4]])}, mask


def owl() -> dict[str, Tensor]:
    return {**image(), "input_ids": torch.tensor([[6, 5, 9, 7, 2], [3, 4, 4, 2, 2]])}


CLIPs = (
    Row("clip", tf.CLIPModel, two(tf.CLIPConfig), image_and_words, clip_shape("CLIPVisionModel"), restored=False),
    Row(
        "metaclip_2",
        tf.MetaClip2Model,
        two(tf.MetaClip2Config),
        image_and_words,
        clip_shape("MetaClip2VisionModel"),
        restored=False,
    ),
    Row(
        "chinese_clip",
        tf.ChineseCLIPModel,
        two(tf.ChineseCLIPConfig),
        image_and_words,
        clip_shape("ChineseCLIPVisionModel"),
        restored=False,
    ),
    Row(
        "altclip",
        tf.AltCLIPModel,
        two(tf.AltCLIPConfig, project_dim=16),
        image_and_words,
        clip_shape("AltCLIPVisionModel"),
        restored=False,
    ),
    Row(
        "clipseg",
        tf.CLIPSegForImageSegmentation,
        lambda: tf.CLIPSegConfig(
            text_config=TEXT,
            vision_config=CORE,
            projection_dim=16,
            extract_layers=[0, 2],
            reduce_dim=8,
            decoder_num_attention_heads=2,
            decoder_intermediate_size=16,
        ),
        image_and_words,
        clip_shape("CLIPSegVisionModel"),
    ),
    Row("owlvit", tf.OwlViTForObjectDetection, two(tf.OwlViTConfig), owl, clip_shape("OwlViTVisionTransformer")),
    Row("owlv2", tf.Owlv2ForObjectDetection, two(tf.Owlv2Config), owl, clip_shape("Owlv2VisionTransformer")),
    Row("siglip", tf.SiglipModel, two(tf.SiglipConfig), image_and_words, clip_shape("SiglipVisionModel", 0)),
    Row(
        "siglip2",
        tf.Siglip2Model,
        two(tf.Siglip2Config, {"num_patches": 16}),
        lambda: {**flat_patches(), **words()},
        clip_shape("Siglip2VisionModel", 0),
        flat_patches_mask,
    ),
    Row(
        "aimv2",
        tf.Aimv2VisionModel,
        lambda: tf.Aimv2VisionConfig(**CORE),
        image,
        Shape("Aimv2VisionModel", "encoder.layers", "attention", "rms_norm2", 0),
    ),
    Row(
        "blip-2",
        tf.Blip2VisionModel,
        lambda: tf.Blip2VisionConfig(**CORE),
        image,
        clip_shape("Blip2VisionModel"),
        restored=False,
    ),
    Row(
        "instructblip",
        tf.InstructBlipVisionModel,
        lambda: tf.InstructBlipVisionConfig(**CORE),
        image,
        clip_shape("InstructBlipVisionModel"),
        restored=False,
    ),
    Row(
        "instructblipvideo",
        tf.InstructBlipVideoVisionModel,
        lambda: tf.InstructBlipVideoVisionConfig(**CORE),
        image,
        clip_shape("InstructBlipVideoVisionModel"),
        restored=False,
    ),
)


def llava() -> tf.PretrainedConfig:
    return tf.LlavaConfig(
        vision_config=tf.CLIPVisionConfig(**CORE),
        text_config=tf.LlamaConfig(**{**TEXT, "max_position_embeddings": 64}),
        image_token_index=3,
        vision_feature_layer=-2,
    )


def grid_mask() -> tuple[dict[str, Tensor], Tensor]:
    mask = torch.ones(2, 4, 4, dtype=torch.bool)
    mask[1, 3:] = False
    return {"patch_attention_mask": mask}, mask.flatten(1).long()


TOWERs = (
    Row(
        "clip",
        tf.LlavaForConditionalGeneration,
        llava,
        lambda: {**image(), "input_ids": torch.tensor([[0, *[3] * 16, 7], [0, *[3] * 16, 9]])},
        clip_shape("CLIPVisionModel"),
    ),
    Row(
        "git",
        tf.GitVisionModel,
        lambda: tf.GitVisionConfig(**CORE),
        image,
        Shape("GitVisionModel", "vision_model.encoder.layers", "self_attn", "layer_norm2", 1),
        restored=False,
        implementations=("eager",),
    ),
    Row(
        "kosmos-2",
        tf.models.kosmos2.modeling_kosmos2.Kosmos2VisionModel,
        lambda: tf.models.kosmos2.configuration_kosmos2.Kosmos2VisionConfig(**CORE),
        image,
        clip_shape("Kosmos2VisionTransformer"),
    ),
    Row(
        "janus",
        tf.JanusVisionModel,
        lambda: tf.JanusVisionConfig(**CORE, mlp_ratio=2),
        image,
        clip_shape("JanusVisionModel", 0),
        restored=False,
    ),
    Row(
        "idefics2",
        tf.models.idefics2.modeling_idefics2.Idefics2VisionTransformer,
        lambda: tf.models.idefics2.configuration_idefics2.Idefics2VisionConfig(**CORE),
        image,
        clip_shape("Idefics2VisionTransformer", 0),
        grid_mask,
        False,
    ),
    Row(
        "idefics3",
        tf.Idefics3VisionTransformer,
        lambda: tf.Idefics3VisionConfig(**CORE),
        image,
        clip_shape("Idefics3VisionTransformer", 0),
        grid_mask,
        False,
    ),
    Row(
        "smolvlm",
        tf.SmolVLMVisionTransformer,
        lambda: tf.SmolVLMVisionConfig(**CORE),
        image,
        clip_shape("SmolVLMVisionTransformer", 0),
        grid_mask,
        False,
    ),
    Row(
        "internvl",
        tf.InternVLVisionModel,
        lambda: tf.InternVLVisionConfig(**{**CORE, "image_size": [16, 16], "patch_size": [4, 4]}),
        image,
        vit_shape("InternVLVisionModel", layers="encoder.layer"),
        restored=False,
    ),
)

VIDEOs = (
    Row(
        "videomae",
        tf.VideoMAEModel,
        lambda: tf.VideoMAEConfig(**CORE, num_frames=4),
        lambda: {"pixel_values": made(2, 4, 3, 16, 16)},
        vit_shape("VideoMAEModel", 0, "encoder.layer"),
        restored=False,
    ),
    Row(
        "vivit",
        tf.VivitForVideoClassification,
        lambda: tf.VivitConfig(
            **{name: value for name, value in CORE.items() if name != "patch_size"},
            num_frames=2,
            tubelet_size=[2, 4, 4],
        ),
        lambda: {"pixel_values": made(2, 2, 3, 16, 16)},
        vit_shape("VivitModel"),
        restored=False,
    ),
    Row(
        "vjepa2",
        tf.VJEPA2ForVideoClassification,
        lambda: tf.VJEPA2Config(
            hidden_size=16,
            num_hidden_layers=LAYERS,
            num_attention_heads=2,
            mlp_ratio=2,
            crop_size=16,
            patch_size=4,
            frames_per_clip=4,
            tubelet_size=2,
            pred_hidden_size=16,
            pred_num_attention_heads=2,
            pred_num_hidden_layers=2,
            pred_num_mask_tokens=2,
            num_pooler_layers=1,
        ),
        lambda: {"pixel_values_videos": made(2, 4, 3, 16, 16)},
        Shape("VJEPA2Model", "encoder.layer", "attention", "norm2", 0, positions="position_mask"),
    ),
)


def mel() -> dict[str, Tensor]:
    return {"input_features": made(2, 8, 40)}


def wave() -> dict[str, Tensor]:
    return {"input_values": made(2, 130)}


def wave_mask() -> tuple[dict[str, Tensor], Tensor]:
    mask, tokens = torch.ones(2, 130, dtype=torch.int64), torch.ones(2, 21, dtype=torch.int64)
    mask[1, 100:] = 0  # 33 steps of the first convolution, 16 of the second
    tokens[1, 16:] = 0
    return {"attention_mask": mask}, tokens


def pair_mask() -> tuple[dict[str, Tensor], Tensor]:
    mask = torch.ones(2, 20, dtype=torch.int64)
    mask[1, 15:] = 0
    pairs = torch.where(mask.bool(), 0.0, -torch.inf)[:, None, None].expand(-1, -1, 20, -1)
    return {"attention_mask": pairs}, mask


def wave_row(name: str, model: Any, config: Any, tower: str) -> Row:
    shape = Shape(tower, "encoder.layers", "attention", "final_layer_norm", 0)
    return Row(name, model, lambda: config(**WAVE), wave, shape, wave_mask, restored=model.__name__ != tower)


def speech_shape(tower: str) -> Shape:
    return Shape(tower, "layers", "self_attn", "final_layer_norm", 0)


SOUNDs = (
    Row(
        "audio-spectrogram-transformer",
        tf.ASTModel,
        lambda: tf.ASTConfig(**CORE, num_mel_bins=8, max_length=24, frequency_stride=4, time_stride=3),
        lambda: {"input_values": made(2, 24, 8)},
        vit_shape("ASTModel", 2),
        token_mask(16, 5),
        False,
    ),
    Row(
        "whisper",
        tf.WhisperForConditionalGeneration,
        lambda: tf.WhisperConfig(
            **SPEECH, vocab_size=40, pad_token_id=1, decoder_start_token_id=0, max_target_positions=16
        ),
        lambda: {**mel(), "decoder_input_ids": torch.tensor([[0, 5, 6], [0, 7, 8]])},
        speech_shape("WhisperEncoder"),
    ),
    Row(
        "whisper",
        tf.WhisperForAudioClassification,
        lambda: tf.WhisperConfig(**SPEECH, vocab_size=40, pad_token_id=1, use_weighted_layer_sum=True),
        mel,
        speech_shape("WhisperEncoder"),
    ),
    Row(
        "qwen2_audio_encoder",
        tf.Qwen2AudioEncoder,
        lambda: tf.Qwen2AudioEncoderConfig(**{k: v for k, v in SPEECH.items() if not k.startswith("decoder")}),
        mel,
        speech_shape("Qwen2AudioEncoder"),
        pair_mask,
    ),
    Row(
        "voxtral_encoder",
        tf.VoxtralEncoder,
        lambda: tf.VoxtralEncoderConfig(
            hidden_size=16,
            num_hidden_layers=LAYERS,
            num_attention_heads=2,
            intermediate_size=24,
            num_mel_bins=8,
            max_source_positions=20,
        ),
        mel,
        speech_shape("VoxtralEncoder"),
        pair_mask,
        False,
    ),
    wave_row("wav2vec2", tf.Wav2Vec2ForCTC, tf.Wav2Vec2Config, "Wav2Vec2Model"),
    wave_row("hubert", tf.HubertModel, tf.HubertConfig, "HubertModel"),
    wave_row("unispeech", tf.UniSpeechModel, tf.UniSpeechConfig, "UniSpeechModel"),
    wave_row("unispeech-sat", tf.UniSpeechSatModel, tf.UniSpeechSatConfig, "UniSpeechSatModel"),
)

# Older versions of transformers lack some.
ZOO = tuple(row for row in (*ViTs, *DINOs, *CLIPs, *TOWERs, *VIDEOs, *SOUNDs) if row.model is not None)
