"""Encoders that cannot be merged, with the reason, by the model type of their own config.

A model around an encoder is told by what its config holds: see `parts_of`.
"""

from __future__ import annotations

from typing import Any

from hf_tome.families.sound import POST_NORM
from hf_tome.families.vit import RELATIVE

_REASONS: dict[str, str] = {
    "windowed attention: merged tokens would leave their windows": """
        swin swinv2 swin2sr maskformer-swin donut-swin donut_swin sam sam_vision_model sam_hq_vision_model vitdet clap
        clap_audio_model dinat florence_vision got_ocr2_vision pp_chart2table_vision slanext_vision pp_formulanet_vision
        lw_detr_vit rf_detr rf_detr_dinov2 rf_detr_vit sam3_vit_model deepseek_ocr2_vision
        deepseek_ocr2_sam_vision_model unlimited_ocr_sam_vision_model""",
    "windowed attention and pooling: merged tokens would leave their windows": "hiera sam2_hiera_det_model",
    "packed sequences, with class tokens between the images": "inkling2_vision",
    "packed sequences, and windows that merged tokens would leave": """
        qwen2_5_vl_vision qwen2_5_omni_vision_encoder exaone4_5_vision muse_glimmer_vision muse_spark_vision""",
    "packed sequences, and windows of patches that it merges itself midway": """
        minicpmv4_6_vision minicpmv4_7_vision minicpm_ocr_vision""",
    "packed sequences, cut into windows in time": """
        qwen2_5_omni_audio_encoder qwen3_omni_moe_audio_encoder qwen3_asr_encoder""",
    "packed sequences, and layers that convolve over neighbours": "lfm3_vl_vision",
    RELATIVE: "zoedepth seggpt",
    RELATIVE + "; and its sdpa attention computes by itself": "data2vec-vision",
    "a relative position bias per pair of positions, which merged tokens no longer have": "wavlm sew-d pop2piano",
    "its layers are post-norm, with a relative position bias per pair of positions": "speecht5",
    POST_NORM: "sew data2vec-audio",
    "its layers convolve over neighbours in time, which merged tokens no longer are": """
        wav2vec2-bert wav2vec2-conformer parakeet_encoder granite_speech_encoder granite_speech_plus_encoder
        granite_speech5_encoder lasr_encoder nemotron_asr_streaming_encoder gemma3n_audio gemma4_audio
        phi4_multimodal_audio fun_asr_nano_encoder seamless_m4t seamless_m4t_v2""",
    "each token sees its neighbours in time alone": """
        voxtral_realtime_encoder moonshine_streaming_encoder mimi mimi_encoder pocket_tts_audio_tokenizer
        pocket_tts_audio_tokenizer_encoder""",
    "each token sees those before it alone": "imagegpt",
    "queries stand behind the patches, of which each sees those before it alone": "deepseek_ocr2_encoder",
    "it is convolutional: its layers have no attention over tokens": """
        align_vision_model bit convnext convnextv2 dinov3_convnext efficientnet focalnet hgnet_v2 mobilenet_v1
        mobilenet_v2 poolformer regnet resnet rt_detr_resnet textnet superpoint uvdoc_backbone pp_lcnet pp_lcnet_v3
        pp_lcnet_v4 chameleon_vqgan emu3_vqgan glm_image_vqmodel janus_vqgan flava_image_codebook dac encodec univnet
        speecht5_hifigan fastspeech2_conformer_hifigan
        vibevoice_acoustic_tokenizer vibevoice_acoustic_tokenizer_encoder muse_spark_audio""",
    "its stages convolve over the grid and shrink it": """
        cvt levit mobilevit mobilevitv2 pvt pvt_v2 segformer glpn swiftformer efficientloftr""",
    "it folds neighbouring patches together, without attention": "inkling_vision",
    "it groups its patches itself, midway": "groupvit groupvit_vision_model",
    "text and patches stand in one sequence, so that words would merge too": """
        vilt layoutlmv3 tvp udop neomme visual_bert""",
    "it has no encoder: its input goes straight into the language model": """
        fuyu gemma4_unified_vision gemma4_unified_audio inkling_audio""",
    "it encodes ids of words or of speech codes, not sound": "clvp_encoder",
    "its attention is torch's nn.MultiheadAttention, where token sizes have no way in": """
        bridgetower bridgetower_vision_model""",
    "its layers are timm's, without transformers' attention interface": "timm_wrapper timm_backbone gemma3n_vision",
    "its sdpa attention is causal where an image has no padding": "phi4_multimodal phi4_multimodal_vision",
    "queries enter midway, between layers": "eomt eomt_dinov3 videomt",
    "it hands on states from between its layers, which would be short": "granite_docling_vision",
    "all tiles of an image stand in one sequence, with class tokens and padding in between": "mllama_vision_model",
    "its rotary positions are one table for the whole batch, which the tokens of each sample cannot have": """
        mlcd mlcd_vision_model llama4_vision_model""",
    "a few latents read the input, which passes no layers itself": "perceiver",
}
REFUSED: dict[str, str] = {name: reason for reason, names in _REASONS.items() for name in names.split()}


def parts_of(model_type: str) -> dict[str, str]:
    """Model types of what a model of transformers holds beside its text model, by their names in its config.

    A part whose kind the config leaves open is given as it is by default, or as "" where there is no default.
    """
    from transformers import CONFIG_MAPPING

    if model_type not in CONFIG_MAPPING:
        return {}
    kind: Any = CONFIG_MAPPING[model_type]
    parts = getattr(kind, "sub_configs_defaults", None) or kind.sub_configs
    types = {name: str(getattr(part, "model_type", "")) for name, part in parts.items()}
    return {name: of for name, of in types.items() if "text" not in name and "decoder" not in name}
