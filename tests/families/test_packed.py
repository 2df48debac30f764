"""Images of several sizes in one sequence: each merges as if it were alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from rows_packed import GRID
from torch import Tensor
from zoo import ZOO

from hf_tome import UnsupportedAttentionError, apply_tome, trace_tome

ROWS = {row.model_type: row for row in ZOO if row.shape.packed}
needs_qwen = pytest.mark.skipif("qwen2_vl_vision" not in ROWS, reason="another layer in this version")
each_kind = pytest.mark.parametrize("name", sorted({"qwen2_vl_vision", "qwen3_vl_vision"} & ROWS.keys()))


def build(name: str, **settings: Any) -> Any:
    return apply_tome(ROWS[name].build(), **settings)


@each_kind
@pytest.mark.parametrize("r", [3, 0.25, (2, -1.0)])
@torch.no_grad()
def test_a_pack_gives_what_each_image_gives_alone(name: str, r: Any) -> None:
    model, inputs = build(name, r=r).double(), ROWS[name].inputs()
    pixels, grids = inputs["hidden_states"].double(), inputs["grid_thw"]
    together = features(model(pixels, grids))
    parts = pixels.split(grids.prod(dim=1).tolist())
    alone = [features(model(part, grid[None])) for part, grid in zip(parts, grids, strict=True)]
    for found, *expected in zip(together, *alone, strict=True):
        torch.testing.assert_close(found, torch.cat(expected), rtol=0, atol=1e-12)


def features(output: Any) -> list[Tensor]:
    return [output.last_hidden_state, output.pooler_output, *getattr(output, "deepstack_features", [])]


@pytest.mark.parametrize("settings", [{}, {"r": 0.25}, {"r": (2, -1.0)}, {"matching": "attention_prune"}], ids=str)
@torch.no_grad()
def test_a_mask_tells_images_apart(settings: dict[str, Any]) -> None:
    model = apply_tome(ROWS["pixtral"].build("eager"), **{"r": 3, **settings}).double()
    pixels, sizes = ROWS["pixtral"].inputs().values()
    together = model(pixels.double(), sizes).last_hidden_state
    parts = [image[None, :, :height, :width] for image, (height, width) in zip(pixels.double(), sizes, strict=True)]
    alone = [model(part).last_hidden_state for part in parts]
    torch.testing.assert_close(together, torch.cat(alone, dim=1), rtol=0, atol=1e-12)


def test_nothing_tells_images_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    row = ROWS["pixtral"]
    module = type(row.build()).__module__
    monkeypatch.setattr(f"{module}.generate_block_attention_mask", lambda *_: None)
    with pytest.raises(UnsupportedAttentionError, match="told apart"):
        apply_tome(row.build(), r=3)(**row.inputs())


@pytest.mark.slow  # inductor takes minutes: each layer's tokens are of another shape
@pytest.mark.parametrize("name", [pytest.param("qwen2_vl_vision", marks=needs_qwen), "pixtral"])
@torch.no_grad()
def test_compiled_with_breaks_in_the_graph(name: str) -> None:
    """The lengths of images are data, so that each layer breaks it."""
    model, inputs = build(name, r=3), ROWS[name].inputs()
    expected = model(**inputs).last_hidden_state
    torch._dynamo.reset()
    compiled = torch.compile(model, backend="aot_eager")
    for _ in range(2):
        torch.testing.assert_close(compiled(**inputs).last_hidden_state, expected, rtol=0, atol=1e-5)


@needs_qwen
@torch.no_grad()
def test_a_trace_counts_the_tokens_of_all_images() -> None:
    model, inputs = build("qwen2_vl_vision", r=3), ROWS["qwen2_vl_vision"].inputs()
    with trace_tome(model) as trace:
        model(**inputs)
    images = [16, 16, 12, 8, 8]  # the frames of a clip stand apart
    counts = [images]
    for _ in range(3):
        counts.append([n - min(3, n // 2) for n in counts[-1]])
    assert trace.token_counts == list(map(sum, counts))
    assert trace.sizes.shape == (1, trace.token_counts[-1])
    assert trace.sizes.sum() == sum(images) == trace.groups.shape[1]
    image_of = torch.arange(len(images)).repeat_interleave(torch.tensor(images))
    final = torch.zeros(trace.token_counts[-1], dtype=torch.int64).scatter(0, trace.groups[0], image_of)
    assert torch.equal(final[trace.groups[0]], image_of)  # no group has tokens of two images


@needs_qwen
@pytest.mark.parametrize(
    "settings",
    [
        {"matching": "attention_prune"},
        {"matching": "pitome"},
        {"matching": "kmeans", "metric": "x"},
        {"heads": "concat", "metric": "q", "combine": "max"},
        {"prop_attn": False},
        {"restore": "residual"},
    ],
    ids=str,
)
@torch.no_grad()
def test_options(settings: dict[str, Any]) -> None:
    model = ROWS["qwen2_vl_vision"].build("eager").double()
    inputs = {**ROWS["qwen2_vl_vision"].inputs(), "grid_thw": GRID}
    pixels = inputs["hidden_states"].double()
    together = apply_tome(model, r=3, **settings)(pixels, GRID).last_hidden_state
    last = model(pixels[-16:], GRID[-1:]).last_hidden_state
    torch.testing.assert_close(together[-16:], last, rtol=0, atol=1e-12)
