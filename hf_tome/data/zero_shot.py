"""A classifier for any classes, made of their names: zero-shot classification with CLIP, SigLIP and the like."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers.modeling_outputs import ImageClassifierOutput

from hf_tome.data.classifier import Classifier
from hf_tome.data.image_text import image_embeddings, load_image_text
from hf_tome.errors import ToMeValueError, complaint

if TYPE_CHECKING:
    from jaxtyping import Float

TEMPLATE = "a photo of a {}."
RULE = "The classes are at least two different names."


class ZeroShotModel(nn.Module):
    """Scores of images for classes that are texts: `model` embeds images, `classes` are embeddings of length 1."""

    def __init__(self, model: Any, classes: Float[Tensor, "classes width"], names: Sequence[str]) -> None:
        super().__init__()
        self.model = model
        self.classes = nn.Parameter(classes, requires_grad=False)
        self.config: Any = copy.deepcopy(model.config)
        self.config.update({"id2label": dict(enumerate(names)), "label2id": {n: i for i, n in enumerate(names)}})

    def forward(self, **inputs: Tensor) -> ImageClassifierOutput:
        """`logits` (batch, classes). SigLIP's bias is left out: it is the same for all classes."""
        similarity = image_embeddings(self.model, inputs) @ self.classes.T
        return ImageClassifierOutput(logits=similarity * self.model.logit_scale.exp())  # pyright: ignore


class ZeroShot(Classifier):
    """A classifier whose classes are texts."""

    @property
    def task(self) -> str:
        """As the hub names it."""
        return "zero-shot-image-classification"


def load_zero_shot(
    name: str, labels: Sequence[str], templates: Sequence[str] = (TEMPLATE,), attention: str | None = None
) -> ZeroShot:
    """The model `name` as a classifier for the classes `labels`.

    Args:
        name: a model for images and texts, on the hub or in a folder.
        labels: names of the classes.
        templates: sentences with {} where the name stands. Of several, the mean of the embeddings is taken (CLIP,
            arXiv 2103.00020, section 3.1.4).
        attention: as of `load_classifier`.

    Raises:
        ToMeValueError: if it cannot be loaded, two labels are the same, or a template has no {}.
        UnsupportedModelError: if it cannot be merged, or compares no images with texts.
    """
    if len(set(labels)) < max(2, len(labels)):
        twice = sorted({each for each in labels if list(labels).count(each) > 1})
        raise ToMeValueError(complaint(RULE, f"{', '.join(twice)} twice" if twice else f"{len(labels)}", "Add others."))
    for template in templates:
        if "{}" not in template:
            rule = "A template says with {} where the name of the class stands."
            raise ToMeValueError(complaint(rule, template, f"For example {TEMPLATE!r}."))
    found = load_image_text(name, attention)
    each = [found.embed_texts([template.replace("{}", label) for label in labels]) for template in templates]
    classes = F.normalize(torch.stack(each).mean(0), dim=-1)  # (classes, width)
    return ZeroShot(ZeroShotModel(found.model, classes, labels).eval(), found.processor, found.modality, found.saved)


def read_labels(path: Path) -> list[str]:
    """Names of classes, one a line; empty lines are left out. Raises ToMeValueError if the file cannot be read."""
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        rule = "Labels are a text file with the name of a class in each line."
        raise ToMeValueError(complaint(rule, f"{path} ({error})", "Write one.")) from error
