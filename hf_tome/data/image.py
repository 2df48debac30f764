"""Image files."""

from __future__ import annotations

from contextlib import suppress
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from hf_tome.data.fault import unreadable

SUFFIXES = frozenset(
    ".png .jpg .jpeg .jfif .webp .avif .bmp .gif .tif .tiff .pgm .ppm".split()  # noqa: SIM905
)


def read_image(source: Path | BytesIO | Image.Image) -> Image.Image:
    """The picture as RGB, turned as its camera noted it. Of a file with several pictures, the first.

    Grey of 16 bits is scaled by its full range, grey of 32 bits by its own darkest and brightest value.

    Raises:
        ToMeValueError: if the file is no readable image.
    """
    try:
        if isinstance(source, Image.Image):
            return _rgb(source)
        with Image.open(source) as image:
            return _rgb(image)
    except Exception as error:  # pillow's decoders raise errors of many kinds on broken files
        raise unreadable("image", source, error) from error


def _rgb(image: Image.Image) -> Image.Image:
    with suppress(Exception):  # what the camera noted may be broken, and pillow says so in many ways
        image = ImageOps.exif_transpose(image)
    if image.mode[0] in "IF":  # pillow would cut the values off at 255
        values = np.nan_to_num(np.asarray(image).astype(np.float64))  # (height, width)
        low, high = (0, 65535) if image.mode.startswith("I;16") else (values.min(), values.max())
        image = Image.fromarray(np.round((values - low) * (255 / max(high - low, 1e-30))).astype(np.uint8))
    return image.convert("RGB")
