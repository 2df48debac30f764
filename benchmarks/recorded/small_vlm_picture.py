"""What merged in scenes behind a question, and what a small vision-language model answers then."""

from __future__ import annotations

from typing import Any

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from benchmarks.recorded.small_vlm_model import answered, reduced
from benchmarks.recorded.small_vlm_scenes import PLACES, WORDS, Scene
from hf_tome import shorten
from hf_tome.show import sheet
from hf_tome.show.paint import fill, line_colours, outlined

KEEPS, SCALE, LINE = (1.0, 0.5, 0.25), 2, 20  # pixels of a line of text


def picture(model: Any, features: Tensor, shown: list[Scene]) -> Image.Image:
    """A row for each share of the tokens: scenes with their groups, and the answers below."""
    rows = []
    for keep in KEEPS:
        asked = [scene.turns() for scene in shown]
        said: list[list[str]] = [[] for _ in shown]
        for place in range(len(PLACES) + 1):
            questions = [turns[place][0] for turns in asked]
            ids = answered(model, features, questions, lambda inputs, keep=keep: shorten(model, inputs, keep))
            for lines, turns, answer in zip(said, asked, ids, strict=True):
                want = turns[place][1]
                text = ("" if len(want) > 1 else " ").join(WORDS[each] for each in answer[: len(want)])
                lines.append(text if list(answer[: len(want)]) == want else f"{text} (wrong)")
        pictures = [
            _captioned(_painted(model, x, scene, keep), lines)
            for x, scene, lines in zip(features, shown, said, strict=True)
        ]
        rows.append((f"{round(keep * features.shape[1])} tokens", pictures))
    return sheet(rows)


def _painted(model: Any, x: Tensor, scene: Scene, keep: float) -> Image.Image:
    """The scene; where tokens merged, each group in its mean colour with an outline."""
    pixels = scene.pixels
    if keep < 1:
        side = round(len(x) ** 0.5)
        grid = reduced(model, x, keep)[1].groups.view(side, side).numpy()  # pyright: ignore
        owners = grid.repeat(len(pixels) // side, 0).repeat(len(pixels) // side, 1)
        pixels = outlined(fill(pixels, owners), owners, line_colours(grid))
    return Image.fromarray(pixels).resize((SCALE * pixels.shape[1], SCALE * pixels.shape[0]), Image.Resampling.NEAREST)


def _captioned(image: Image.Image, lines: list[str]) -> Image.Image:
    """The answers for the four quarters, and the number, below a picture."""
    page = Image.new("RGB", (image.width, image.height + 3 * LINE), "white")
    page.paste(image)
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(size=15)
    places = [(0, 0), (1, 0), (0, 1), (1, 1), (0, 2)]
    for (x, y), text in zip(places, [*lines[:4], f"reads {lines[4]}"], strict=True):
        at = 4 + x * image.width // 2, image.height + 2 + y * LINE
        draw.text(at, text, fill="firebrick" if "wrong" in text else "black", font=font)
    return page
