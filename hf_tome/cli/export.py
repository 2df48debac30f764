"""`hf-tome export`: a merged model in a file for ONNX Runtime, OpenVINO or `torch.export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console

from hf_tome.cli import options

if TYPE_CHECKING:
    from torch import Tensor

    from hf_tome.data.classifier import Classifier

COUNT = 16  # inputs that file and model are compared on; a fourth of them for clips


def export(
    model: Annotated[
        str, typer.Argument(help="Hub name or folder of a classifier; or image, audio or video, for an embedded model.")
    ],
    out: Annotated[Path, typer.Argument(help="The file to write: .onnx, .xml (OpenVINO) or .pt2 (torch).")],
    kind: Annotated[
        Literal["onnx", "openvino", "torch"] | None,
        typer.Option("--format", help="Of the file.", show_default="by its suffix"),
    ] = None,
    r: Annotated[str | None, options.r("what the model was saved with", several=False)] = None,
    data: Annotated[
        str | None, typer.Option(help="Folder of images, sounds or clips to check on.", show_default="noise")
    ] = None,
) -> None:
    """Write a merged classifier to a file that takes any batch size, and check the file against PyTorch."""
    from hf_tome.api import apply_tome
    from hf_tome.export import FORMATS
    from hf_tome.export import export as write
    from hf_tome.measure.output import check_out, writing
    from hf_tome.measure.variants import read_one_r

    kinds = {each.suffix: name for name, each in FORMATS.items()}
    check_out(out, [FORMATS[kind].suffix] if kind else kinds)
    chosen = FORMATS[kind or kinds[out.suffix.lower()]]
    amount = None if r is None else read_one_r(r)
    classifier, inputs, tried_on = _subject(model, data)
    merged: Any = apply_tome(classifier.model, amount)
    with writing(out):
        found = write(merged, inputs, out, kind or kinds[out.suffix.lower()])
    console = Console(highlight=False)
    console.print(f"{out}: {chosen.name}, r={merged.config.tome['r']}, any batch size.", markup=False)
    same = f"largest difference of a logit {found.difference:.1e}, the same class for {found.agreement:.1%}."
    console.print(f"Against PyTorch on {found.inputs} inputs ({tried_on}): {same}")
    name, example = next(iter(inputs.items()))
    shape = ", ".join(["batch", *map(str, example.shape[1:])])
    console.print(chosen.snippet.format(path=out, name=name, shape=f"({shape})"), markup=False, soft_wrap=True)


def _subject(model: str, data: str | None) -> tuple[Classifier, dict[str, Tensor], str]:
    """The classifier, inputs to try it on, and what these are."""
    from hf_tome.data.classifier import load_classifier
    from hf_tome.data.subject import EMBEDDED, embedded_subject, own_subject

    if model in EMBEDDED or data is not None:
        subject = embedded_subject(model, COUNT) if model in EMBEDDED else own_subject(model, data, COUNT)
        classifier = subject.classifier
        return classifier, subject.inputs(_count(classifier)), subject.samples.name
    classifier = load_classifier(model)
    return classifier, classifier.inputs(classifier.noise(_count(classifier))), "noise"


def _count(classifier: Classifier) -> int:
    return COUNT // 4 if classifier.modality == "video" else COUNT
