"""Sound."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
import transformers as tf
from by_hand import Shape
from row import (
    CORE,
    LAYERS,
    SPEECH,
    WAVE,
    Row,
    made,
    mel,
    newer,
    token_mask,
    vit_shape,
)
from torch import Tensor


def wave() -> dict[str, Tensor]:
    return {"input_values": made(2, 130)}


def wave_mask() -> tuple[dict[str, Tensor], Tensor]:
    return padded("attention_mask", 130, 100, 21, 16)  # 33 steps of the first convolution, 16 of the second


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


def decoder_like_shape(tower: str) -> Shape:
    norm = "post_attention_layernorm"
    return Shape(tower, "layers", "self_attn", norm, 0, positions="position_embeddings")


ENCODER: dict[str, Any] = {
    **{name: CORE[name] for name in ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")},
    "num_mel_bins": 8,
    "max_source_positions": 20,
}


def padded(name: str, size: int, kept: int, tokens: int, tokens_kept: int) -> tuple[dict[str, Tensor], Tensor]:
    """A mask of samples or frames, and of the tokens that are made of them."""
    masks = torch.ones(2, size, dtype=torch.int64), torch.ones(2, tokens, dtype=torch.int64)
    masks[0][1, kept:] = 0
    masks[1][1, tokens_kept:] = 0
    return {name: masks[0]}, masks[1]


def mel_mask() -> tuple[dict[str, Tensor], Tensor]:
    return padded("input_features_mask", 40, 30, 20, 15)


def frames_mask() -> tuple[dict[str, Tensor], Tensor]:
    return padded("attention_mask", 70, 50, 18, 13)


def moonshine_mask() -> tuple[dict[str, Tensor], Tensor]:
    return padded("attention_mask", 895 + 15 * 384, 12 * 384, 16, 12)


CODEC: dict[str, Any] = {
    "downsampling_ratios": [2, 2],
    "encoder_hidden_size": 4,
    "hidden_size": 16,
    "codebook_dim": 8,
    "hop_length": 4,
}


def codec_mask() -> tuple[dict[str, Tensor], Tensor]:
    return padded("padding_mask", 64, 44, 17, 12)


STACKED = {name: ENCODER[name] for name in ENCODER if name not in ("num_mel_bins", "max_source_positions")}


def dots3_mask() -> tuple[dict[str, Tensor], Tensor]:
    _, mask = padded("", 1, 1, 18, 13)
    return {"chunk_sample_lengths": torch.tensor([144 * 160, 13 * 8 * 160])}, mask


def stacked_row(name: str, model: str, part: str) -> Row:
    shape = Shape(f"{model}{part}Model", "layers", "self_attn", "layer_norm2", 0, positions="position_embeddings")
    return Row(
        name,
        newer(shape.tower),
        lambda: getattr(tf, f"{model}{part}Config")(**STACKED, num_mel_bins=8),
        lambda: {"input_features": made(2, 141, 8)},
        shape,
        lambda: padded("attention_mask", 141, 104, 18, 13),
        restored=False,
    )


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
        lambda: tf.VoxtralEncoderConfig(**ENCODER),
        mel,
        speech_shape("VoxtralEncoder"),
        pair_mask,
        False,
    ),
    Row(
        "audioflamingo3_encoder",
        newer("AudioFlamingo3Encoder"),
        lambda: tf.AudioFlamingo3EncoderConfig(**ENCODER),
        lambda: {**mel(), "input_features_mask": torch.ones(2, 40, dtype=torch.int64)},
        speech_shape("AudioFlamingo3Encoder"),
        mel_mask,
    ),
    Row(
        "moss_transcribe_diarize_audio",
        newer("MossTranscribeDiarizeAudioModel"),
        lambda: tf.MossTranscribeDiarizeAudioConfig(**ENCODER),
        mel,
        speech_shape("MossTranscribeDiarizeAudioModel"),
        pair_mask,
        False,
    ),
    Row(
        "speech_to_text",
        tf.Speech2TextForConditionalGeneration,
        lambda: tf.Speech2TextConfig(
            **SPEECH, vocab_size=40, conv_channels=8, input_feat_per_channel=8, dropout=0.0, max_target_positions=16
        ),
        lambda: {"input_features": made(2, 70, 8), "decoder_input_ids": torch.tensor([[2, 5, 6], [2, 7, 8]])},
        speech_shape("Speech2TextEncoder"),
        frames_mask,
        implementations=("eager",),
    ),
    Row(
        "glmasr_encoder",
        newer("GlmAsrEncoder"),
        lambda: tf.GlmAsrEncoderConfig(**ENCODER, max_position_embeddings=20),
        mel,
        decoder_like_shape("GlmAsrEncoder"),
        restored=False,
    ),
    Row(
        "moonshine",
        tf.MoonshineForConditionalGeneration,
        lambda: tf.MoonshineConfig(
            hidden_size=16,
            intermediate_size=24,
            encoder_num_hidden_layers=LAYERS,
            decoder_num_hidden_layers=1,
            encoder_num_attention_heads=2,
            decoder_num_attention_heads=2,
            vocab_size=40,
        ),
        lambda: {"input_values": made(2, 895 + 15 * 384), "decoder_input_ids": torch.tensor([[1, 5, 6], [1, 7, 8]])},
        decoder_like_shape("MoonshineEncoder"),
        moonshine_mask,
    ),
    Row(
        "pe_audio_encoder",
        newer("PeAudioEncoder"),
        lambda: tf.PeAudioEncoderConfig(**ENCODER, head_dim=8, dac_config=CODEC),
        lambda: {"input_values": made(2, 1, 64)},
        replace(decoder_like_shape("PeAudioEncoder"), protected=1),
        codec_mask,
        restored=False,
    ),
    Row(
        "dots3_note_audio_encoder",
        newer("Dots3NoteAudioModel"),
        lambda: tf.Dots3NoteAudioConfig(
            **STACKED, feature_size=8, downsample_hidden_size=4, adapter_input_size=16, adapter_out_dim=8
        ),
        lambda: {"input_features": made(2, 8, 144), "chunk_sample_lengths": torch.tensor([144 * 160, 144 * 160])},
        decoder_like_shape("Dots3NoteAudioModel"),
        dots3_mask,
    ),
    stacked_row("nemotron3_diarization_audio", "Nemotron3Diarization", "Audio"),
    stacked_row("nemotron3_5_transcribe_asr_audio", "Nemotron3_5Transcribe", "AsrAudio"),
    wave_row("wav2vec2", tf.Wav2Vec2ForCTC, tf.Wav2Vec2Config, "Wav2Vec2Model"),
    wave_row("hubert", tf.HubertModel, tf.HubertConfig, "HubertModel"),
    wave_row("unispeech", tf.UniSpeechModel, tf.UniSpeechConfig, "UniSpeechModel"),
    wave_row("unispeech-sat", tf.UniSpeechSatModel, tf.UniSpeechSatConfig, "UniSpeechSatModel"),
)
