"""What a model merges in one file, as a picture, an animation or a page: what `hf-tome show` writes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from hf_tome.api import merged
from hf_tome.data.classifier import Classifier, load_classifier
from hf_tome.data.embedded import AST, VIDEOMAE, VIT
from hf_tome.data.encoder import fitting
from hf_tome.data.folder import NAMES, SUFFIXES
from hf_tome.errors import ToMeValueError, complaint
from hf_tome.measure.output import check_out, writing
from hf_tome.measure.variants import even_steps, setting_of
from hf_tome.show import animation
from hf_tome.show.explorer import explorer
from hf_tome.show.figures import as_picture
from hf_tome.show.pictures import film_strips
from hf_tome.show.scene import Scene, scenes_of_inputs
from hf_tome.show.spectrogram import MelAxes, sound_groups
from hf_tome.trace import Trace, trace_tome

AXES = {"image": (-2, -1), "audio": (-1, -2), "video": (-4, -2, -1)}  # of the main input that patches lie on
WORDS = {"image": ("height", "width"), "audio": ("frequency", "time"), "video": ("time", "height", "width")}
EMBEDDED = {"image": VIT, "audio": AST, "video": VIDEOMAE}  # the models inside the package, by modality


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
    def kind(self) -> str:
        """ "image", "video" or "audio"."""
        return self.classifier.modality

    @property
    def scene(self) -> Scene:
        """The medium as the model saw it, with its groups."""
        return scenes_of_inputs(self.pixels, self.classifier.processor, self.trace)[0]

    @property
    def summary(self) -> str:
        """Prediction, model and tokens in one line."""
        counts = self.trace.token_counts
        tokens = f"{counts[0]} tokens, {counts[-1]} left after {len(counts) - 1} layers"
        return f"{self.label} ({self.confidence:.0%}) by {self.classifier.name}, {tokens}"


def kind_of(path: Path) -> str:
    """ "image", "video" or "audio", by the file's name; a GIF is a video if it moves.

    Raises:
        ToMeValueError: if the file is not there, or its name is of none of these.
    """
    suffix = path.suffix.lower()
    kinds = [kind for kind, suffixes in SUFFIXES.items() if suffix in suffixes]
    if not kinds or not path.is_file():
        known = sorted(set().union(*SUFFIXES.values()))
        rule = f"The input is a file with an image, a sound or a video ({', '.join(known)})."
        got = f"{path}" if path.exists() else f"{path}, which does not exist"
        raise ToMeValueError(complaint(rule, got, "Convert other files to one of these."))
    if suffix == ".gif":
        return "video" if _moves(path) else "image"
    return kinds[0]


def _moves(path: Path) -> bool:
    try:
        with Image.open(path) as file:
            return getattr(file, "n_frames", 1) > 1
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return False  # read_image says what is wrong with it


def classifier_for(kind: str, model: str | None) -> Classifier:
    """The user's model, or the one inside the package.

    Raises:
        ToMeValueError: if the model takes media of another kind, or cannot be loaded.
    """
    classifier = load_classifier(model or EMBEDDED[kind])
    if classifier.modality != kind:
        rule = f"The model must take {NAMES[kind]}, as the input is."
        got = f"{model}, which takes {NAMES[classifier.modality]}"
        raise ToMeValueError(complaint(rule, got, "Give another --model, or another input."))
    return classifier


def look(classifier: Classifier, medium: Any, r: Any = None, name: str = "input") -> Look:
    """Run the model with merging on one medium. It is left as it was before.

    Args:
        classifier: the model with its processor.
        medium: as its `read` gives it.
        r: as of `apply_tome`. All other settings, and r by default, are those that the model was saved with; without
            such, r is three fifths of what would merge all tokens away.
        name: of the medium, for people.

    Raises:
        ToMeTypeError, ToMeValueError: if r is no schedule for this model, there is nothing to see or hear, or
            its tokens are no patches on a picture.
    """
    _check_content(medium, name)
    inputs = classifier.inputs([medium])
    saved = classifier.saved
    if r is None:
        r = saved if saved and saved.merges else even_steps(classifier, inputs, 4)[-2:][0]
    model: Any = classifier.model
    with fitting(model), merged(model, config=setting_of(r, saved)), torch.inference_mode(), trace_tome(model) as trace:
        logits = model(**inputs).logits[0].float()
    _check_patches(trace, classifier)
    several = model.config.problem_type == "multi_label_classification"
    confidence, best = (logits.sigmoid() if several else logits.softmax(0)).max(0)
    label = str(model.config.id2label[int(best)])
    return Look(name, medium, classifier, next(iter(inputs.values())), trace, label, float(confidence))


def _check_content(medium: Any, name: str) -> None:
    """Refuse silence and pictures of one colour: of equal patches, no group tells anything."""
    values = np.asarray(medium)
    values = values[..., None] if values.ndim == 2 else values  # a grey picture
    flat = values if values.ndim == 1 else values.reshape(-1, values.shape[-1])  # (samples,) or (pixels, 3)
    if (flat == flat[:1]).all():
        what = "silence" if values.ndim == 1 else f"one colour in all of its {len(flat)} pixels"
        rule = "There must be something to see or hear in the input."
        raise ToMeValueError(complaint(rule, f"{name}, which is {what}", "Give another file."))


def _check_patches(trace: Trace, classifier: Classifier) -> None:
    """Refuse tokens that cannot be drawn on the input.

    Raises:
        ToMeValueError: if they are no patches of an image or a spectrogram, or of frames one after the other.
    """
    axes = trace.last.patches.axes
    if len(axes) != len(AXES[classifier.modality]) or (classifier.modality == "video" and axes != AXES["video"]):
        rule = f"A picture shows tokens that are patches on {', '.join(WORDS[classifier.modality])}."
        config: Any = classifier.model.config
        got = f"a {config.model_type} model, whose tokens make the grid {trace.grid} in another order or on other axes"
        raise ToMeValueError(complaint(rule, got, "trace_tome(model) tells its groups without a picture."))


def forms_of(kind: str) -> tuple[str, ...]:
    """Suffixes of the files that `write` can write for a medium of this kind."""
    stills = sorted(SUFFIXES["image"] - {".gif", ".avif"})  # which not every pillow can write
    return (*stills, ".html", *(animation.SUFFIXES if kind == "video" else ()))


def write(found: Look, out: Path, layers: int | None = None, fps: float = 8.0) -> None:
    """Write what was found, in the form that the name of the file says.

    Args:
        found: what was seen.
        out: .png or another image: the input and its groups; .html: a page for all layers; .gif or .mp4: a clip.
        layers: after how many layers; default all.
        fps: frames per second of an animation.

    Raises:
        ToMeValueError: if it cannot be written, or there is no such layer.
        MissingExtraError: without the extra that a form needs.
    """
    check_out(out, forms_of(found.kind))
    with writing(out):
        if out.suffix.lower() == ".html":
            sound = found.kind == "audio"
            axes, wave = (MelAxes.of(found.classifier.processor), found.medium) if sound else (None, None)
            out.write_text(explorer(found.scene, found.name, found.summary, axes, wave), encoding="utf-8")
        elif out.suffix.lower() in animation.SUFFIXES:
            animation.save_animation(list(map(Image.fromarray, found.scene.beside(layers))), out, fps)
        else:
            picture_of(found, layers).save(out)


def picture_of(found: Look, layers: int | None = None) -> Image.Image:
    """The input and its groups: an image at its side, a clip as a strip, a sound with its waveform and axes."""
    if found.kind == "audio":
        processor = found.classifier.processor
        return as_picture(sound_groups(found.pixels, found.trace, processor, [found.medium], layers)[0])
    if found.kind == "video":
        return film_strips([found.scene.pixels], found.trace, layers)[0]
    return Image.fromarray(found.scene.beside(layers))
