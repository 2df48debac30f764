"""Images with their groups: colours, outlines, sizes and what the model saw."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from traced import DEIT, VIT, inner, means_of, owners_of, random_colours, traced
from transformers import ViTImageProcessorPil

from hf_tome import ToMeError, ToMeTypeError, ToMeValueError, apply_tome, trace_tome
from hf_tome.show import attention_images, class_attention, image_groups, seen, sheet
from hf_tome.show.paint import coloured, fill, line_colours, outlined, palette

PROCESSOR = ViTImageProcessorPil(size={"height": 24, "width": 24})


def test_groups_have_their_mean_colour_and_closed_outlines() -> None:
    trace = traced(VIT, torch.randn(2, 3, 24, 24))
    images = random_colours(2, 24, 24)
    pictures = image_groups(images, trace)
    assert [picture.size for picture in pictures] == [(432, 432)] * 2  # 18 times as large, below 448
    for item, picture in enumerate(pictures):
        owners = owners_of((24, 24), trace, item)
        painted = np.asarray(picture).reshape(24, 18, 24, 18, 3)[:, 9, :, 9].astype(float)  # the middle of each pixel
        inside = inner(owners, 1)
        assert inside.sum() > 40
        assert np.abs(painted - means_of(images[item], owners))[inside].max() <= 0.5
        lines = np.asarray(picture)
        outer = np.concatenate([lines[0], lines[-1], lines[:, 0], lines[:, -1]])
        assert set(map(tuple, outer)) <= {*map(tuple, palette(36)), (128, 128, 128)}


def test_outlines_tell_groups_apart() -> None:
    """Two patches of one colour have one outline where they are one group, and others where they are not."""
    groups = np.array([[0, 1, 0], [3, 1, 5]])
    colours = np.full((8, 12, 3), 90, np.uint8)
    owners = groups.repeat(4, 0).repeat(4, 1)
    painted = outlined(fill(colours, owners), owners, line_colours(groups))
    assert np.array_equal(painted[0, 0], painted[0, 8])
    assert not np.array_equal(painted[0, 0], painted[0, 4])
    assert painted[4, 0].tolist() == painted[4, 8].tolist() == [128] * 3  # patches that are alone
    assert painted[1, 1].tolist() == [90] * 3
    assert (painted[3:5, 5] == 90).all()  # no line inside a group
    owners[:, 11] = -1
    assert (outlined(fill(colours, owners), owners, line_colours(groups))[:, 11] == 90).all()


def test_large_and_narrow_images() -> None:
    trace = traced(VIT, torch.randn(1, 3, 460, 8), image_size=[460, 8])
    picture = image_groups(random_colours(1, 460, 8), trace, 2, beside=True)[0]
    assert picture.height == 460
    assert np.array_equal(np.asarray(picture)[:, :8], random_colours(1, 460, 8)[0])


def test_only_what_the_model_saw_can_be_painted() -> None:
    trace = traced(DEIT, torch.randn(1, 3, 24, 24))
    with pytest.raises(ToMeValueError, match="what the model saw"):
        image_groups(random_colours(1, 48, 48), trace)
    with pytest.raises(ToMeValueError, match="item counts the inputs"):
        image_groups(random_colours(2, 24, 24), trace)
    with pytest.raises(ToMeValueError, match="what the model saw"):
        image_groups(random_colours(24, 24), trace)  # no batch
    with pytest.raises(ToMeTypeError, match="uint8"):
        image_groups(np.zeros((1, 24, 24, 3)), trace)


@pytest.mark.parametrize("settings", [{}, {"do_normalize": False}, {"do_normalize": False, "do_rescale": False}])
def test_seen_is_what_came_in(settings) -> None:
    images = random_colours(2, 24, 24)
    processor = ViTImageProcessorPil(size={"height": 24, "width": 24}, **settings)
    pixels = processor([Image.fromarray(each) for each in images], return_tensors="pt")["pixel_values"]
    assert np.array_equal(seen(pixels, processor), images)


def test_class_attention_is_shared_among_patches() -> None:
    model = apply_tome(DEIT.build(implementation="eager"), r=5)
    with torch.no_grad(), trace_tome(model) as trace:
        maps = model(torch.randn(2, 3, 24, 24), output_attentions=True).attentions
    for layer in range(4):
        row = maps[layer][1, :, 0].mean(0)
        tokens = trace.last.groups_at(layer)[1, 2:]
        expected = [row[token] / (tokens == token).sum() for token in tokens]
        found = class_attention(maps, trace, layer, 1)
        np.testing.assert_allclose(found.ravel(), np.array(expected), rtol=1e-6)
        np.testing.assert_allclose(found.sum(), row[2:].sum().item(), rtol=1e-6)
    images = random_colours(2, 24, 24)
    picture = np.asarray(attention_images(images, maps, trace)[1])
    brightest = np.unravel_index(class_attention(maps, trace, -1, 1).argmax(), (6, 6))
    y, x = (4 * 18 * place for place in brightest)
    grey = images[1][4 * brightest[0], 4 * brightest[1]].mean()
    assert picture[y, x].tolist() == (0.6 * coloured(np.array(255)) + 0.4 * grey).round().tolist()
    for wrong in ({"attentions": maps[:2]}, {"attentions": maps, "layer": 4}, {"attentions": ()}):
        with pytest.raises(ToMeValueError, match="Class attention needs"):
            class_attention(trace=trace, **wrong)


def test_sheet_places_rows() -> None:
    red, blue = Image.new("RGB", (40, 40), "red"), Image.new("RGB", (40, 40), "blue")
    page = np.asarray(sheet([("first", [red, blue]), ("second\nrow", [blue, red])]))
    reds = (page == (255, 0, 0)).all(-1)
    assert reds.sum() == 2 * 1600
    top, bottom = reds[: len(page) // 2], reds[len(page) // 2 :]
    assert top.any(0).nonzero()[0].max() < bottom.any(0).nonzero()[0].min()
    for nothing in ([], [("a caption", [])]):
        with pytest.raises(ToMeError):
            sheet(nothing)
