"""The recorded speech benchmarks: their weights, their windows, their words."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import numpy as np
import soundfile
import torch
from transformers import Dinov2Config, Dinov2Model, WhisperConfig, WhisperForConditionalGeneration

from benchmarks.recorded.pretrained_vit import as_vit
from benchmarks.recorded.pretrained_whisper import PARTS, Reader, state_of
from benchmarks.recorded.speech import RATE, spoken_digits
from benchmarks.recorded.transcription import words_of
from benchmarks.recorded.transcription_page import r_of


def test_a_dinov2_as_a_vit_computes_the_same() -> None:
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "patch_size": 14}
    model = Dinov2Model(Dinov2Config(**shape, image_size=70, layerscale_value=0.5)).eval()
    for name, weight in model.named_parameters():
        torch.nn.init.normal_(weight, std=0.3 if "lambda" in name else 0.1)
    pixels = torch.randn(2, 3, 42, 42)
    with torch.no_grad():
        torch.testing.assert_close(as_vit(model, 42)(pixels)[0], model(pixels)[0], rtol=1e-4, atol=1e-5)


def test_ctranslate2_weights_become_a_whisper() -> None:
    """A file written by hand in that format, with a tiny Whisper's weights under the names there."""
    torch.manual_seed(0)
    shape = {"d_model": 8, "encoder_layers": 1, "decoder_layers": 1, "vocab_size": 20, "pad_token_id": 0}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "encoder_ffn_dim": 8, "decoder_ffn_dim": 8}
    model = WhisperForConditionalGeneration(WhisperConfig(**shape, **heads, num_mel_bins=4))
    state = {name: value + torch.rand(()) for name, value in model.state_dict().items()}  # no two alike
    state["proj_out.weight"] = state["model.decoder.embed_tokens.weight"]
    found = state_of(Reader(as_ctranslate2(state)).variables())
    assert found.keys() == state.keys()
    assert all(torch.equal(found[name], value) for name, value in state.items())


def as_ctranslate2(state: dict[str, torch.Tensor]) -> bytes:
    """The format by its description: versions, then each array with its name, shape, type and bytes."""
    arrays = {"encoder/num_heads": np.array(2, np.int16)}
    for side in ("encoder", "decoder"):
        for part, own in PARTS.items():
            inside = f"model.{side}.layers.0." if "/" in part else f"model.{side}."
            for kind in ("weight", "bias"):
                there = {"weight": "gamma", "bias": "beta"}[kind] if "norm" in part else kind
                there = "encodings" if part == "position_encodings" else there
                rows = [state.get(f"{inside}{each}.{kind}") for each in own]
                if all(row is None for row in rows):
                    continue
                filled = [torch.zeros(8) if row is None else row for row in rows]  # a bias of keys, which has none here
                name = f"{side}/layer_0/{part}/{there}" if "/" in part else f"{side}/{part}/{there}"
                arrays[name] = torch.cat(filled).numpy()
        for kind, there in {"weight": "gamma", "bias": "beta"}.items():
            arrays[f"{side}/layer_norm/{there}"] = state[f"model.{side}.layer_norm.{kind}"].numpy()
    for conv in ("conv1", "conv2"):
        for kind in ("weight", "bias"):
            arrays[f"encoder/{conv}/{kind}"] = state[f"model.encoder.{conv}.{kind}"].numpy()
    numbers = {"float32": 0, "int16": 2}
    data = struct.pack("<I", 6) + _text("WhisperSpec") + struct.pack("<II", 3, len(arrays))
    for name, array in arrays.items():
        data += _text(name) + struct.pack(f"<B{array.ndim}I", array.ndim, *array.shape)
        data += struct.pack("<BI", numbers[str(array.dtype)], array.nbytes) + array.tobytes()
    return data


def _text(text: str) -> bytes:
    return struct.pack("<H", len(text) + 1) + text.encode() + b"\0"


def test_digits_are_strung_together_by_speaker(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "digits.zip", "w") as archive:
        for name, samples in {"7_ann_0": 80, "1_ann_4": 160, "1_ann_5": 80, "3_bob_1": 80}.items():
            soundfile.write(tmp_path / "one.wav", np.full(samples, 0.5), 8000)
            archive.write(tmp_path / "one.wav", f"recordings/{name}.wav")
    ann, bob = spoken_digits(tmp_path / "digits.zip")
    assert sorted(each.text for each in ann) == ["one", "seven"]
    assert [each.text for each in bob] == ["three"]
    assert [len(each.wave) / RATE for each in bob] == [0.01]


def test_words_are_compared_without_case_and_numbers_digit_by_digit() -> None:
    assert words_of("Press 1, 2 and 34!") == words_of("press one two and three four") == ["press", *"12", "and", *"34"]
    assert words_of("nine one two") == words_of("9, 1, 2") == words_of("912")


def test_values_of_r_from_json() -> None:
    assert [r_of(r) for r in (0, 170, [120, -1.0], [222, 222])] == ["off", "`170`", "`(120, -1.0)`", "`[222, 222]`"]
