"""Untrained models of a few kilobytes with their processors: what a snippet or a command does, tried in a second."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import torch
from transformers import (
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    CLIPProcessor,
    CLIPTokenizer,
    GenerationConfig,
    Wav2Vec2Config,
    Wav2Vec2CTCTokenizer,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForCTC,
    Wav2Vec2Processor,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
    WhisperProcessor,
    WhisperTokenizer,
)
from transformers.convert_slow_tokenizer import bytes_to_unicode

from hf_tome.errors import ToMeValueError, complaint

WIDTHS: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
WEIGHTS = 0.3  # standard deviation: tokens differ, so that merging changes something
BYTES = sorted(bytes_to_unicode().values())
LETTERS = ["<pad>", "<s>", "</s>", "<unk>", "|", *ascii_lowercase, "'"]


def tiny_model(kind: str, folder: Path | str) -> str:
    """Save an untrained model with its processor, as `from_pretrained` and `hf-tome` take them.

    Args:
        kind: "clip", "whisper" (which hears two seconds) or "wav2vec2" (with a CTC head).
        folder: where, made if it is not there.

    Returns:
        The folder.

    Raises:
        ToMeValueError: if there is no such kind.
    """
    if kind not in KINDS:
        raise ToMeValueError(complaint(f"There are tiny models {', '.join(KINDS)}.", kind, "Choose one of them."))
    torch.manual_seed(0)
    Path(folder).mkdir(parents=True, exist_ok=True)
    model, *others = KINDS[kind](Path(folder))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, WEIGHTS)
    for each in (model, *others):  # a generation config comes last, in place of the model's own
        each.save_pretrained(folder)
    return str(folder)


def _clip(_: Path) -> tuple[Any, ...]:
    special = {"<|startoftext|>": 0, "<|endoftext|>": 1}
    parts = [*BYTES, *(f"{each}</w>" for each in BYTES)]  # each inside a word, and at its end
    words = special | {each: len(special) + number for number, each in enumerate(parts)}
    text = {**WIDTHS, "vocab_size": len(words), "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1}
    config = CLIPConfig(
        text_config=text, vision_config={**WIDTHS, "image_size": 32, "patch_size": 4}, projection_dim=16
    )
    images = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    return CLIPModel(config), CLIPProcessor(images, CLIPTokenizer(words, [], model_max_length=77))


def _whisper(_: Path) -> tuple[Any, ...]:
    special = ["<|endoftext|>", "<|startoftranscript|>", "<|notimestamps|>"]
    words = {each: number for number, each in enumerate([*ascii_lowercase, "Ġ", *special])}
    end, start, plain = (words[each] for each in special)
    config = WhisperConfig(
        d_model=32, encoder_layers=2, decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2,
        encoder_ffn_dim=64, decoder_ffn_dim=64, num_mel_bins=16, max_source_positions=100, max_target_positions=32,
        vocab_size=len(words), bos_token_id=end, eos_token_id=end, pad_token_id=end, decoder_start_token_id=start,
        begin_suppress_tokens=None,
    )  # fmt: skip
    generation = GenerationConfig(
        bos_token_id=end, eos_token_id=end, pad_token_id=end, decoder_start_token_id=start, max_length=16,
        no_timestamps_token_id=plain, is_multilingual=False, return_timestamps=False,
    )  # fmt: skip
    tokenizer = WhisperTokenizer(words, [], additional_special_tokens=special[1:])
    processor = WhisperProcessor(WhisperFeatureExtractor(feature_size=16, chunk_length=2), tokenizer)
    return WhisperForConditionalGeneration(config), processor, generation


def _wav2vec2(folder: Path) -> tuple[Any, ...]:
    config = Wav2Vec2Config(
        **WIDTHS, conv_dim=(16, 16, 16), conv_kernel=(10, 8, 4), conv_stride=(8, 8, 5),
        num_conv_pos_embeddings=8, num_conv_pos_embedding_groups=2, feat_extract_norm="layer", layerdrop=0.0,
        do_stable_layer_norm=True, vocab_size=len(LETTERS), pad_token_id=0, ctc_loss_reduction="mean",
    )  # fmt: skip
    words = folder / "vocab.json"  # this tokenizer takes no dict
    words.write_text(json.dumps({each: number for number, each in enumerate(LETTERS)}))
    extractor = Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=True)
    return Wav2Vec2ForCTC(config), Wav2Vec2Processor(extractor, Wav2Vec2CTCTokenizer(str(words)))


KINDS: dict[str, Callable[[Path], tuple[Any, ...]]] = {
    "clip": _clip,
    "whisper": _whisper,
    "wav2vec2": _wav2vec2,
}
