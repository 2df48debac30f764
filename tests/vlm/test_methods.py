"""How visual tokens are chosen, each way against plain Python in float64."""

from __future__ import annotations

from math import sqrt

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from prompts_by_hand import groups_of, mean_of
from vlms import VLMS, Vlm, each_vlm, needs_encoded

from hf_tome import UnsupportedAttentionError, UnsupportedModelError, shorten
from hf_tome.vlm import METHODS
from hf_tome.vlm.methods import Item

LLAVA = VLMS[0]
assert LLAVA.name == "llava"


def item(tokens: int, keep: int, seed: int = 0) -> Item:
    generator = torch.Generator().manual_seed(seed)
    x, words = (torch.randn(n, 5, generator=generator, dtype=torch.float64) for n in (tokens, 3))
    return Item(x, keep, words, torch.rand(tokens, generator=generator), generator)


def cosine(a: list[float], b: list[float]) -> float:
    return sum(v * w for v, w in zip(a, b, strict=True)) / sqrt(sum(v * v for v in a) * sum(w * w for w in b))


def best(scores: list[float], keep: int) -> list[int]:
    return sorted(sorted(range(len(scores)), key=lambda token: -scores[token])[:keep])


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 99))
def test_merge(tokens: int, keep: int, seed: int) -> None:
    given = item(tokens, min(keep, tokens), seed)
    found, expected = METHODS["merge"](given), groups_of(given.x.tolist(), given.keep)
    assert found.leaders.tolist() == [group[0] for group in expected]
    means = torch.tensor([mean_of(given.x.tolist(), group) for group in expected], dtype=torch.float64)
    torch.testing.assert_close(found.apply(given.x), means)


@pytest.mark.parametrize("keep", [1, 2, 5, 9])
def test_tokens_that_stay(keep: int) -> None:
    given = item(9, keep)
    x, words = given.x.tolist(), given.words.tolist()  # pyright: ignore[reportOptionalMemberAccess]
    expected = {
        "norm": best([sqrt(sum(v * v for v in row)) for row in x], keep),
        "attention": best(given.attention.tolist(), keep),
        "question": best([max(cosine(row, word) for word in words) for row in x], keep),
        "uniform": [token * 9 // keep for token in range(keep)],
        "diverse": farthest(x, keep),
    }
    for name, tokens in expected.items():
        found = METHODS[name](given)
        assert (found.leaders.tolist(), found.groups) == (tokens, None), name
    drawn = METHODS["random"](given).leaders.tolist()
    assert drawn == sorted(set(drawn))
    assert len(drawn) == keep


def farthest(x: list[list[float]], keep: int) -> list[int]:
    def distance(a: int, b: int) -> float:
        return 1 - cosine(x[a], x[b])

    others = range(len(x))
    chosen = [max(others, key=lambda a: min(distance(a, b) for b in others if b != a))]
    while len(chosen) < keep:
        left = [token for token in others if token not in chosen]
        chosen.append(max(left, key=lambda a: min(distance(a, b) for b in chosen)))
    return sorted(chosen)


@each_vlm
@torch.no_grad()
def test_every_model_takes_every_method(vlm: Vlm) -> None:
    model, counts = vlm.model(), set()
    for method in METHODS.keys() - {"attention"}:
        short = shorten(model, vlm.inputs(), 0.25, method=method)
        assert model(**short).logits.isfinite().all()
        counts.add(int(short["attention_mask"].sum()))
    assert len(counts) == 1


@torch.no_grad()
def test_a_seed_repeats_itself() -> None:
    model, inputs = LLAVA.model(), LLAVA.inputs()
    before = torch.get_rng_state()
    first, again, other = (shorten(model, inputs, 0.25, method="random", seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    logits = [model(**each).logits for each in (first, again, other)]
    assert torch.equal(logits[0], logits[1])
    assert not torch.equal(logits[0], logits[2])


@needs_encoded
@torch.no_grad()
def test_attention_is_that_of_the_class_token() -> None:
    model, inputs = LLAVA.model(), LLAVA.inputs()
    with pytest.raises(UnsupportedAttentionError, match="eager"):
        shorten(model, inputs, method="attention")
    model.set_attn_implementation("eager")
    short = shorten(model, inputs, 5, method="attention")
    tower = model.model.vision_tower(inputs["pixel_values"], output_attentions=True)
    whole = model.model.get_image_features(inputs["pixel_values"]).pooler_output
    for image, found in enumerate(short["mm_encoder_outputs"]["image"].pooler_output):
        paid = tower.attentions[model.config.vision_feature_layer][image, :, 0, 1:].mean(dim=0)
        assert torch.equal(found, whole[image][best(paid.tolist(), 5)])


def test_attention_needs_a_row_for_each_token_of_the_tower() -> None:
    vlm = next(vlm for vlm in VLMS if vlm.name == "internvl")
    model = vlm.model()
    model.set_attn_implementation("eager")
    with pytest.raises(UnsupportedModelError, match="3 x 17 tokens"):
        shorten(model, vlm.inputs(), method="attention")
