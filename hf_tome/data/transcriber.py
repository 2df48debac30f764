"""Speech to text: Whisper, and models like wav2vec 2.0 with a CTC head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor
from transformers import AutoModelForCTC, AutoModelForSpeechSeq2Seq, AutoTokenizer
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CTC_MAPPING_NAMES,
    MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING_NAMES,
)

from hf_tome.data.encoder import Encoder, sound_inputs
from hf_tome.data.pretrained import load_config, load_model, load_processor, loaded, unsupported
from hf_tome.errors import ToMeValueError, complaint


@dataclass(frozen=True)
class Transcriber(Encoder):
    """A model that turns speech into text."""

    tokenizer: Any = None  # turns token ids into words
    options: Mapping[str, Any] = field(default_factory=dict)  # of `generate`, as `language`

    @property
    def task(self) -> str:
        """As the hub names it."""
        return "automatic-speech-recognition"

    def _processed(self, media: Sequence[np.ndarray]) -> dict[str, Tensor]:
        """Whisper hears windows of 30 s: one for all waveforms, or, if one is longer, as many as it takes."""
        window = getattr(self.processor, "n_samples", None)
        if window is None or max(map(len, media)) <= window:
            return sound_inputs(self.processor, media)
        whole = {"truncation": False, "padding": "longest", "return_attention_mask": True}
        return sound_inputs(self.processor, media, **whole)

    def output(self, model: Any, inputs: dict[str, Tensor]) -> Tensor:
        """Token ids (batch, length)."""
        if not model.can_generate():
            best = model(**inputs).logits.argmax(-1)
            mask = inputs.get("attention_mask")
            return best if mask is None else _without_padding(model, best, mask)
        long = {"return_timestamps": True} if "attention_mask" in inputs else {}  # it moves the window by them
        return model.generate(**inputs, **self.options, **long)

    def texts(self, output: Tensor) -> list[str]:
        """The words of each sample."""
        return self.tokenizer.batch_decode(output, skip_special_tokens=True)


def _without_padding(model: Any, best: Tensor, mask: Tensor) -> Tensor:
    """(batch, steps), with CTC's blank where a sound has ended."""
    lengths = model._get_feat_extract_output_lengths(mask.sum(-1))  # (batch,)
    steps = best.new_tensor(range(best.shape[1]))
    return best.masked_fill(steps >= lengths[:, None], model.config.pad_token_id)


def load_transcriber(name: str, language: str | None = None, attention: str | None = None) -> Transcriber:
    """The model for speech that `name` holds, with its processor.

    Args:
        name: on the hub, or a folder.
        language: what is spoken, as "en", for a Whisper that knows several; None lets it find out.
        attention: the attention implementation; None takes transformers' choice.

    Raises:
        ToMeValueError: if it cannot be loaded, or takes no language.
        UnsupportedModelError: if it cannot be merged, or writes nothing down.
    """
    config = load_config(name)
    generates = config.model_type in MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING_NAMES
    if not generates and config.model_type not in MODEL_FOR_CTC_MAPPING_NAMES:
        raise unsupported(name, config, "A model writes down speech, as Whisper and wav2vec 2.0 do.")
    auto = AutoModelForSpeechSeq2Seq if generates else AutoModelForCTC
    model, saved = load_model(auto, name, attention)
    options = {}
    if language is not None:
        if not getattr(getattr(model, "generation_config", None), "is_multilingual", False):
            rule = "A language is for models that know several."
            raise ToMeValueError(complaint(rule, f"{name} and {language}", "Leave --language out."))
        options = {"language": language, "task": "transcribe"}
    processor, tokenizer = load_processor(name, "audio", config), loaded(AutoTokenizer, name)
    return Transcriber(model, processor, "audio", saved, tokenizer, options)
