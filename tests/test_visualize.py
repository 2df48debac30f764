"""Pictures of groups: colours, lines and sizes against a pixel-by-pixel oracle."""

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import VideoMAEConfig, VideoMAEModel, ViTConfig, ViTModel

from hf_tome import ToMeError, apply_tome, trace_tome
from hf_tome.visualize import group_map, paint_groups, sheet

SHAPE = {"hidden_size": 48, "num_hidden_layers": 3, "num_attention_heads": 3, "intermediate_size": 96}


def oracle(pixels: np.ndarray, groups: np.ndarray, patch: int) -> np.ndarray:
    """The mean colour of each pixel's group."""
    out = np.zeros_like(pixels, dtype=float)
    for y in range(pixels.shape[0]):
        for x in range(pixels.shape[1]):
            mine = groups[y // patch, x // patch]
            members = [
                pixels[v, u]
                for v in range(pixels.shape[0])
                for u in range(pixels.shape[1])
                if groups[v // patch, u // patch] == mine
            ]
            out[y, x] = np.mean(members, axis=0)
    return out


def test_colours_are_the_means_of_the_groups():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)
    groups = np.array([[7, 7, 2, 2], [7, 7, 2, 2], [5, 5, 5, 2]])
    painted = np.asarray(paint_groups(Image.fromarray(pixels), groups)).astype(float)
    expected = oracle(pixels, groups, 4)
    inside = [(1, 1), (6, 3), (2, 12), (10, 5), (5, 14)]  # away from lines
    for y, x in inside:
        assert np.abs(painted[y, x] - expected[y, x]).max() <= 0.5
    assert not np.allclose(painted[3, 8], expected[3, 8], atol=1)  # on the line between groups 7 and 2


def test_scale_and_grey_and_uneven_size():
    picture = paint_groups(Image.new("L", (30, 21), 128), np.arange(6).reshape(2, 3), scale=3)
    assert picture.size == (90, 63)
    assert picture.mode == "RGB"


@pytest.fixture
def vit():
    config = ViTConfig(**SHAPE, image_size=32, patch_size=4, initializer_range=0.2)
    return apply_tome(ViTModel(config).eval(), r=10)


def test_group_map_is_the_trace(vit):
    with torch.no_grad(), trace_tome(vit) as trace:
        vit(torch.randn(2, 3, 32, 32))
    assert (group_map(trace, 1).ravel() == trace.groups[1, 1:].numpy()).all()
    assert group_map(trace, 1).shape == (8, 8)
    assert len(np.unique(group_map(trace, 0, layers=1))) == 54
    assert (group_map(trace, 0, layers=0).ravel() == np.arange(1, 65)).all()
    for wrong in ({"item": 2}, {"item": -1}, {"layers": 4}):
        with pytest.raises(ToMeError):
            group_map(trace, **wrong)


def test_masked_video_has_no_picture():
    config = VideoMAEConfig(**SHAPE, image_size=32, patch_size=8, num_frames=4)
    model = apply_tome(VideoMAEModel(config).eval(), r=2)
    mask = torch.zeros(1, 32, dtype=torch.bool)
    mask[:, ::2] = True
    with torch.no_grad(), trace_tome(model) as trace:
        model(torch.randn(1, 4, 3, 32, 32), bool_masked_pos=mask)
    with pytest.raises(ToMeError, match="one token for each patch"):
        group_map(trace)


def test_sheet_places_rows():
    red, blue = Image.new("RGB", (40, 40), "red"), Image.new("RGB", (40, 40), "blue")
    page = np.asarray(sheet([("first", [red, blue]), ("second\nrow", [blue, red])]))
    reds = (page == (255, 0, 0)).all(-1)
    assert reds.sum() == 2 * 1600
    top, bottom = reds[: len(page) // 2], reds[len(page) // 2 :]
    assert top.any(0).nonzero()[0].max() < bottom.any(0).nonzero()[0].min()
