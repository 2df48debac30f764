"""Image files."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

from PIL import Image, ImageOps

from hf_tome.errors import ToMeValueError, complaint

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"})


def read_image(path: Path | BytesIO) -> Image.Image:
    """The picture as RGB, turned as its camera noted it. Of a file with several pictures, the first.

    Raises:
        ToMeValueError: if the file is no readable image.
    """
    try:
        with Image.open(path) as image:
            return ImageOps.exif_transpose(image).convert("RGB")
    except (Image.DecompressionBombError, OSError, SyntaxError, ValueError) as error:
        rule = "Every image file must be readable."
        raise ToMeValueError(complaint(rule, f"{path} ({error})", "Remove or repair this file.")) from error
