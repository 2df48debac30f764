"""A file as a model's input, varied at random in training: one reader for each medium, which `LabelledFiles` calls."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image, ImageOps
from torch import Tensor

from hf_tome.data.clip import read_clip
from hf_tome.data.encoder import is_wave, processed, read_image_for, sound_inputs
from hf_tome.data.sound import read_sound
from hf_tome.data.waves import faster, masked
from hf_tome.errors import ToMeValueError, complaint
from hf_tome.train.rand_augment import rand_augment

Chance = np.random.Generator | None  # None: nothing is left to chance


class Pictures:
    """Images: in training a random part of 60 to 100 % of the area, mirrored or not.

    Args:
        processor: an image processor of transformers.
        strength: of `rand_augment` too, 0 to 10. 0 for none.

    Raises:
        ToMeValueError: if the strength is no such number.
    """

    def __init__(self, processor: Any, strength: int = 0) -> None:
        if not 0 <= strength <= 10:
            raise ToMeValueError(complaint("RandAugment has a strength of 0 to 10.", strength, "9 is usual."))
        self.processor, self.strength = processor, strength

    def __call__(self, file: Any, chance: Chance, view: int = 0) -> dict[str, Tensor]:
        image = read_image_for(self.processor, file)
        if chance is not None:
            image = random_part(image, chance)
            image = rand_augment(image, self.strength, chance) if self.strength else image
        return {"pixel_values": processed(self.processor, image)["pixel_values"][0]}


def random_part(image: Image.Image, chance: np.random.Generator) -> Image.Image:
    """A random part of the image, perhaps mirrored."""
    share = chance.uniform(0.6, 1.0) ** 0.5
    width, height = (max(1, round(side * share)) for side in image.size)
    left, top = chance.integers(image.width - width + 1), chance.integers(image.height - height + 1)
    part = image.crop((int(left), int(top), int(left) + width, int(top) + height))
    return ImageOps.mirror(part) if chance.random() < 0.5 else part


class Spectrograms:
    """Sounds for AST, Whisper or wav2vec 2.0 and its kin: in training of varied speed, and spectrograms with masks.

    Args:
        extractor: the model's feature extractor. It pads what is shorter than its window and cuts what is longer.
        time_mask: one mask covers fewer frames than that, 0 for none. Waves are not masked: wav2vec 2.0 does it itself.
        mel_mask: one mask covers fewer mel bins than that, 0 for none.
        speed: a third of the sounds is played faster by this share, in [0, 1), and a third slower. 0 for none.
        seconds: waves, which know no window, are padded or cut to so many.

    Raises:
        ToMeValueError: if `speed` is not in [0, 1), or `seconds` not above 0.
    """

    def __init__(
        self, extractor: Any, time_mask: int = 0, mel_mask: int = 0, speed: float = 0.0, seconds: float = 10.0
    ) -> None:
        if not (0 <= speed < 1 and seconds > 0):
            rule = "The speed varies by a share in [0, 1), and sounds have more than 0 seconds."
            raise ToMeValueError(complaint(rule, f"{speed} and {seconds}", "0.1 and 10 are usual."))
        self.extractor, self.time_mask, self.mel_mask, self.speed = extractor, time_mask, mel_mask, speed
        samples = round(seconds * extractor.sampling_rate)
        self.window = {"padding": "max_length", "max_length": samples, "truncation": True} if is_wave(extractor) else {}

    def __call__(self, file: Any, chance: Chance, view: int = 0) -> dict[str, Tensor]:
        wave, _ = read_sound(file, self.extractor.sampling_rate)
        if chance is not None and self.speed:
            wave = faster(wave, self.extractor.sampling_rate, 1 + self.speed * int(chance.integers(-1, 2)))
        inputs = {name: value[0] for name, value in sound_inputs(self.extractor, [wave], **self.window).items()}
        if chance is None or self.window:
            return inputs
        ((name, values),) = inputs.items()
        turned = not hasattr(self.extractor, "n_samples")  # Whisper's are (mels, frames) as they come
        bands = values.T if turned else values
        bands = masked(bands, self.time_mask, self.mel_mask, int(chance.integers(1 << 63)))
        return {name: bands.T if turned else bands}


def spectrogram_size(extractor: Any) -> tuple[int, int]:
    """Frames and mel bins that an extractor makes; (0, 0) if it leaves waves."""
    if is_wave(extractor):
        return 0, 0
    if hasattr(extractor, "n_samples"):
        return extractor.nb_max_frames, extractor.feature_size
    return extractor.max_length, extractor.num_mel_bins


class Clips:
    """Videos: frames over the whole clip, in training at a random place of each part and from a random square.

    For evaluation view v of `clips * crops` takes clip v // crops, and of that the crop v % crops, as in the protocol
    of the video papers (5 clips x 3 crops in VideoMAE).

    Args:
        processor: a VideoMAEImageProcessor, or one like it.
        frames: how many the model takes.
        clips: views that differ in their frames.
        crops: views that differ in their square: along the longer side, from one end to the other.
    """

    def __init__(self, processor: Any, frames: int, clips: int = 1, crops: int = 1) -> None:
        self.processor, self.frames, self.clips, self.crops = processor, frames, clips, crops

    @property
    def views(self) -> int:
        """Inputs of one video."""
        return self.clips * self.crops

    def __call__(self, file: Any, chance: Chance, view: int = 0) -> dict[str, Tensor]:
        clip, crop = divmod(view, self.crops)
        place = (clip + 0.5) / self.clips if chance is None else float(chance.random())
        pictures = read_clip(file, self.frames, place)
        if chance is not None:
            pictures = random_square(pictures, chance)
        elif self.crops > 1:
            pictures = square(pictures, crop / (self.crops - 1))
        return {"pixel_values": processed(self.processor, list(pictures))["pixel_values"][0]}


def square(pictures: np.ndarray, place: float) -> np.ndarray:
    """The largest square, (frames, side, side, 3); `place` runs from 0 to 1 along the longer side."""
    height, width = pictures.shape[1:3]
    side = min(height, width)
    top, left = round(place * (height - side)), round(place * (width - side))
    return pictures[:, top : top + side, left : left + side]


def random_square(pictures: np.ndarray, chance: np.random.Generator) -> np.ndarray:
    """A square of 80 to 100 % of the shorter side, anywhere; the same in every frame. Nothing is mirrored."""
    height, width = pictures.shape[1:3]
    side = max(1, round(min(height, width) * chance.uniform(0.8, 1)))
    top, left = int(chance.integers(height - side + 1)), int(chance.integers(width - side + 1))
    return pictures[:, top : top + side, left : left + side]
