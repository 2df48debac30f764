"""Draw the pictures of README and docs.

python -m benchmarks.recorded.gallery VIT_S14 --photos SKIMAGE_DATA --clip bigbuckbunny.mp4
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from PIL import Image
from playwright.sync_api import sync_playwright
from transformers import ViTModel

from benchmarks.pages import ROOT
from benchmarks.recorded.dense_scenes import photo_processor, photos_to_look_at
from hf_tome import apply_tome, remove_tome, trace_tome
from hf_tome.data.classifier import load_classifier
from hf_tome.data.embedded import AST, SOUNDS, VIDEOMAE
from hf_tome.show import (
    attention_images,
    image_groups,
    save_animation,
    schedule_figure,
    seen,
    sheet,
    video_groups,
)
from hf_tome.show.app import launch, page
from hf_tome.show.figures import as_picture
from hf_tome.show.look import look, picture_of

IMAGES = ROOT / "docs/images/gallery"
CELL = 192  # pixels of a photo on the sheet
CHROMIUM = "/usr/bin/chromium"


def photo_rows(model: ViTModel, photos: Path) -> list[tuple[str, list[Image.Image]]]:
    """Photos, their groups after some layers, and the attention of the class token."""
    side = model.config.image_size
    processor = photo_processor(side)
    inputs = processor(photos_to_look_at(photos, side), return_tensors="pt")
    apply_tome(model, r=36)
    with torch.inference_mode(), trace_tome(model) as trace:
        attentions = model(**inputs, output_attentions=True).attentions
    remove_tome(model)
    images, counts = seen(inputs["pixel_values"], processor), trace.token_counts
    rows = [(f"{counts[0]} tokens", [Image.fromarray(each) for each in images])]
    rows += [(f"after {n} layers:\n{counts[n]}", image_groups(images, trace, n)) for n in (4, 8, 12)]
    rows.append(("attention of the\nclass token", attention_images(images, attentions, trace, 7)))
    return [(text, [each.resize((CELL, CELL), Image.Resampling.LANCZOS) for each in row]) for text, row in rows]


def app_shot(out: Path) -> None:
    """The page of `hf-tome app` with a sample."""
    with TemporaryDirectory() as folder, sync_playwright() as made:
        blocks = page(None, Path(folder))
        tab = made.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"]).new_page()
        tab.set_viewport_size({"width": 1400, "height": 900})
        tab.goto(launch(blocks))
        tab.get_by_role("button", name="left", exact=True).click()
        tab.get_by_text("rounds by turns").wait_for(timeout=120_000)
        tab.wait_for_function("[...document.images].every(image => image.complete)")
        tab.screenshot(path=out, full_page=True)
        blocks.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="a folder with a pretrained ViTModel")
    parser.add_argument("--photos", type=Path, required=True, help="scikit-image's folder skimage/data")
    parser.add_argument("--clip", type=Path, required=True, help="a video file")
    options = parser.parse_args()
    IMAGES.mkdir(exist_ok=True)
    model = ViTModel.from_pretrained(options.model, add_pooling_layer=False, attn_implementation="eager").eval()
    rows = photo_rows(model, options.photos)
    sheet(rows).save(IMAGES / "photos.jpg", quality=80)
    sheet([rows[0], rows[3]]).save(ROOT / "docs/images/merged.jpg", quality=88)
    videomae, ast = load_classifier(VIDEOMAE), load_classifier(AST)
    clip = look(videomae, videomae.read(options.clip), 60, options.clip.name)
    picture_of(clip).save(IMAGES / "clip.jpg", quality=85)
    frames = video_groups(seen(clip.pixels, videomae.processor), clip.trace, beside=True)[0]
    save_animation(frames[::2], IMAGES / "clip.gif", fps=2)  # one of each step in time
    sound = look(ast, ast.read(next(SOUNDS.rglob("drum_cymbal_hard.flac"))), 22)
    picture_of(sound).save(IMAGES / "sound.png", optimize=True)
    as_picture(schedule_figure([16, (16, -1.0), (16, 1.0), 0.1], 197, 12, 1)).save(
        IMAGES / "schedules.png", optimize=True
    )
    app_shot(IMAGES / "app.png")


if __name__ == "__main__":
    main()
