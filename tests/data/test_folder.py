"""Which files of a folder are read, their order and their labels."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hf_tome import ToMeValueError
from hf_tome.data.folder import files_below, folder_names
from hf_tome.data.labels import Classes
from hf_tome.data.media import Media

CLASSES = {"T-shirt/top": 0, "Ankle boot": 1}


def classes_of(files: list[Path], folder: Path, classes: dict[str, int]) -> list[tuple[int, ...]]:
    return Classes(classes.items()).numbers(folder_names(files, folder), optional=True)


def fill(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def test_the_modality_decides_by_the_suffix(tmp_path: Path) -> None:
    fill(tmp_path, "a.png", "b.WAV", "c/d.mp4", "c/e.gif", "c/notes.txt", "c/.hidden.png", "f.mp3")
    (tmp_path / "folder.png").mkdir()
    names = {kind: sorted(path.name for path in files_below(tmp_path, kind)) for kind in ("image", "audio", "video")}
    assert names == {"image": ["a.png", "e.gif"], "audio": ["b.WAV", "f.mp3"], "video": ["d.mp4", "e.gif"]}


def test_the_order_mixes_and_stays(tmp_path: Path) -> None:
    fill(tmp_path, *(f"{kind}/{number}.png" for kind in "ab" for number in range(20)))
    files = files_below(tmp_path, "image")
    assert files == files_below(tmp_path, "image")
    assert files != sorted(files)
    assert {path.parent.name for path in files[:10]} == {"a", "b"}


def test_linked_folders_count_and_hidden_ones_do_not(tmp_path: Path) -> None:
    data = fill(tmp_path / "data", "cat/0.png", "cat/.ipynb_checkpoints/0.png", "__MACOSX/0.png", ".cache/0.png")
    fill(tmp_path, "elsewhere/1.png")
    os.symlink(tmp_path / "elsewhere", data / "dog")
    os.symlink(data, data / "cat" / "loop")
    os.symlink(data / "cat" / "0.png", data / "dog" / "2.png")
    files = sorted(files_below(data, "image"))
    assert [str(path.relative_to(data)) for path in files] == ["cat/0.png", "dog/1.png", "dog/2.png"]
    assert classes_of(files, data, {"dog": 0, "cat": 1}) == [(1,), (0,), (0,)]


def test_what_is_left_out_is_told(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    fill(tmp_path, "cat/a.JPG", "cat/a.txt", "cat/._a.jpg", "README.md")
    os.symlink(tmp_path / "nowhere.png", tmp_path / "cat" / "b.png")  # as git-annex has it: its reader names it
    assert sorted(path.name for path in files_below(tmp_path, "image")) == ["a.JPG", "b.png"]
    assert not recwarn
    fill(tmp_path, "dog/a.heic", "dog/b.heic", "cat/c.svg").joinpath("cow").mkdir()
    with pytest.warns(UserWarning, match="Not all of .* can be read") as told:
        files_below(tmp_path, "image")
    assert all(word in str(told[0].message) for word in ("2 .heic", "1 .svg", "no images in cow", "no images in dog"))


def test_names_that_are_no_text_can_be_written_down(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    (fill(folder, "a.png") / "a.png").rename(folder / os.fsdecode(b"\xff.png"))
    (file,) = files_below(tmp_path, "image")
    assert folder_names([file], tmp_path) == ["caf\ufffd"]
    assert Media([file], [()], (), tmp_path).path(0) == "caf\ufffd/\ufffd.png"


def test_labels_are_the_names_of_the_subfolders(tmp_path: Path) -> None:
    fill(tmp_path, "t-shirt_top/a.png", "Ankle Boot/b.png", "Ankle Boot/c.png")
    files = sorted(files_below(tmp_path, "image"))
    assert classes_of(files, tmp_path, CLASSES) == [(1,), (1,), (0,)]
    assert classes_of(files, tmp_path, {"cat": 0, "dog": 1}) == []
    fill(tmp_path, "Ankle boot+T-shirt_top/d.png")
    assert classes_of(sorted(files_below(tmp_path, "image")), tmp_path, CLASSES)[2] == (0, 1)


def test_a_file_outside_of_the_class_folders_is_told(tmp_path: Path) -> None:
    fill(tmp_path, "Ankle boot/a.png", "c.png")
    with pytest.raises(ToMeValueError, match="no class for no folder"):
        classes_of(files_below(tmp_path, "image"), tmp_path, CLASSES)


def test_a_folder_without_such_files_is_refused_and_described(tmp_path: Path) -> None:
    fill(tmp_path, "a.png", "b.wav", "c.wav", "d.txt")
    with pytest.raises(ToMeValueError, match=r"a folder with clips .*1 images, 2 sounds"):
        files_below(tmp_path, "video")
    with pytest.raises(ToMeValueError, match="0 files of other kinds"):
        files_below(fill(tmp_path, "empty/.hidden.png") / "empty", "image")
    for name in ("nowhere", "a.png"):
        with pytest.raises(ToMeValueError, match="which is no folder"):
            files_below(tmp_path / name, "image")
