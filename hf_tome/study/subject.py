"""What a study runs on: an embedded model with its test data, or the user's own."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hf_tome.classifier import Classifier, load_classifier
from hf_tome.embedded import AST, CLIPS, SOUNDS, VIDEOMAE, VIT, embedded_images
from hf_tome.errors import ToMeValueError, complaint
from hf_tome.report.samples import Samples, samples_of

FOLDERS = {"audio": (AST, SOUNDS, "44 sounds"), "video": (VIDEOMAE, CLIPS, "40 clips")}


@dataclass(frozen=True)
class Subject:
    """A classifier, and what it is evaluated on.

    Attributes:
        name: of the model, for people.
        classifier: the model with its processor.
        samples: the data.
    """

    name: str
    classifier: Classifier
    samples: Samples


def embedded_subject(modality: str = "image", limit: int | None = None, attention: str | None = None) -> Subject:
    """The embedded model of a modality, with some attention implementation, on the test data that comes with it.

    Raises:
        ToMeValueError: if there is no such modality.
        MissingExtraError: without the extra that reads the sounds or clips.
    """
    names = {"image": "embedded ViT", "audio": "embedded AST", "video": "embedded VideoMAE"}
    if modality not in names:
        rule = f"There is an embedded model for each modality: {', '.join(names)}."
        raise ToMeValueError(complaint(rule, modality, "Choose one of them."))
    if modality == "image":
        images, labels = embedded_images()
        images, labels = images[:limit], labels[:limit]
        samples = Samples(
            name="Fashion-MNIST",
            source="Fashion-MNIST",
            split="test",
            fingerprint=f"embedded {len(images)}",
            read=images.__getitem__,
            labels=labels,
            count=len(images),
        )
        return Subject(names[modality], load_classifier(VIT, attention), samples)
    model, data, name = FOLDERS[modality]
    classifier = load_classifier(model, attention)
    return Subject(names[modality], classifier, replace(samples_of(data, classifier, limit=limit), name=name))


def own_subject(model: str | None, data: str | None, limit: int | None = None, attention: str | None = None) -> Subject:
    """The user's own classifier on the user's own data; see `samples_of`.

    Raises:
        ToMeValueError: if one of the two is missing, or cannot be loaded.
        UnsupportedModelError: if the model cannot be merged.
    """
    if model is None or data is None:
        rule = "--model and --data belong together: the model's classes must fit the data."
        got = f"--model {model}" if model else f"--data {data}"
        raise ToMeValueError(complaint(rule, got, "Give both, or neither for the embedded model."))
    classifier = load_classifier(model, attention)
    return Subject(model, classifier, samples_of(data, classifier, limit=limit))
