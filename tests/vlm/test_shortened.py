"""`shortened`: a model whose forwards and generations have fewer visual tokens, inside a block; and wrong calls."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import transformers as tf
from PIL import Image
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from vlms import IMAGE, VLMS, Vlm, generated

from hf_tome import ToMeError, ToMeTypeError, ToMeValueError, UnsupportedModelError, shorten, shortened

LLAVA = VLMS[0]
GREEDY = {"max_new_tokens": 4, "do_sample": False, "suppress_tokens": [IMAGE]}
each_layout = pytest.mark.parametrize(
    "vlm", [vlm for vlm in VLMS if vlm.name in ("llava", "qwen3_vl")], ids=lambda vlm: vlm.name
)


def traces(model: Any) -> list[tuple[str, list[str], int]]:
    """What a block could leave behind on a model."""
    return [(name, sorted(vars(m)), len(m._forward_pre_hooks)) for name, m in model.named_modules()]


@each_layout
@torch.no_grad()
def test_generate_and_forward(vlm: Vlm) -> None:
    model, inputs = vlm.model(), vlm.inputs()
    short = shorten(model, inputs, 0.5)  # transformers writes on a model in its first forward
    model(**short)
    before = traces(model)
    with shortened(model, 0.5) as same:
        assert same is model
        found, logits = model.generate(**inputs, **GREEDY), model(**inputs).logits
        asked = model.generate(**inputs, **GREEDY, num_beams=2, return_dict_in_generate=True)
    assert traces(model) == before
    assert torch.equal(logits, model(**short).logits)
    assert torch.equal(found[:, -4:], generated(model, short))
    assert torch.equal(found[:, :-4], inputs["input_ids"])
    assert torch.equal(asked.sequences[:, :-4], inputs["input_ids"])


def test_nothing_is_left_after_an_error() -> None:
    model, inputs = LLAVA.model(), LLAVA.inputs()
    model(**inputs)
    before = traces(model)
    with pytest.raises(ToMeError), shortened(model, 0.5):
        model(**{**inputs, "input_ids": inputs["input_ids"][:1]})
    with pytest.raises(KeyboardInterrupt), shortened(model, 0.5):
        raise KeyboardInterrupt
    assert traces(model) == before


def test_pipeline() -> None:
    words = ["<pad>", "<s>", "</s>", "<image>", *(f"w{i}" for i in range(36))]
    tokenizer = tf.PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(WordLevel({word: i for i, word in enumerate(words)}, unk_token="w0")),
        pad_token="<pad>",
        eos_token="</s>",
        additional_special_tokens=["<image>"],
        padding_side="left",
    )
    tokenizer.backend_tokenizer.pre_tokenizer = WhitespaceSplit()  # pyright: ignore[reportAttributeAccessIssue]
    size = {"size": {"shortest_edge": 16}, "crop_size": {"height": 16, "width": 16}}
    processor = tf.LlavaProcessor(
        tf.CLIPImageProcessorPil(**size), tokenizer, 4, "default", num_additional_image_tokens=1
    )
    model = LLAVA.model()
    pipe = tf.pipeline("image-text-to-text", model=model, processor=processor)
    picture = Image.fromarray(np.arange(20 * 30 * 3, dtype=np.uint8).reshape(20, 30, 3))
    seen = []
    handle = model.model.language_model.register_forward_pre_hook(
        lambda _, args, kwargs: seen.append(kwargs["inputs_embeds"].shape[1]), with_kwargs=True
    )
    question = {"images": picture, "text": "<image> w5 w6", "return_full_text": False, "generate_kwargs": GREEDY}
    whole = pipe(**question)
    with shortened(pipe, 4):
        short = pipe(**question)
    handle.remove()
    assert [seen[0], seen[4]] == [18, 6]
    texts = [answer[0]["generated_text"] for answer in (whole, short)]
    assert all(text.split() and "w5 w6" not in text for text in texts)


@pytest.mark.parametrize(
    ("keep", "method", "error"),
    [
        (0, "merge", ToMeValueError),
        (0.0, "merge", ToMeValueError),
        (1.5, "merge", ToMeValueError),
        (float("nan"), "merge", ToMeValueError),
        (True, "merge", ToMeTypeError),
        ("half", "merge", ToMeTypeError),
        (0.5, "best", ToMeValueError),
    ],
)
def test_wrong_settings(keep: Any, method: str, error: type[Exception]) -> None:
    model = LLAVA.model()
    with pytest.raises(error, match=r"Got: "):
        shorten(model, LLAVA.inputs(), keep, method=method)
    with pytest.raises(error), shortened(model, keep, method=method):
        pass


def test_wrong_inputs() -> None:
    model, inputs = LLAVA.model(), LLAVA.inputs()
    with pytest.raises(ToMeValueError, match="48 visual tokens"):
        shorten(model, {**inputs, "input_ids": inputs["input_ids"].where(inputs["input_ids"] != IMAGE, 9)})
    with pytest.raises(ToMeTypeError, match="input_ids"):
        shorten(model, {"pixel_values": inputs["pixel_values"]})
    vlm = next(vlm for vlm in VLMS if vlm.name == "qwen2_vl")
    model, inputs = vlm.model(), vlm.inputs()
    del inputs["mm_token_type_ids"]
    with pytest.raises(ToMeValueError, match="mm_token_type_ids"):
        shorten(model, inputs)


def test_models_without_placeholders() -> None:
    vit = tf.ViTModel(tf.ViTConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8))
    with pytest.raises(UnsupportedModelError, match="placeholder"):
        shorten(vit, {"pixel_values": torch.zeros(1, 3, 224, 224)})
