"""What is known of media before they are read: names, a fingerprint, and rows that say no label."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import datasets
import numpy as np
import pytest
import torch
from PIL import Image

from hf_tome import ToMeError
from hf_tome.data.image import read_image
from hf_tome.data.media import PIECE, Media, media_in
from hf_tome.data.splits import Choice


@pytest.mark.parametrize("place", [0, PIECE * 2, PIECE * 4 - 1])
def test_another_content_is_another_fingerprint(tmp_path: Path, place: int) -> None:
    """Name, size and time are the same."""
    path, content = tmp_path / "a.wav", bytearray(PIECE * 4)
    path.write_bytes(content)
    os.utime(path, (1, 1))
    before = [Media([path], [()]).fingerprint, rows_of(path).fingerprint]
    assert before == [Media([path], [()]).fingerprint, rows_of(path).fingerprint]
    content[place] = 1
    path.write_bytes(content)
    os.utime(path, (1, 1))
    after = [Media([path], [()]).fingerprint, rows_of(path).fingerprint]
    assert all(one != other for one, other in zip(before, after, strict=True))


def rows_of(path: Path) -> Media:
    """A data set that names a file."""
    rows = datasets.Dataset.from_dict({"sound": [str(path)], "label": ["a"]}).cast_column("sound", datasets.Audio())
    return media_in(rows, "audio", Choice())


def test_a_file_that_cannot_be_read_is_told_by_its_reader(tmp_path: Path) -> None:
    assert Media([tmp_path / "no.png"], [()]).fingerprint == [["no.png"]]


def labelled(labels: list[Any], kind: Any) -> datasets.Dataset:
    pictures = [Image.fromarray(np.full((4, 4, 3), number, np.uint8)) for number in range(len(labels))]
    features = datasets.Features({"image": datasets.Image(), "label": kind})
    return datasets.Dataset.from_dict({"image": pictures, "label": labels}, features=features)


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        ([0, None, 1], datasets.ClassLabel(names=["a", "b"])),
        ([0, -1, 1], datasets.ClassLabel(names=["a", "b"])),  # as the test splits of the hub have it
        (["a", None, "b"], datasets.Value("string")),
        ([["a"], None, ["b"]], datasets.List(datasets.Value("string"))),
    ],
)
def test_rows_without_a_label_are_told_or_left_out(labels: list[Any], kind: Any) -> None:
    rows = labelled(labels, kind)
    with pytest.raises(ToMeError, match=r"Every row has a label. Got: none for 1; 1 of 3 .*skip_bad_files"):
        media_in(rows, "image", Choice())
    with pytest.warns(UserWarning, match="1 of 3 rows have no label and are left out"):
        media = media_in(rows, "image", Choice(skip_bad_files=True))
    assert media.labels == [("a",), ("b",)]
    assert [media.path(number) for number in range(2)] == ["0", "2"]
    assert media.fingerprint != media_in(rows.select([0, 1]).select([0]), "image", Choice()).fingerprint
    nothing = rows.map(lambda row: {"label": None}, features=rows.features)
    assert media_in(nothing, "image", Choice()).labels == []


def test_a_metadata_file_that_says_nothing_of_a_file(tmp_path: Path) -> None:
    for name in "ab":
        Image.new("RGB", (4, 4)).save(tmp_path / f"{name}.png")
    (tmp_path / "metadata.csv").write_text("file_name,label\na.png,cat\nb.png,\n")
    with pytest.raises(ToMeError, match=r"none for b\.png"):
        media_in(tmp_path, "image", Choice())
    with pytest.warns(UserWarning, match="1 of 2"):
        assert media_in(tmp_path, "image", Choice(skip_bad_files=True)).labels == [("cat",)]


def test_numbers_of_a_csv_file_are_numbers(tmp_path: Path) -> None:
    for name in "ab":
        Image.new("RGB", (4, 4)).save(tmp_path / f"{name}.png")
    (tmp_path / "metadata.csv").write_text("file_name,label,text\na.png,3,7\nb.png,0,8\n")
    assert sorted(media_in(tmp_path, "image", Choice()).labels) == [(0,), (3,)]
    assert sorted(media_in(tmp_path, "image", Choice(), texts=True).labels) == [("7",), ("8",)]


@pytest.mark.parametrize("kind", ["int8", "float32"])
def test_labels_that_say_0_or_1_of_each_class(kind: str, tmp_path: Path) -> None:
    values = [[0, 1, 1], [0, 0, 0], [1, 0, 0]]
    found = media_in(labelled(values, datasets.List(datasets.Value(kind))), "image", Choice())
    assert (found.labels, found.names) == ([(1, 2), (), (0,)], ["0", "1", "2"])
    lists = media_in(labelled([[0, 1], [2, 0]], datasets.List(datasets.Value("int8"))), "image", Choice())
    assert (lists.labels, lists.names) == ([(0, 1), (2, 0)], [])
    rows = [{"file_name": f"{number}.png", "labels": value} for number, value in enumerate(values)]
    for row in rows:
        Image.new("RGB", (4, 4)).save(tmp_path / row["file_name"])
    (tmp_path / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert sorted(media_in(tmp_path, "image", Choice()).labels) == [(), (0,), (1, 2)]


def test_rows_that_hold_bytes_or_an_address(tmp_path: Path) -> None:
    """As a stream of the files of a data set has them, which are not Parquet."""
    Image.new("RGB", (4, 4), (7, 8, 9)).save(tmp_path / "a.png")
    content, archive = (tmp_path / "a.png").read_bytes(), tmp_path / "a.zip"
    with ZipFile(archive, "w") as file:
        file.write(tmp_path / "a.png", "a.png")
    stored = [{"bytes": None, "path": f"zip://{name}::{archive}"} for name in ("a.png", "no.png")]
    rows = datasets.Dataset.from_dict({"image": stored}).cast_column("image", datasets.Image(decode=False))
    media = media_in(rows.to_iterable_dataset(), "image", Choice())
    of_bytes = media_in(datasets.Dataset.from_dict({"x": [content]}), "image", Choice(media_column="x"))
    for files in (media.files, of_bytes.files):
        assert read_image(files[0]).getpixel((0, 0)) == (7, 8, 9)
    with pytest.raises(ToMeError, match=r"no\.png"):
        media.files[1]


def test_a_transform_gives_the_medium_or_the_inputs_of_a_model() -> None:
    rows = labelled(["a", "b"], datasets.Value("string"))
    nine = rows.with_transform(lambda batch: {"image": [each.point(lambda _: 9) for each in batch["image"]]})
    darker = media_in(nine, "image", Choice())
    assert darker.labels == [("a",), ("b",)]
    assert np.asarray(darker.files[1]).tolist() == [[[9] * 3] * 4] * 4
    assert darker.fingerprint != media_in(rows, "image", Choice()).fingerprint
    given = rows.with_transform(lambda batch: {"pixel_values": [np.ones((3, 2, 2))] * len(batch["image"]), **batch})
    (values,) = media_in(given, "image", Choice(limit=1)).files[0].values()
    assert (values.dtype, values.shape) == (torch.float32, (3, 2, 2))


@pytest.mark.parametrize(
    ("transform", "said"),
    [
        (lambda batch: {"x": [0]}, "Got: the columns x"),
        (lambda batch: {"image": batch["no"]}, "row 0, where it fails .KeyError"),
        (lambda batch: {"image": [np.ones((4, 4))]}, "a decoded ndarray"),
    ],
)
def test_a_transform_that_gives_no_medium(transform: Callable[[Any], Any], said: str) -> None:
    rows = labelled(["a", "b"], datasets.Value("string")).with_transform(transform)
    with pytest.raises(ToMeError, match=said):
        read_image(media_in(rows, "image", Choice()).files[0])
