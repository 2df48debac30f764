"""The paper's comparisons on one model and data, each choice at equal multiply-adds: Markdown, JSON and a plot.

    python -m benchmarks.study                                  # the embedded ViT; --modality audio or video
    python -m benchmarks.study --model NAME --data FOLDER       # your own; subfolders named as the classes give labels
    python -m benchmarks.study --tables metric,distance --limit 200

What is finished is kept in the folder `--out`: the same call goes on from there. The tables `matching` and `method`
need eager attention, because some of their choices read its weights; then all choices run with it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from transformers.utils import logging

from benchmarks.study.page import page, write
from benchmarks.study.run import study
from benchmarks.study.tables import NAMES, READ_ATTENTION
from hf_tome.data.subject import embedded_subject, own_subject
from hf_tome.errors import ToMeError, ToMeValueError, complaint
from hf_tome.measure.output import open_folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--modality", help="image, audio or video: the embedded model (default: image)")
    parser.add_argument("--model", help="hub name or folder of a classifier with its processor")
    parser.add_argument("--data", help="folder, or data set of the hub; subfolders named as the classes give labels")
    parser.add_argument("--r", type=int, help="tokens merged per layer (default: half of the multiply-adds go)")
    parser.add_argument("--tables", help=f"some of {','.join(NAMES)} (default: all)")
    parser.add_argument("--batch", type=int, help="inputs per batch (default: 32 images, 4 sounds, 2 clips)")
    parser.add_argument("--split", help="split of the data, or subfolder (default: test or validation)")
    parser.add_argument("--label-column", help="column of the classes (default: by its type)")
    parser.add_argument("--limit", type=int, help="use at most so many samples")
    parser.add_argument("--out", type=Path, default=Path("hf-tome-study"), help="folder for study.md, .json and .png")
    options = parser.parse_args()
    try:
        run(options)
    except ToMeError as error:
        sys.exit(f"Error: {error}")


def run(options: argparse.Namespace) -> None:
    """Print the page, and write it."""
    if options.modality and (options.model or options.data):
        rule = "--modality names an embedded model, which brings its own data."
        got = f"--modality {options.modality} beside a model or data"
        raise ToMeValueError(complaint(rule, got, "Leave one of them out."))
    logging.disable_progress_bar()
    open_folder(options.out, "study.md")
    only = [name.strip() for name in options.tables.split(",")] if options.tables else NAMES
    told = options.limit, "eager" if set(only) & set(READ_ATTENTION) else None
    if options.model or options.data:
        choice = {"split": options.split, "label_column": options.label_column}
        subject = own_subject(options.model, options.data, *told, **choice)
    else:
        subject = embedded_subject(options.modality or "image", *told)
    store = options.out / "study.sqlite"
    found = study(subject, r=options.r, only=only, batch_size=options.batch, store=store)
    print(page(found))
    write(found, options.out)
    print(f"Written: {options.out}/study.md, study.json and study.png")


if __name__ == "__main__":
    main()
