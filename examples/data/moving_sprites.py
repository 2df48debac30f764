"""Short videos of a picture that moves left, right, up or down over a texture: real mp4 files, one folder a class.

    python examples/data/moving_sprites.py CLIPS --train 400 --test 100

The picture is a Fashion-MNIST image and leaves one side to come in at the other, so that it is as likely to be anywhere
in every frame of every class: only motion tells the classes apart.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import av
import numpy as np
from PIL import Image
from tqdm.auto import tqdm

from hf_tome.data.embedded import embedded_images

CLASSES = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}


def texture(side: int, chance: np.random.Generator) -> np.ndarray:
    """(side, side, 3) float in [0, 120]: smooth noise."""
    coarse = Image.fromarray(chance.integers(0, 120, (side // 8, side // 8, 3), dtype=np.uint8))
    return np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC), dtype=np.float32)


def clip(sprite: np.ndarray, step: tuple[int, int], frames: int, side: int, chance: np.random.Generator) -> np.ndarray:
    """uint8 (frames, side, side, 3): `sprite` (height, width) in [0, 255] moves by `step` pixels a frame."""
    ground, where, colour = texture(side, chance), chance.integers(side, size=2), chance.uniform(0.6, 1.0, 3)
    place = np.zeros((side, side), dtype=np.float32)
    place[: sprite.shape[0], : sprite.shape[1]] = sprite
    pictures = []
    for number in range(frames):
        moved = np.roll(place, (where[1] + number * step[1], where[0] + number * step[0]), axis=(0, 1))[..., None]
        pictures.append(np.where(moved > 30, moved * colour, ground))
    return np.stack(pictures).clip(0, 255).astype(np.uint8)


def write_clip(path: Path, pictures: np.ndarray) -> None:
    """An H.264 file of uint8 (frames, height, width, 3), 10 frames a second."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=10, options={"crf": "18"})
        stream.height, stream.width, stream.pix_fmt = *pictures.shape[1:3], "yuv420p"  # pyright: ignore
        for picture in pictures:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))  # pyright: ignore
        file.mux(stream.encode())  # pyright: ignore


def write_clips(
    folder: Path,
    split: str,
    images: list[Image.Image],
    each: int,
    seed: int,
    frames: int = 16,
    side: int = 64,
    still: bool = False,
) -> None:
    """`each` clips of each class below `folder / split`, of pictures drawn from `images`.

    With `still`, a clip is one of its frames, drawn at random and repeated: what a single frame tells of the class.
    """
    chance = np.random.default_rng(seed)
    for name, (x, y) in CLASSES.items():
        (folder / split / name).mkdir(parents=True, exist_ok=True)
        for number in tqdm(range(each), desc=f"{split}, {name}", disable=None):
            sprite = np.asarray(images[chance.integers(len(images))].convert("L"), dtype=np.float32)
            speed = int(chance.integers(2, 5))
            pictures = clip(sprite, (x * speed, y * speed), frames, side, chance)
            if still:
                pictures = np.repeat(pictures[[chance.integers(frames)]], frames, axis=0)
            write_clip(folder / split / name / f"{number:04}.mp4", pictures)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--train", type=int, default=400, help="clips of each class to train on")
    parser.add_argument("--test", type=int, default=100, help="clips of each class to evaluate on")
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--side", type=int, default=64, help="pixels")
    parser.add_argument("--still", action="store_true", help="repeat one frame: nothing moves")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    images, _ = embedded_images()
    half = len(images) // 2  # no picture is in both splits
    write_clips(args.folder, "train", images[:half], args.train, args.seed, args.frames, args.side, args.still)
    write_clips(args.folder, "test", images[half:], args.test, args.seed + 1, args.frames, args.side, args.still)


if __name__ == "__main__":
    main()
