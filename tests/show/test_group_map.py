"""Groups on the patch grid and on pixels, against the trace, one pixel at a time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from traced import AST, VIDEOMAE, VIT, owners_of, traced

from hf_tome import ToMeError, ToMeValueError, apply_tome, trace_tome
from hf_tome.show import group_map
from hf_tome.show.groups import first_patches, on_pixels, patch_at


def test_group_map_is_the_trace() -> None:
    trace = traced(VIT, torch.randn(2, 3, 24, 24))
    assert (group_map(trace, 1).ravel() == trace.groups[1, 1:].numpy()).all()
    assert group_map(trace, 1).shape == (6, 6)
    assert len(np.unique(group_map(trace, 0, layers=1))) == 31
    assert (group_map(trace, 0, layers=0).ravel() == np.arange(1, 37)).all()
    for wrong in ({"item": 2}, {"item": -1}, {"layers": 5}):
        with pytest.raises(ToMeError):
            group_map(trace, **wrong)


def test_masked_video_has_no_picture() -> None:
    model = apply_tome(VIDEOMAE.build(), r=2)
    mask = torch.zeros(1, 32, dtype=torch.bool)
    mask[:, ::2] = True
    with torch.no_grad(), trace_tome(model) as trace:
        model(torch.randn(1, 4, 3, 16, 16), bool_masked_pos=mask)
    with pytest.raises(ToMeError, match="one token for each patch"):
        group_map(trace)


@pytest.mark.parametrize(
    ("case", "shape", "sides", "settings"),
    [
        (VIT, (2, 3, 24, 24), (24, 24), {}),
        (VIT, (2, 3, 26, 31), (26, 31), {"image_size": [26, 31], "patch_size": [4, 6]}),  # beyond the last patch
        (VIDEOMAE, (2, 4, 3, 16, 16), (4, 16, 16), {}),
        (AST, (2, 32, 16), (16, 32), {}),  # patches overlap by one
        (AST, (2, 32, 16), (16, 32), {"frequency_stride": 1, "time_stride": 5}),  # by three; apart by one
    ],
)
def test_pixels_follow_their_patch(case, shape, sides, settings) -> None:
    trace = traced(case, torch.randn(shape), r=6, **settings)
    found = on_pixels(group_map(trace, 1), trace.last.patches, sides)
    assert np.array_equal(found, owners_of(sides, trace, 1))


def test_a_picture_of_another_size_is_refused() -> None:
    trace = traced(VIT, torch.randn(1, 3, 24, 24))
    with pytest.raises(ToMeValueError, match=r"what the model saw: .* \(6, 6\)"):
        on_pixels(group_map(trace), trace.last.patches, (48, 24))


@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 12))
def test_the_nearest_patch_has_the_pixel(size: int, stride: int, count: int) -> None:
    side = size + stride * (count - 1)
    patch, covered = patch_at(side, size, stride, count)
    middles = np.arange(count) * stride + size / 2
    apart = np.abs(np.arange(side)[:, None] + 0.5 - middles)
    assert (apart[np.arange(side), patch] == apart.min(axis=1)).all()
    assert set(patch) == set(range(count))
    assert covered.all() == (stride <= size or count == 1)


def test_first_patches_name_the_same_groups_and_keep_their_names() -> None:
    trace = traced(VIT, torch.randn(1, 3, 24, 24))
    before = np.arange(36).reshape(6, 6)
    for layers in range(5):
        groups = group_map(trace, 0, layers)
        named = first_patches(groups)
        assert np.array_equal(named[:, :, None, None] == named, groups[:, :, None, None] == groups)
        for name in np.unique(named):
            assert (named.ravel() == name).argmax() == name
            assert name in before
        before = named
