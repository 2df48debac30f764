"""What a model merges in one file, as a picture, an animation or a page: what `hf-tome show` writes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from hf_tome.api import apply_tome, remove_tome
from hf_tome.data import clip, image, sound
from hf_tome.data.classifier import Classifier, load_classifier
from hf_tome.data.embedded import AST, VIDEOMAE, VIT
from hf_tome.data.folder import NAMES
from hf_tome.errors import ToMeValueError, complaint
from hf_tome.measure.variants import even_steps
from hf_tome.show.animation import save_animation
from hf_tome.show.image import image_groups
from hf_tome.show.mel import MelAxes
from hf_tome.show.page import page
from hf_tome.show.scene import Scene, scenes
from hf_tome.show.seen import seen
from hf_tome.show.sound import sound_groups
from hf_tome.show.video import film_strips, video_groups
from hf_tome.trace import Trace, trace_tome

EMBEDDED = {"image": VIT, "audio": AST, "video": VIDEOMAE}  # the models inside the package, by what they see
MOVING = (".gif", ".mp4")
STILL = (".png", ".jpg", ".jpeg", ".webp")


@dataclass(frozen=True)
class Look:
    """One medium, seen by a model that merges.

    Attributes:
        name: of the medium, for people.
        medium: as the classifier's `read` gives it.
        classifier: that saw it.
        pixels: the model's main input, a batch of one.
        trace: of the forward.
        label: the class that it predicts.
        confidence: the probability of that class, by softmax; by sigmoid where several classes may hold.
    """

    name: str
    medium: Any
    classifier: Classifier
    pixels: Tensor
    trace: Trace
    label: str
    confidence: float

    @property
    def scene(self) -> Scene:
        return scenes(self.pixels, self.classifier.processor, self.trace)[0]

    @property
    def summary(self) -> str:
        """Prediction and tokens in one line."""
        counts = self.trace.token_counts
        tokens = f"{counts[0]} tokens, {counts[-1]} left after {len(counts) - 1} layers"
        return f"{self.label} ({self.confidence:.0%}), {tokens}"


def kind_of(path: Path) -> str:
    """ "image", "video" or "audio", by the file's name; a GIF is a video if it moves.

    Raises:
        ToMeValueError: if the file is not there, or its name is of none of these.
    """
    suffix = path.suffix.lower()
    if path.is_file():
        if suffix == ".gif":
            return "video" if _moves(path) else "image"
        for kind, suffixes in (("image", image.SUFFIXES), ("audio", sound.SUFFIXES), ("video", clip.SUFFIXES)):
            if suffix in suffixes:
                return kind
    known = sorted({*image.SUFFIXES, *sound.SUFFIXES, *clip.SUFFIXES})
    rule = f"The input is a file with an image, a sound or a video ({', '.join(known)})."
    got = f"{path}" if path.exists() else f"{path}, which does not exist"
    raise ToMeValueError(complaint(rule, got, "Convert other files to one of these."))


def _moves(path: Path) -> bool:
    try:
        with Image.open(path) as file:
            return getattr(file, "n_frames", 1) > 1
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return False  # read_image says what is wrong with it


def classifier_for(kind: str, model: str | None) -> Classifier:
    """The user's model, checked to see such media, or the one inside the package.

    Raises:
        ToMeValueError: if the model sees other media, cannot be loaded, or none is inside the package.
    """
    if model is None and kind not in EMBEDDED:
        rule = f"For {NAMES[kind]} a model must be given: the package holds none."
        raise ToMeValueError(complaint(rule, "no --model", "Give the hub name or folder of a classifier with --model."))
    found = load_classifier(model or EMBEDDED[kind])
    if found.modality != kind:
        rule = f"The model must take {NAMES[kind]}, as the input is."
        got = f"{model}, which takes {NAMES[found.modality]}"
        raise ToMeValueError(complaint(rule, got, "Give another --model, or another input."))
    return found


def look(classifier: Classifier, medium: Any, r: Any = None, name: str = "input") -> Look:
    """Run the model with merging on one medium. It is left as it was before.

    Args:
        classifier: the model with its processor.
        medium: as its `read` gives it.
        r: as of `apply_tome`; default three fifths of what would merge all tokens away.
        name: what the medium is called.

    Raises:
        ToMeTypeError, ToMeValueError: if r is no schedule for this model, or there is nothing to see or hear.
    """
    check_content(medium, name)
    inputs = classifier.inputs([medium])
    apply_tome(classifier.model, even_steps(classifier, inputs, 4)[-2:][0] if r is None else r)
    try:
        with torch.inference_mode(), trace_tome(classifier.model) as trace:
            logits = classifier.model(**inputs).logits[0].float()
    finally:
        remove_tome(classifier.model)
    config: Any = classifier.model.config
    several = config.problem_type == "multi_label_classification"
    shares = logits.sigmoid() if several else logits.softmax(0)
    best = int(shares.argmax())
    label = str(config.id2label[best])
    return Look(name, medium, classifier, next(iter(inputs.values())), trace, label, float(shares[best]))


def check_content(medium: Any, name: str) -> None:
    """Refuse silence and pictures of one colour: of equal patches, no group tells anything.

    Raises:
        ToMeValueError: if every pixel, or every sample, is the same.
    """
    values = np.asarray(medium)
    flat = values if values.ndim == 1 else values.reshape(-1, values.shape[-1])  # (samples,) or (pixels, 3)
    if (flat == flat[:1]).all():
        what = "silence" if values.ndim == 1 else f"one colour in all of its {len(flat)} pixels"
        rule = "There must be something to see or hear in the input."
        raise ToMeValueError(complaint(rule, f"{name}, which is {what}", "Give another file."))


def check_out(out: Path, kind: str) -> None:
    """Refuse a place where this kind cannot be written, before any work is done.

    Raises:
        ToMeValueError: if the folder does not exist, or the name is of another kind of file.
    """
    allowed = (*STILL, ".html", *(MOVING if kind == "video" else ()))
    if out.suffix.lower() not in allowed or not out.absolute().parent.is_dir():
        rule = f"For {NAMES[kind]}, the output is a file ({', '.join(allowed)}) in a folder that exists."
        raise ToMeValueError(complaint(rule, str(out), "For example -o groups.png."))


def write(found: Look, out: Path, layers: int | None = None, fps: float = 8.0) -> None:
    """Write what was found, in the form that the name of the file says.

    Args:
        found: what was seen.
        out: .png, .jpg or .webp: the input and its groups; .html: a page for all layers; .gif or .mp4: a clip.
        layers: after how many layers; default all.
        fps: frames per second of an animation.

    Raises:
        ToMeValueError: if it cannot be written, or there is no such layer.
        MissingExtraError: without the extra that a form needs.
    """
    kind, suffix = found.classifier.modality, out.suffix.lower()
    check_out(out, kind)
    try:
        if suffix == ".html":
            out.write_text(page_of(found), encoding="utf-8")
        elif suffix in MOVING:
            frames = video_groups(seen(found.pixels, found.classifier.processor), found.trace, layers, beside=True)[0]
            save_animation(frames, out, fps)
        else:
            picture_of(found, layers).save(out)
    except OSError as error:
        rule = "The output must be writable."
        raise ToMeValueError(complaint(rule, f"{out} ({error})", "Choose another place with -o.")) from error


def page_of(found: Look) -> str:
    """A page with a slider over all layers."""
    kind, processor = found.classifier.modality, found.classifier.processor
    axes = MelAxes.of(processor) if kind == "audio" else None
    return page(found.scene, found.name, found.summary, axes, found.medium if kind == "audio" else None)


def picture_of(found: Look, layers: int | None = None) -> Image.Image:
    """The input and its groups: an image at its side, a clip as a strip, a sound with its waveform and axes."""
    kind, processor = found.classifier.modality, found.classifier.processor
    if kind == "audio":
        figure = sound_groups(found.pixels, found.trace, processor, [found.medium], layers)[0]
        return drawn(figure)
    colours = seen(found.pixels, processor)
    if kind == "video":
        return film_strips(colours, found.trace, layers)[0]
    return image_groups(colours, found.trace, layers, beside=True)[0]


def drawn(figure: Any) -> Image.Image:
    """A matplotlib figure as a picture."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
