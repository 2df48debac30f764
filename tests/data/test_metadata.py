"""What a metadata file says of the media in its folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from own_data import BY_MODALITY, labelled, saved

from hf_tome import ToMeValueError
from hf_tome.data.classifier import load_classifier
from hf_tome.data.folder import files_below
from hf_tome.data.metadata import described, metadata_in
from hf_tome.data.samples import samples_of, samples_with_texts


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With two files."""
    for name in ("a.png", "b c.png"):
        (tmp_path / name).write_bytes(b"")
    return tmp_path


def said(folder: Path, column: str | None = None) -> dict[str, object]:
    table = metadata_in(folder)
    assert table is not None
    found = described(table, folder, column, ["text", "caption"])
    assert found is not None
    return {path.name: label for path, label in zip(*found, strict=True)}


def test_rows_of_one_file_and_lists_are_several_texts(folder: Path) -> None:
    text = 'file_name,caption,label\na.png,"one, two",x\nb c.png,"a\nb",y\na.png,three,z\n'
    (folder / "metadata.csv").write_text(text, encoding="utf-8-sig")  # as spreadsheets write it
    assert said(folder) == {"a.png": ("one, two", "three"), "b c.png": ("a\nb",)}
    assert said(folder, "label") == {"a.png": ("x", "z"), "b c.png": ("y",)}
    (folder / "metadata.csv").unlink()
    rows = [{"file_name": "a.png", "text": ["é", "猫"]}, {"file_name": "b c.png", "text": "no"}]
    (folder / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    assert said(folder) == {"a.png": ("é", "猫"), "b c.png": ("no",)}


@pytest.mark.parametrize(
    "text",
    [
        'file_name,text\r\na.png,x\r\nb c.png,"y, z"\r\n',
        "\ufefffile_name;text\na.png;x\nb c.png;y, z\n",
        "file_name\ttext\n./a.png\tx\nb c.png\ty, z\n",
        'file_name, text\na.png, x\n.\\b c.png, "y, z"\n',
    ],
    ids=["CRLF", "semicolons", "tabs", "blanks and backslashes"],
)
def test_tables_as_spreadsheets_and_windows_write_them(text: str, folder: Path) -> None:
    (folder / "metadata.csv").write_bytes(text.encode())
    assert said(folder) == {"a.png": ("x",), "b c.png": ("y, z",)}


@pytest.mark.parametrize(
    ("text", "got"),
    [
        ("file_name,about\na.png,x\n", "file_name, about"),
        ("caption\nx\n", "columns caption"),
        ("file_name,caption\nno.png,x\n", r"no\.png, which is not there"),
        ("", "without such rows"),
        ("\xff", "metadata"),
    ],
)
def test_what_is_no_metadata_is_refused(text: str, got: str, folder: Path) -> None:
    (folder / "metadata.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(ToMeValueError, match=got):
        said(folder)


def test_labels_and_texts_of_a_folder_of_images(tmp_path: Path) -> None:
    classifier = load_classifier(str(saved(BY_MODALITY["image"], tmp_path / "model")))
    data = labelled(BY_MODALITY["image"], tmp_path / "data", 4, lambda number: "all")
    names = [path.relative_to(data).as_posix() for path in sorted(files_below(data, "image"))]
    rows = "".join(f"{name},class {place},a {place}\n" for place, name in enumerate(names))
    (data / "metadata.csv").write_text(f"file_name,kind,text\n{rows}")
    samples = samples_of(data, classifier, label_column="kind")
    assert [samples.path(number) for number in range(4)] == [names[place] for place in samples.labels]  # pyright: ignore
    texts = samples_with_texts(data, classifier, limit=3)
    assert [texts.said[number] for number in range(3)] == [(f"a {names.index(texts.path(n))}",) for n in range(3)]
    (data / "metadata.csv").write_text(f"file_name,text\n{names[0]}, \n")
    with pytest.raises(ToMeValueError, match=r"none for all/0\.png"):
        samples_with_texts(data, classifier)
