"""`shorten` against an oracle that merges by hand and builds the embeddings of each sample by itself."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from prompts_by_hand import logits_by_hand
from vlms import ENCODED, IMAGE, VIDEO, VLMS, Vlm, batch_of, each_vlm, generated, needs_encoded, pixels

from hf_tome import apply_tome, shorten
from hf_tome.vlm.features import visual_model

BY_NAME = {vlm.name: vlm for vlm in VLMS}


@each_vlm
@torch.no_grad()
def test_all_tokens_give_the_same_bits(vlm: Vlm) -> None:
    model, inputs = vlm.model(), vlm.inputs()
    assert torch.equal(model(**shorten(model, inputs, 1.0)).logits, model(**inputs).logits)
    assert torch.equal(generated(model, shorten(model, inputs, 1.0)), generated(model, inputs))
    assert inputs.keys() == vlm.inputs().keys()


@each_vlm
@pytest.mark.parametrize("keep", [0.5, 3])
@torch.no_grad()
def test_logits_are_those_of_the_oracle(vlm: Vlm, keep: float) -> None:
    model, inputs = vlm.model().double(), doubled(vlm.inputs())
    short = shorten(model, inputs, keep)
    logits = model(**short).logits
    for sample, expected in enumerate(logits_by_hand(model, visual_model(model), inputs, keep)):
        assert int(short["attention_mask"][sample].sum()) == len(expected)
        torch.testing.assert_close(logits[sample, -len(expected) :], expected, rtol=0, atol=2e-6)


def doubled(inputs: dict[str, Any]) -> dict[str, Any]:
    return {name: value.double() if value.is_floating_point() else value for name, value in inputs.items()}


@pytest.mark.parametrize("name", ["llava", "gemma3", "qwen2_vl", *(["qwen3_vl"] if ENCODED else [])])
@torch.no_grad()
def test_generate_equals_whole_forwards(name: str) -> None:
    """Cached steps, one token after the other, against a forward of the whole prompt for each token."""
    model, inputs = BY_NAME[name].model(), BY_NAME[name].inputs()
    found = generated(model, shorten(model, inputs, 0.5))
    for step in range(4):
        logits = model(**shorten(model, inputs, 0.5)).logits[:, -1]
        logits[:, [IMAGE, VIDEO]] = -torch.inf
        assert torch.equal(logits.argmax(dim=-1), found[:, step])
        inputs["input_ids"] = torch.cat([inputs["input_ids"], found[:, step : step + 1]], dim=1)
        for each, value in (("attention_mask", 1), ("token_type_ids", 0), ("mm_token_type_ids", 0)):
            if each in inputs:
                inputs[each] = torch.cat([inputs[each], torch.full((2, 1), value)], dim=1)


@pytest.mark.parametrize("name", ["llava", "qwen2_vl"])
@torch.no_grad()
def test_beams(name: str) -> None:
    model, inputs = BY_NAME[name].model(), BY_NAME[name].inputs()
    alone = shorten(model, first_sample(inputs), 0.5)
    together = shorten(model, inputs, 0.5)
    found, expected = (generated(model, each, num_beams=3, num_return_sequences=3) for each in (together, alone))
    assert torch.equal(found[:3], expected)


def first_sample(inputs: dict[str, Any]) -> dict[str, Any]:
    text = {name: inputs[name][:1] for name in ("input_ids", "attention_mask", "mm_token_type_ids") if name in inputs}
    if "image_grid_thw" not in inputs:
        return {**text, "pixel_values": inputs["pixel_values"][:1]}
    grid = inputs["image_grid_thw"][:1]
    return {**text, "pixel_values": inputs["pixel_values"][: int(grid.prod())], "image_grid_thw": grid}


def test_labels_are_cut_and_gradients_flow() -> None:
    model, inputs = BY_NAME["llava"].model(), BY_NAME["llava"].inputs()
    labels = inputs["input_ids"].masked_fill(inputs["input_ids"] < 9, -100)
    short = shorten(model, {**inputs, "labels": labels}, 0.5)
    assert sorted(short["labels"][short["labels"] != -100].tolist()) == sorted(labels[labels != -100].tolist())
    out = model(**short)
    out.loss.backward()
    log = out.logits[:, :-1].log_softmax(-1)
    following = short["labels"][:, 1:]
    losses = -log.gather(2, following.clamp_min(0)[..., None])[..., 0][following != -100]
    torch.testing.assert_close(out.loss, losses.mean())
    assert model.model.multi_modal_projector.linear_1.weight.grad.abs().sum() > 0


@torch.no_grad()
@pytest.mark.parametrize("name", [pytest.param("llava_onevision", marks=needs_encoded), "qwen2_vl"])
def test_videos(name: str) -> None:
    model = BY_NAME[name].model()
    if name == "qwen2_vl":
        tokens, grid = 2 * 4, torch.tensor([[2, 4, 4]])
        video = {"pixel_values_videos": pixels(32, 96), "video_grid_thw": grid}
    else:
        tokens, video = 2 * 4 + 1, {"pixel_values_videos": pixels(1, 2, 3, 16, 16)}
    inputs: dict[str, Any] = {**video, **batch_of([[1, 9, *[VIDEO] * tokens, 10]], None)}
    if name == "qwen2_vl":
        inputs["mm_token_type_ids"] = 2 * (inputs["input_ids"] == VIDEO).long()
    assert torch.equal(model(**shorten(model, inputs, 1.0)).logits, model(**inputs).logits)
    short = shorten(model, inputs, 4)
    separators = name == "llava_onevision"  # a newline ends its video
    assert int(short["attention_mask"].sum()) == 3 + 4 + separators
    assert model(**short).logits.isfinite().all()


def test_text_alone_comes_back_as_it_is() -> None:
    model, inputs = BY_NAME["llava"].model(), batch_of([[1, 9, 10]], None)
    assert shorten(model, inputs) is inputs


@torch.no_grad()
def test_with_a_merged_tower() -> None:
    vlm = BY_NAME["internvl"]
    model, inputs = vlm.model().double(), doubled(vlm.inputs())
    before = model(**shorten(model, inputs)).logits
    logits = apply_tome(model, r=4)(**shorten(model, inputs)).logits
    assert not torch.allclose(logits, before)
    for sample, expected in enumerate(logits_by_hand(model, visual_model(model), inputs, 0.5)):
        torch.testing.assert_close(logits[sample, -len(expected) :], expected, rtol=0, atol=2e-6)
