"""Encoders of speech and other sound."""

from __future__ import annotations

from dataclasses import replace

from hf_tome.families.blocks import (
    clip_block,
    dots3_audio_block,
    glmasr_block,
    moonshine_block,
    wav2vec2_block,
    whisper_block,
)
from hf_tome.families.dino import DINOV3
from hf_tome.families.family import Family, Mask, Refusal
from hf_tome.families.grids import (
    codec_grid,
    dots3_grid,
    frames_grid,
    mel_grid,
    moonshine_grid,
    stacked_grid,
    wave_grid,
)
from hf_tome.families.inputs import (
    codec_inputs,
    dots3_inputs,
    masked_mel_inputs,
    mel_inputs,
    moonshine_inputs,
    speech_inputs,
    stacked_inputs,
    wave_inputs,
)
from hf_tome.families.widths import gated_widths, named_widths, speech_widths

WHISPER = Family(
    model_type="whisper",
    modality="audio",
    towers=("WhisperEncoder",),
    layers="layers",
    layer="WhisperEncoderLayer",
    attention="self_attn",
    block=whisper_block,
    protected=0,
    prop_attn=True,
    grid=mel_grid,
    inputs=mel_inputs,
    widths=speech_widths,
    mask=Mask(ignored=True),
    layerdrop="layerdrop",
    approximation="only restore=False on the encoder alone: its decoder does not know the token sizes then",
    advice="r=(120, -1.0) on Whisper base, 6 layers: 1.63x fewer multiply-adds, 2.0% of words change "
    "(docs/results/transcription.md); r=(720 / layers, -1.0) for others",
)

QWEN2_AUDIO = replace(
    WHISPER,
    model_type="qwen2_audio_encoder",
    towers=("Qwen2AudioEncoder",),
    layer="Qwen2AudioEncoderLayer",
    mask=Mask(per_pair=True),
    whole=("Qwen2AudioEncoder",),
    approximation="",
    advice="",
)

VOXTRAL = replace(
    WHISPER,
    model_type="voxtral_encoder",
    towers=("VoxtralEncoder",),
    layer="VoxtralEncoderLayer",
    widths=named_widths,
    mask=Mask(per_pair=True),
    layerdrop="",
    approximation="",
    advice="",
)

POST_NORM = "its layers are post-norm: there is no norm between attention and MLP where tokens could merge exactly"

WAV2VEC2 = Family(
    model_type="wav2vec2",
    modality="audio",
    towers=("Wav2Vec2Model",),
    layers="encoder.layers",
    layer="Wav2Vec2EncoderLayerStableLayerNorm",
    attention="attention",
    block=wav2vec2_block,
    protected=0,
    prop_attn=True,
    grid=wave_grid,
    inputs=wave_inputs,
    mask=Mask(module="encoder", stays=True),
    layerdrop="config.layerdrop",
    since=(5, 17),
    refusals=(Refusal("do_stable_layer_norm", False, POST_NORM),),
)

HUBERT = replace(WAV2VEC2, model_type="hubert", towers=("HubertModel",), layer="HubertEncoderLayerStableLayerNorm")

UNISPEECH = replace(
    WAV2VEC2, model_type="unispeech", towers=("UniSpeechModel",), layer="UniSpeechEncoderLayerStableLayerNorm"
)

UNISPEECH_SAT = replace(
    WAV2VEC2, model_type="unispeech-sat", towers=("UniSpeechSatModel",), layer="UniSpeechSatEncoderLayerStableLayerNorm"
)

AUDIO_FLAMINGO_3 = replace(
    QWEN2_AUDIO,
    model_type="audioflamingo3_encoder",
    towers=("AudioFlamingo3Encoder",),
    layer="AudioFlamingo3EncoderLayer",
    mask=Mask("input_features_mask", inside=True),
    whole=("AudioFlamingo3Encoder",),
    inputs=masked_mel_inputs,
)

MOSS = replace(
    WHISPER,
    model_type="moss_transcribe_diarize_audio",
    towers=("MossTranscribeDiarizeAudioModel",),
    layer="MossTranscribeDiarizeAudioLayer",
    mask=Mask(per_pair=True),
    layerdrop="",
)

SPEECH_TO_TEXT = replace(
    WHISPER,
    model_type="speech_to_text",
    towers=("Speech2TextEncoder",),
    layer="Speech2TextEncoderLayer",
    grid=frames_grid,
    inputs=speech_inputs,
    mask=Mask(inside=True),
)

GLM_ASR = replace(
    VOXTRAL,
    model_type="glmasr_encoder",
    towers=("GlmAsrEncoder",),
    layer="GlmAsrEncoderLayer",
    block=glmasr_block,
    mask=None,
    positions="position_embeddings",
    approximation=DINOV3.approximation,
)

MOONSHINE = replace(
    GLM_ASR,
    model_type="moonshine",
    towers=("MoonshineEncoder",),
    layer="MoonshineEncoderLayer",
    block=moonshine_block,
    grid=moonshine_grid,
    inputs=moonshine_inputs,
    mask=Mask(inside=True),
)

PE_AUDIO = replace(
    MOONSHINE,
    model_type="pe_audio_encoder",
    towers=("PeAudioEncoder",),
    layer="PeAudioEncoderLayer",
    protected=1,
    grid=codec_grid,
    inputs=codec_inputs,
    widths=gated_widths,
    mask=Mask("padding_mask", inside=True),
)

DOTS3_NOTE_AUDIO = replace(
    MOONSHINE,
    model_type="dots3_note_audio_encoder",
    towers=("Dots3NoteAudioModel",),
    layer="Dots3NoteAudioLayer",
    block=dots3_audio_block,
    grid=dots3_grid,
    inputs=dots3_inputs,
    widths=gated_widths,
    mask=Mask("chunk_sample_lengths", shape="batch", inside=True),
    whole=("Dots3NoteAudioModel",),
    since=(5, 23),
)

NEMOTRON_3 = replace(
    GLM_ASR,
    model_type="nemotron3_diarization_audio",
    towers=("Nemotron3DiarizationAudioModel",),
    layer="Nemotron3DiarizationAudioLayer",
    block=clip_block,
    grid=stacked_grid,
    inputs=stacked_inputs,
    mask=Mask(inside=True),
    since=(5, 23),
)

NEMOTRON_3_5 = replace(
    NEMOTRON_3,
    model_type="nemotron3_5_transcribe_asr_audio",
    towers=("Nemotron3_5TranscribeAsrAudioModel",),
    layer="Nemotron3_5TranscribeAsrAudioLayer",
)

SOUND_FAMILIES = (
    WHISPER,
    QWEN2_AUDIO,
    VOXTRAL,
    AUDIO_FLAMINGO_3,
    MOSS,
    SPEECH_TO_TEXT,
    GLM_ASR,
    MOONSHINE,
    PE_AUDIO,
    DOTS3_NOTE_AUDIO,
    NEMOTRON_3,
    NEMOTRON_3_5,
    WAV2VEC2,
    HUBERT,
    UNISPEECH,
    UNISPEECH_SAT,
)
