"""`hf-tome app` as a process, in the browser: samples and uploads of each kind, r, schedule, layer, wrong files."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from own_data import BY_MODALITY, saved
from PIL import Image
from recordings import write_sound

from hf_tome import ToMeValueError
from hf_tome.core import Schedule
from hf_tome.data.embedded import SOUNDS, embedded_images
from hf_tome.show.app import Handlers, launch

gradio = pytest.importorskip("gradio", reason="the page needs gradio")
KINDS = [  # sample, prediction, tokens, layers, protected
    ("Ankle boot", "Ankle boot", 197, 8, 1),
    ("snare", "snare", 173, 6, 2),
    ("left", "left", 512, 6, 0),
]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of the running page."""
    folder = tmp_path_factory.mktemp("app")
    settings = {**os.environ, "GRADIO_TEMP_DIR": str(folder), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "hf_tome", "app"]
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a job in the background ignores Ctrl-C
    process = subprocess.Popen(command, env=settings, cwd=folder, stdout=subprocess.PIPE, text=True, preexec_fn=heed)
    try:
        assert process.stdout is not None
        yield re.findall(r"http://127\.0\.0\.1:\d+/", process.stdout.readline())[0]
        process.send_signal(signal.SIGINT)
        process.wait(60)
    finally:
        process.kill()


@pytest.fixture
def tab(browser: Any, address: str) -> Iterator[Any]:
    """The page, open; it must break nowhere, and ask nobody else for anything."""
    made = browser.new_page()
    made.set_default_timeout(60_000)
    asked, broken = [], []
    made.on("request", lambda each: asked.append(each.url))
    made.on("pageerror", lambda each: broken.append(str(each)))
    made.goto(address)
    yield made
    made.close()
    assert not broken
    assert all(url.startswith((address, "data:", "blob:")) for url in asked)


def cell(tab: Any, row: str) -> str:
    """The column "merged" of a row of the table."""
    return tab.get_by_role("row", name=row).get_by_role("cell").nth(2).inner_text()


def wait_for_tokens(tab: Any, r: Any, tokens: int, layers: int, protected: int) -> None:
    """Until the page shows what this schedule leaves, and how fast that is."""
    counts = Schedule.parse(r).counts(tokens, layers, protected)
    tab.get_by_text(f"Tokens layer by layer: {', '.join(map(str, counts))}. Times are of").wait_for()
    assert cell(tab, "tokens left") == str(counts[-1])
    assert re.fullmatch(r"\d\.\d\dx \(\d\.\d\d to \d\.\d\d\)", cell(tab, "speed-up"))


