"""Pictures in rows on one page."""

from __future__ import annotations

from PIL import Image, ImageDraw, ImageFont


def sheet(rows: list[tuple[str, list[Image.Image]]], gap: int = 8) -> Image.Image:
    """Rows of equally large pictures on white, with a caption at the left of each row."""
    width, height = rows[0][1][0].size
    font = ImageFont.load_default(size=max(12, min(22, height // 8)))
    margin = int(max(font.getlength(line) for caption, _ in rows for line in caption.split("\n"))) + 3 * gap
    across = max(len(pictures) for _, pictures in rows)
    page = Image.new("RGB", (margin + across * (width + gap), len(rows) * (height + gap) + gap), "white")
    draw = ImageDraw.Draw(page)
    for y, (caption, pictures) in enumerate(rows):
        top = gap + y * (height + gap)
        draw.multiline_text((gap, top + height // 2), caption, fill="black", font=font, anchor="lm")
        for x, picture in enumerate(pictures):
            page.paste(picture.resize((width, height)), (margin + x * (width + gap), top))
    return page
