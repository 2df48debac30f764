"""`apply_tome` on a whole vision-language model: its tower merges, and all behind it sees as many tokens as before."""

from __future__ import annotations

import pytest
import torch
from vlms import IMAGE, VIDEO, Vlm, each_vlm, generated

from hf_tome import UnsupportedModelError, apply_tome, remove_tome, trace_tome

PACKED = ("glm4v", "mistral3", "qwen2_vl", "qwen3_vl")  # all images in one sequence, where each merges


@each_vlm
@torch.no_grad()
def test_tower(vlm: Vlm) -> None:
    model, inputs = vlm.model(), vlm.inputs()
    if vlm.name == "qwen2_5_vl":
        with pytest.raises(UnsupportedModelError, match="windows"):
            apply_tome(model, r=2)
        return
    whole = model(**inputs).logits
    assert torch.equal(apply_tome(model, r=0)(**inputs).logits, whole)
    apply_tome(model, r=2)
    with trace_tome(model) as trace:
        logits = model(**inputs).logits
    images = 3 if vlm.name in PACKED else 1
    assert trace.token_counts[0] - trace.token_counts[-1] == 2 * images * (len(trace.token_counts) - 1)
    assert logits.shape == whole.shape
    assert not torch.equal(logits, whole)
    found = generated(model, inputs)
    for step in range(2):  # a forward of the whole prompt for each token
        following = model(**inputs).logits[:, -1]
        following[:, [IMAGE, VIDEO]] = -torch.inf
        assert torch.equal(following.argmax(dim=-1), found[:, step])
        inputs["input_ids"] = torch.cat([inputs["input_ids"], found[:, step : step + 1]], dim=1)
        for name in ("attention_mask", "token_type_ids", "mm_token_type_ids"):
            if name in inputs:
                more = torch.full((2, 1), int(name == "attention_mask"))
                inputs[name] = torch.cat([inputs[name], more], dim=1)
    assert torch.equal(remove_tome(model)(**vlm.inputs()).logits, whole)
