"""A scene: panels, groups and lines of pixels fit each other, for each kind."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from traced import AST, VIDEOMAE, VIT, owners_of, traced
from transformers import ASTFeatureExtractor, VideoMAEImageProcessorPil, ViTImageProcessorPil

from hf_tome.show.scene import scenes_of_inputs


@pytest.mark.parametrize(
    ("case", "shape", "sides", "processor", "kind"),
    [
        (VIT, (2, 3, 24, 24), (24, 24), ViTImageProcessorPil(), "image"),
        (VIDEOMAE, (2, 4, 3, 16, 16), (4, 16, 16), VideoMAEImageProcessorPil(), "video"),
        (AST, (2, 32, 16), (16, 32), ASTFeatureExtractor(num_mel_bins=16, max_length=32), "audio"),
    ],
)
def test_panels_show_the_groups_of_the_trace(case, shape, sides, processor, kind) -> None:
    pixels = torch.rand(shape)
    trace = traced(case, pixels, r=6)
    scene = scenes_of_inputs(pixels, processor, trace)[1]
    assert scene.kind == kind
    painted, plain = scene.panels(scene.painted(4)), scene.panels(scene.plain)
    groups, (rows, columns) = scene.panel_groups(4), scene.panel_lines()
    assert painted.shape == plain.shape == (len(groups), len(rows), len(columns), 3)
    owners = owners_of(sides, trace, 1)
    if kind == "video":
        owners = owners[::2]
    elif kind == "audio":
        owners = owners[::-1]  # low frequencies at the bottom
    shown = np.asarray([groups[panel][np.ix_(rows, columns)] for panel in range(len(groups))])
    shown[:, rows < 0], shown[:, :, columns < 0] = -1, -1
    down, right = shown.shape[1] // owners.shape[-2], shown.shape[2] // owners.shape[-1]
    assert np.array_equal(shown[:, ::down, ::right].reshape(owners.shape), owners)
    for group in np.unique(shown):  # one fill each: what lies away from all lines
        mine = Image.fromarray((shown[0] == group).astype(np.uint8) * 255)
        kernel = np.asarray(mine)
        kernel = kernel.reshape(-1, down, kernel.shape[1]).all(1).reshape(-1, kernel.shape[1] // right, right).all(2)
        centres = painted[0][down // 2 :: down, right // 2 :: right][kernel]
        assert group == -1 or len({tuple(colour) for colour in centres}) <= 1
