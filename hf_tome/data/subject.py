"""A classifier with data to try it on: an embedded model with its own test data, or the user's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from hf_tome.data.classifier import Classifier, load_classifier
from hf_tome.data.embedded import AST, CLIPS, SOUNDS, VIDEOMAE, VIT, embedded_images
from hf_tome.data.folder import NAMES
from hf_tome.data.samples import Samples, samples_of
from hf_tome.errors import ToMeValueError, complaint

EMBEDDED = {  # name and folder of the model, name and folder of its data
    "image": ("embedded ViT", VIT, "Fashion-MNIST", None),
    "audio": ("embedded AST", AST, "drum sounds", SOUNDS),
    "video": ("embedded VideoMAE", VIDEOMAE, "moving pictures", CLIPS),
}


@dataclass(frozen=True)
class Subject:
    """A classifier, and what it is tried on.

    Attributes:
        name: what reports call the model.
        classifier: the model with its processor.
        samples: pictures, sounds or clips, with labels or without.
    """

    name: str
    classifier: Classifier
    samples: Samples

    @property
    def model(self) -> nn.Module:
        return self.classifier.model

    @property
    def media(self) -> str:
        """What the samples are called: "images", "sounds" or "clips"."""
        return NAMES[self.classifier.modality]

    def inputs(self, count: int) -> dict[str, Tensor]:
        """The model's inputs for the first samples."""
        return self.classifier.inputs([self.samples.read(number) for number in range(min(count, self.samples.count))])


def embedded_subject(modality: str = "image", limit: int | None = None, attention: str | None = None) -> Subject:
    """The embedded model of a modality on the test data that comes with it.

    Args:
        modality: "image" (Fashion-MNIST), "audio" (drum sounds) or "video" (moving pictures).
        limit: use at most so many samples.
        attention: attention implementation; None for the usual one.

    Raises:
        ToMeValueError: if there is no such modality.
        MissingExtraError: without the extra that reads the sounds or clips.
    """
    if modality not in EMBEDDED:
        rule = f"There is an embedded model for each modality: {', '.join(EMBEDDED)}."
        raise ToMeValueError(complaint(rule, modality, "Choose one of them."))
    name, model, data, folder = EMBEDDED[modality]
    classifier = load_classifier(model, attention)
    if folder is not None:
        return Subject(name, classifier, replace(samples_of(folder, classifier, limit=limit), name=data))
    images, labels = embedded_images()
    count = len(labels[:limit])
    samples = Samples(data, data, "test", f"embedded {count}", images.__getitem__, labels[:limit], count)
    return Subject(name, classifier, samples)


def own_subject(
    model: str | None,
    data: str | Path | None,
    limit: int | Mapping[str, int] | None = None,
    attention: str | None = None,
    **choice: Any,
) -> Subject:
    """The user's own classifier on the user's own data.

    Args:
        model: name on the hub, or folder.
        data: as `samples_of`.
        limit: use at most so many samples; or so many of each modality.
        attention: attention implementation; None for the usual one.
        choice: what else is taken of the data, see `Choice`.

    Raises:
        ToMeValueError: if one of the two is missing, or cannot be loaded.
        UnsupportedModelError: if the model cannot be merged.
    """
    if model is None or data is None:
        rule = "--model and --data belong together: the model's classes must fit the data."
        got = f"--model {model}" if model else f"--data {data}"
        raise ToMeValueError(complaint(rule, got, "Give both, or neither for the embedded model."))
    classifier = load_classifier(model, attention)
    most = limit[classifier.modality] if isinstance(limit, Mapping) else limit
    return Subject(model, classifier, samples_of(data, classifier, limit=most, **choice))
