"""What models are asked to do, and how well each variant does it: one file a task."""

from __future__ import annotations

from typing import Any

from hf_tome.data.classifier import Classifier
from hf_tome.data.encoder import Encoder
from hf_tome.data.image_text import ImageText
from hf_tome.data.samples import Samples
from hf_tome.data.transcriber import Transcriber
from hf_tome.errors import ToMeTypeError, complaint
from hf_tome.measure.tasks.classification import Classification
from hf_tome.measure.tasks.retrieval import Retrieval
from hf_tome.measure.tasks.task import Task
from hf_tome.measure.tasks.transcription import Transcription

TASKS: dict[type[Encoder], type[Task]] = {
    Classifier: Classification,
    ImageText: Retrieval,
    Transcriber: Transcription,
}


def task_of(encoder: Encoder, data: Any, **options: Any) -> Task:
    """The task that a model is for, on `Samples` or on a data set, of which `options` are those of `samples_of`.

    Raises:
        ToMeError: if there is no task for such a model, or the data do not fit it.
    """
    task = next((task for kind, task in TASKS.items() if isinstance(encoder, kind)), None)
    if task is None:
        rule = f"A model is evaluated as one of {', '.join(kind.__name__ for kind in TASKS)}."
        raise ToMeTypeError(complaint(rule, type(encoder).__name__, "Load it as one of these."))
    return task(encoder, data if isinstance(data, Samples) else task.find(data, encoder, **options))


__all__ = ["TASKS", "Classification", "Retrieval", "Task", "Transcription", "task_of"]
