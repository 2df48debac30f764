"""`hf-tome show` on files of each kind, and its page in the browser."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cases import AST, CLASSIFIERS, VIDEOMAE
from command import Run
from PIL import Image
from recordings import tone, write_clip
from transformers import ASTFeatureExtractor, VideoMAEImageProcessorPil

from hf_tome import ToMeValueError
from hf_tome.data.classifier import Classifier, load_classifier
from hf_tome.data.embedded import VIT, embedded_images
from hf_tome.show import group_map
from hf_tome.show.look import Look, classifier_for, kind_of, look, write


@pytest.fixture(scope="module")
def image() -> Look:
    picture = embedded_images()[0][0]
    return look(load_classifier(VIT), picture, 16, "</script>boot & co")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Look:
    folder = tmp_path_factory.mktemp("clip")
    model = next(case for case in CLASSIFIERS if case.family is VIDEOMAE).build()
    processor = VideoMAEImageProcessorPil(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16})
    classifier = Classifier(model, processor, "video")
    return look(classifier, classifier.read(write_clip(folder / "a.mp4", range(0, 250, 20))), 6, "a.mp4")


@pytest.fixture(scope="module")
def sound() -> Look:
    model = next(case for case in CLASSIFIERS if case.family is AST).build()
    processor = ASTFeatureExtractor(num_mel_bins=16, max_length=32)
    return look(Classifier(model, processor, "audio"), tone(0.3, 16000), 3, "a.wav")


def test_an_image(run: Run, tmp_path: Path) -> None:
    embedded_images()[0][0].save(tmp_path / "boot.png")
    out = run("show", "boot.png", "--r", "16", "--inflection", "-1", "-o", "out.png")
    assert "197 tokens" in out
    assert "Ankle boot" in out
    assert "by embedded ViT (clothes)" in out
    assert Image.open(tmp_path / "out.png").size == (904, 448)


def test_a_clip_and_what_is_refused(run: Run, tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", range(0, 250, 20))
    assert "--r '[8,16]'" in run("show", "a.mp4", "--r", "8,16", code=2)
    assert "r is an int" in run("show", "a.mp4", "--r", "0.1", "--inflection", "-1", code=2)
    assert "The input is a file" in run("show", "missing.png", code=2)
    assert "The output is a file" in run("show", "a.mp4", "-o", "a.txt", code=2)
    out = run("show", "a.mp4", "--r", "[8,16]", "-o", "out.gif")
    assert "512 tokens, 488 left" in out
    assert "How far groups reach in time" in out


@pytest.mark.parametrize("suffix", [".png", ".gif", ".mp4", ".html"])
def test_a_clip_is_written_in_each_form(clip: Look, suffix: str, tmp_path: Path) -> None:
    write(clip, tmp_path / f"out{suffix}", fps=4)
    assert (tmp_path / f"out{suffix}").stat().st_size > 1000


def test_a_sound_is_written_with_its_axes(sound: Look, tmp_path: Path) -> None:
    write(sound, tmp_path / "out.png", layers=2)
    write(sound, tmp_path / "out.html")
    assert Image.open(tmp_path / "out.png").width == 1440
    page = (tmp_path / "out.html").read_text()
    assert "1,000 Hz" in page
    assert "<path" in page


def test_a_look_leaves_the_model_as_it_was(image: Look) -> None:
    assert not hasattr(image.classifier.model.config, "tome")
    assert image.trace.token_counts[-1] == 69


def test_bad_input_is_named(tmp_path: Path, image: Look) -> None:
    (tmp_path / "notes.txt").write_text("text")
    (tmp_path / "text.png").write_text("text")
    (tmp_path / "broken.mp4").write_bytes(b"\0" * 100)
    (tmp_path / "text.gif").write_text("text")
    for name in ("notes.txt", "missing.png", "."):
        with pytest.raises(ToMeValueError, match="The input is a file"):
            kind_of(tmp_path / name)
    assert [kind_of(tmp_path / name) for name in ("text.png", "broken.mp4", "text.gif")] == ["image", "video", "image"]
    with pytest.raises(ToMeValueError, match="must take clips"):
        classifier_for("video", VIT)
    for out in ("a.gif", "a.txt", "no/a.png"):
        with pytest.raises(ToMeValueError, match="The output is a file"):
            write(image, tmp_path / out)
    with pytest.raises(ToMeValueError, match="layers counts"):
        write(image, tmp_path / "a.png", layers=9)


def test_what_holds_nothing_is_refused(image: Look, clip: Look, sound: Look) -> None:
    empty = (
        (image, Image.new("RGB", (1, 1), "red"), "one colour in all of its 1 pixels"),
        (clip, np.full((4, 8, 8, 3), 7, np.uint8), "one colour in all of its 256 pixels"),
        (sound, np.zeros(4000, np.float32), "silence"),
    )
    for found, medium, reason in empty:
        with pytest.raises(ToMeValueError, match=f"a.xyz, which is {reason}"):
            look(found.classifier, medium, name="a.xyz")


def test_the_smallest_inputs_have_a_picture(image: Look, sound: Look, tmp_path: Path) -> None:
    two = Image.new("RGB", (2, 1), "red")
    two.putpixel((1, 0), (0, 0, 255))
    write(look(image.classifier, two), tmp_path / "two.png")
    write(look(sound.classifier, np.array([0.0, 0.1], np.float32)), tmp_path / "click.png")


@pytest.mark.parametrize("kind", ["image", "clip", "sound"])
def test_the_page_shows_each_layer_and_the_group_under_the_pointer(browser, kind, request, tmp_path) -> None:
    found: Look = request.getfixturevalue(kind)
    write(found, tmp_path / "page.html")
    tab = browser.new_page()
    asked, broken = [], []
    tab.on("request", lambda each: asked.append(each.url))
    tab.on("pageerror", lambda each: broken.append(str(each)))
    tab.goto((tmp_path / "page.html").as_uri())
    assert tab.locator("h1").inner_text() == found.name
    counts, last = found.trace.token_counts, len(found.trace.token_counts) - 1
    assert tab.locator("#count").inner_text() == f"{counts[-1]} of {counts[0]} tokens"
    before = tab.locator("img").nth(1).get_attribute("src")
    tab.locator("#layer").press("ArrowLeft")
    assert tab.locator("#number").inner_text() == str(last - 1)
    assert tab.locator("img").nth(1).get_attribute("src") != before
    tab.locator("canvas").nth(1).scroll_into_view_if_needed()
    tab.locator("canvas").nth(1).hover(position={"x": 3, "y": 3})
    if found.scene.panel_lines()[0][0] >= 0:  # else it is above the last patch
        token = found.scene.panel_groups(last - 1)[0, 0, 0]
        size = int((group_map(found.trace, layers=last - 1) == token).sum())
        assert tab.locator("#info").inner_text().startswith(f"token {token}: {size} patch")
    assert not broken
    assert all(url.startswith(("file:", "data:")) for url in asked)
    tab.close()