@pytest.mark.slow
@pytest.mark.parametrize(("sample", "label", "tokens", "layers", "protected"), KINDS)
def test_a_sample_and_the_controls(tab, sample, label, tokens, layers, protected) -> None:
    tab.get_by_role("button", name=sample, exact=True).click()
    model = tokens, layers, protected
    wait_for_tokens(tab, 3 * (tokens // layers) // 5, *model)
    assert cell(tab, "prediction") == label
    assert tab.locator("#moving").is_visible() == (tokens == 512)
    picture = tab.locator("#groups img")
    assert picture.evaluate("image => image.naturalWidth") > 800
    before = picture.get_attribute("src")
    tab.get_by_role("slider", name="r: tokens to merge").fill("5")
    wait_for_tokens(tab, 5, *model)
    tab.get_by_label("decreasing").check()
    wait_for_tokens(tab, (5, -1.0), *model)
    after = picture.get_attribute("src")
    assert after != before
    tab.get_by_role("slider", name="Picture after").fill("1")
    tab.wait_for_function("before => document.querySelector('#groups img').getAttribute('src') !== before", arg=after)
    tab.get_by_role("button", name="Clear").click()
    tab.get_by_text("Choose a file first.").wait_for()
    tab.locator("input[type=file]").first.set_input_files(Path(__file__))
    tab.get_by_text("The input is a file with an image").wait_for()
    assert not tab.locator("#groups").is_visible()


@pytest.mark.slow
def test_on_a_phone_nothing_is_wider_than_the_screen(tab) -> None:
    tab.set_viewport_size({"width": 390, "height": 844})
    tab.get_by_role("button", name="Ankle boot", exact=True).click()
    wait_for_tokens(tab, 3 * (197 // 8) // 5, 197, 8, 1)
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    answer = tab.get_by_role("table").filter(has_text="without merging")  # gradio lists the file in another one
    boxes = [part.bounding_box() for part in (tab.locator("#groups img"), answer)]
    assert all(box["x"] >= 0 and box["x"] + box["width"] <= 390 for box in boxes)


def test_what_the_page_shows_of_an_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The handlers of the page, without a browser."""
    monkeypatch.setattr("hf_tome.show.app.ROUNDS", 1)
    embedded_images()[0][0].save(tmp_path / "boot.png")
    handlers = Handlers(None, tmp_path)
    plain, r, layer, _, said = handlers.open_file(str(tmp_path / "boot.png"))
    assert said == ""
    assert (r.maximum, layer.value) == (197 // 8, 8)
    measuring, measured = handlers.merge(plain, 5, "decreasing", 8)
    counts = Schedule.parse((5, -1.0)).counts(197, 8, 1)
    assert f"Tokens layer by layer: {', '.join(map(str, counts))}" in measuring[1]
    assert "| prediction | Ankle boot | **Ankle boot** |" in measured[1]
    assert re.search(r"\| speed-up \|  \| \*\*\d+\.\d\dx \(", measured[1])
    assert measuring[2].value is not None


def test_wrong_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("text")
    (tmp_path / "text.png").write_text("text")
    (tmp_path / "broken.mp4").write_bytes(b"\0" * 100)
    Image.new("RGB", (1, 1), "red").save(tmp_path / "dot.png")
    write_sound(tmp_path / "silence.wav", np.zeros(8000, np.float32), 16000)
    reasons = {
        "notes.txt": "The input is a file with an image, a sound or a video",
        "text.png": "Every image file must be readable",
        "broken.mp4": "Every video file must be readable",
        "dot.png": "dot.png, which is one colour",
        "silence.wav": "silence.wav, which is silence",
    }
    handlers = Handlers(None, tmp_path)
    for name, reason in reasons.items():
        plain, *_, said = handlers.open_file(str(tmp_path / name))
        assert plain is None
        assert reason in said


def test_it_says_which_model_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hf_tome.show.app.ROUNDS", 1)
    saved(BY_MODALITY["image"], tmp_path / "own")
    embedded_images()[0][0].save(tmp_path / "boot.png")
    handlers, name = Handlers(str(tmp_path / "own"), tmp_path), str(tmp_path / "own")
    for file, model in (
        (tmp_path / "boot.png", f"Model: {name}."),
        (next(SOUNDS.rglob("*.flac")), f"Model: embedded AST (drum sounds), since {name} takes images."),
    ):
        plain = handlers.open_file(str(file))[0]
        assert all(model in answer[1] for answer in handlers.merge(plain, 4, "constant", 1))


def test_other_sites_are_refused() -> None:
    """By their address, and by a name of theirs that leads to this machine."""
    with gradio.Blocks(analytics_enabled=False) as blocks:
        gradio.Markdown("a page")
    address = launch(blocks)
    try:
        for headers, status in (
            ({}, 200),
            ({"Host": address.split("/")[2].replace("127.0.0.1", "localhost")}, 200),
            ({"Host": "127.0.0.1.evil.example"}, 403),
            ({"Host": ""}, 403),
            ({"Origin": address.rstrip("/")}, 200),
            ({"Origin": "http://evil.example"}, 403),
            ({"Origin": "http://127.0.0.1:1"}, 403),
            ({"Origin": "null"}, 403),
        ):
            assert httpx.get(address, headers=headers).status_code == status, headers
    finally:
        blocks.close()


def test_a_port_that_is_taken_is_named() -> None:
    with gradio.Blocks(analytics_enabled=False) as blocks:
        gradio.Markdown("a page")
    taken = "The page needs a free port"
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(ToMeValueError, match=taken):
        launch(blocks, other.getsockname()[1])
