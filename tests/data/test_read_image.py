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
