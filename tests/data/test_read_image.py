"""Image files: colours, orientation, and what is said of files that hold no image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hf_tome import ToMeValueError
from hf_tome.data.image import read_image


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "1", "I;16", "CMYK"])
@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_every_mode_becomes_rgb(tmp_path: Path, mode: str, suffix: str) -> None:
    if (mode, suffix) == ("CMYK", ".png"):
        pytest.skip("PNG holds no CMYK")
    Image.new(mode, (6, 4)).save(tmp_path / f"a{suffix}")
    image = read_image(tmp_path / f"a{suffix}")
    assert (image.mode, image.size) == ("RGB", (6, 4))


def test_a_photo_is_turned_as_its_camera_noted(tmp_path: Path) -> None:
    image, exif = Image.new("RGB", (16, 8)), Image.Exif()
    image.paste((255, 255, 255), (0, 0, 8, 8))
    exif[0x0112] = 6  # the top of the scene is at the right of the file
    image.save(tmp_path / "a.png", exif=exif)
    turned = np.asarray(read_image(tmp_path / "a.png"))
    assert turned.shape == (16, 8, 3)
    assert (turned[:8] == 255).all()
    assert (turned[8:] == 0).all()


@pytest.mark.parametrize("exif", [b"Exif\0\0II*\0\x08\0\0\0", b"nothing", b"II*\0\x08\0\0\0\x05"])
def test_a_broken_note_of_the_camera_leaves_the_picture(tmp_path: Path, exif: bytes) -> None:
    Image.new("RGB", (16, 8)).save(tmp_path / "a.jpg", exif=b"Exif\0\0" + exif)
    assert read_image(tmp_path / "a.jpg").size == (16, 8)


def test_a_picture_that_is_decoded_already_is_read_alike(tmp_path: Path) -> None:
    grey, exif = Image.effect_noise((16, 8), 50), Image.Exif()
    exif[0x0112] = 6
    grey.save(tmp_path / "a.jpg", exif=exif)
    decoded = read_image(Image.open(tmp_path / "a.jpg"))
    assert (decoded.mode, decoded.size) == ("RGB", (8, 16))
    assert np.array_equal(decoded, read_image(tmp_path / "a.jpg"))


@pytest.mark.parametrize(
    ("kind", "low", "high", "expected"),
    [
        ("u2", 0, 65535, (0, 255)),
        ("u2", 16384, 32768, (64, 128)),  # 16 bits: by the full scale
        ("i4", -5, 100000, (0, 255)),  # 32 bits have none: by what is in the picture
        ("f4", 0.25, 0.75, (0, 255)),
        ("i4", 7, 7, (0, 0)),
    ],
)
def test_grey_of_more_than_8_bits_keeps_its_steps(
    tmp_path: Path, kind: str, low: float, high: float, expected: tuple[int, int]
) -> None:
    ramp = np.linspace(low, high, 256).astype(kind)[None].repeat(4, 0)
    Image.fromarray(ramp).save(tmp_path / "a.tiff")
    found = np.asarray(read_image(tmp_path / "a.tiff"))
    assert (found[0, 0, 0], found[0, -1, 0]) == expected
    assert (np.diff(found[0, :, 0].astype(int)) >= 0).all()
    assert len(np.unique(found)) == expected[1] - expected[0] + 1


def test_of_several_pictures_the_first(tmp_path: Path) -> None:
    first, second = (Image.new("RGB", (4, 4), colour) for colour in ("red", "blue"))
    first.save(tmp_path / "a.gif", save_all=True, append_images=[second])
    assert read_image(tmp_path / "a.gif").getpixel((1, 1)) == (255, 0, 0)


def test_what_is_no_image_is_named(tmp_path: Path) -> None:
    Image.effect_noise((64, 64), 50).save(tmp_path / "whole.png")
    (tmp_path / "half.png").write_bytes((tmp_path / "whole.png").read_bytes()[:600])
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.jpg").write_text("no image")
    (tmp_path / "folder.png").mkdir()
    for name in ("half.png", "empty.png", "text.jpg", "folder.png", "missing.png"):
        with pytest.raises(ToMeValueError, match=r"Got: .*" + name):
            read_image(tmp_path / name)


def test_a_picture_that_would_take_all_memory_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("1", (64, 64)).save(tmp_path / "bomb.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(ToMeValueError, match=r"Got: .*bomb\.png"):
        read_image(tmp_path / "bomb.png")
