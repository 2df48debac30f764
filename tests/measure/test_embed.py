"""Features in a Parquet file: the right ones, once each, whatever happens on the way."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as parquet
import pytest
import torch
from own_data import BY_MODALITY, labelled, rows, saved
from PIL import Image
from recordings import tone, write_sound
from transformers import CLIPModel, VideoMAEModel, ViTMAEConfig, ViTMAEModel, ViTModel, Wav2Vec2Model

from hf_tome import ToMeError, apply_tome
from hf_tome.data.embedder import load_embedder
from hf_tome.data.folder import files_below
from hf_tome.data.samples import samples_alone
from hf_tome.data.tiny import tiny_model
from hf_tome.measure.embed import embed, unfinished

COUNT, BATCH = 7, 3
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", "HF_HUB_OFFLINE": "1"}


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return labelled(BY_MODALITY["image"], tmp_path / "images", COUNT)


def features(out: Path) -> dict[str, Any]:
    """Of each file."""
    table = parquet.read_table(out)
    assert len(set(table["path"].to_pylist())) == len(table)
    return dict(zip(table["path"].to_pylist(), table["features"].to_pylist(), strict=True))


@pytest.mark.parametrize("r", [0, 8])
def test_images_as_clip_embeds_them(r: int, images: Path, tmp_path: Path) -> None:
    clip = tiny_model("clip", tmp_path / "clip")
    found = embed(clip, images, tmp_path / "out.parquet", r, batch_size=BATCH, progress=False)
    model, embedder = apply_tome(CLIPModel.from_pretrained(clip).eval(), r=r), load_embedder(clip)
    for name, vector in features(tmp_path / "out.parquet").items():
        with torch.no_grad():
            own = model.get_image_features(**embedder.inputs([embedder.read(images / name)])).pooler_output[0].double()
        np.testing.assert_allclose(vector, own / own.norm(), atol=1e-6)
    assert (found.rows, found.fresh, found.finished) == (COUNT, COUNT, True)
    assert (found.mac_ratio > 1) == (r > 0)
    labels = parquet.read_table(tmp_path / "out.parquet")["label"].to_pylist()
    assert labels == [Path(name).parent.name for name in features(tmp_path / "out.parquet")]
    again = embed(clip, images, tmp_path / "out.parquet", r, batch_size=BATCH, progress=False)
    assert (again.rows, again.fresh) == (COUNT, 0)
    with pytest.raises(ToMeError, match="something else"):
        embed(clip, images, tmp_path / "out.parquet", r + 1, batch_size=BATCH, progress=False)


def test_patches_and_the_class_token_of_a_data_set(images: Path, tmp_path: Path) -> None:
    """A classifier's head is left out."""
    vit, data = str(saved(BY_MODALITY["image"], tmp_path / "vit")), rows(images, "image")
    model, embedder = ViTModel.from_pretrained(vit).eval(), load_embedder(vit)
    for kind in ("pooled", "patches"):
        embed(vit, data, tmp_path / f"{kind}.parquet", features=kind, limit=4, batch_size=BATCH, progress=False)
        found = features(tmp_path / f"{kind}.parquet")
        assert len(found) == 4
        for name, values in found.items():
            (file,) = images.rglob(name)
            with torch.no_grad():
                tokens = model(**embedder.inputs([embedder.read(file)])).last_hidden_state[0]
            np.testing.assert_allclose(values, tokens[0] if kind == "pooled" else tokens[1:], atol=1e-5)


@pytest.mark.parametrize("kind", ["pooled", "patches"])
def test_padding_of_waves_is_no_feature(kind: str, tmp_path: Path) -> None:
    name = tiny_model("wav2vec2", tmp_path / "wav2vec2")
    for number, seconds in enumerate((0.4, 1.0, 0.7)):
        write_sound(tmp_path / "data" / f"{number}.wav", tone(seconds, 16000, 200 * (number + 1)), 16000)
    embed(name, tmp_path / "data", tmp_path / "out.parquet", features=kind, progress=False)
    model, embedder = Wav2Vec2Model.from_pretrained(name).eval(), load_embedder(name)
    for path, values in features(tmp_path / "out.parquet").items():
        with torch.no_grad():
            alone = model(**embedder.inputs([embedder.read(tmp_path / "data" / path)])).last_hidden_state[0]
        np.testing.assert_allclose(values, alone.mean(0) if kind == "pooled" else alone, atol=1e-4)


@pytest.mark.parametrize("kind", ["pooled", "patches"])
def test_clips(kind: str, tmp_path: Path) -> None:
    name = str(saved(BY_MODALITY["video"], tmp_path / "videomae"))
    data = labelled(BY_MODALITY["video"], tmp_path / "clips", 3)
    found = embed(name, data, tmp_path / "out.parquet", 4, features=kind, batch_size=2, progress=False)
    assert (found.rows, found.token_counts[0], found.token_counts[-1]) == (3, 32, 16)
    model, embedder = apply_tome(VideoMAEModel.from_pretrained(name).eval(), r=4), load_embedder(name)
    for path, values in features(tmp_path / "out.parquet").items():
        with torch.no_grad():
            tokens = model(**embedder.inputs([embedder.read(data / path)])).last_hidden_state[0]
        np.testing.assert_allclose(values, tokens.mean(0) if kind == "pooled" else tokens, atol=1e-5)


def test_a_masked_autoencoder_sees_all_and_has_no_prop_attn(images: Path, tmp_path: Path) -> None:
    sizes: dict[str, Any] = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 48,
    }
    mae = ViTMAEModel(ViTMAEConfig(**sizes, image_size=24, patch_size=4, mask_ratio=0.75, initializer_range=0.2)).eval()
    saved(BY_MODALITY["image"], tmp_path / "mae")  # for its processor
    mae.save_pretrained(tmp_path / "mae")
    embedder = load_embedder(str(tmp_path / "mae"), "patches")
    assert embedder.saved is not None
    assert embedder.saved.prop_attn is False
    inputs = embedder.inputs([embedder.read(path) for path in files_below(images, "image")[:2]])
    mae.config.mask_ratio = 0.0
    with torch.no_grad():
        expected = mae(**inputs, noise=torch.arange(36.0).expand(2, -1)).last_hidden_state[:, 1:]
        found = torch.stack(embedder.output(embedder.model, inputs))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_interrupted_it_goes_on_and_embeds_nothing_twice(images: Path, tmp_path: Path) -> None:
    embedder, out = load_embedder(str(saved(BY_MODALITY["image"], tmp_path / "vit"))), tmp_path / "out.parquet"
    samples, read = samples_alone(images, embedder), []

    def stopping(number: int) -> Image.Image:
        read.append(number)
        if len(read) > 2 * BATCH + 1:  # the first batch is read twice, for the costs too
            raise KeyboardInterrupt
        return samples.read(number)

    part = embed(embedder, dataclasses.replace(samples, read=stopping), out, 4, batch_size=BATCH, progress=False)
    assert (part.rows, part.fresh, part.finished) == (BATCH, BATCH, False)
    assert unfinished(out).exists()
    assert not out.exists()
    rest: list[int] = []
    counted = dataclasses.replace(samples, read=lambda number: (rest.append(number), samples.read(number))[1])
    whole = embed(embedder, counted, out, 4, batch_size=BATCH, progress=False)
    assert (whole.rows, whole.fresh, whole.finished) == (COUNT, COUNT - BATCH, True)
    assert rest[BATCH:] == [3, 4, 5, 6]
    assert not unfinished(out).exists()
    embed(embedder, images, tmp_path / "once.parquet", 4, batch_size=BATCH, progress=False)
    assert features(out) == features(tmp_path / "once.parquet")


def test_what_cannot_be_written_or_read(images: Path, tmp_path: Path) -> None:
    vit = str(saved(BY_MODALITY["image"], tmp_path / "vit"))
    (tmp_path / "junk.parquet").write_text("junk")
    for out, said in (("out.csv", "new Parquet file"), ("no/out.parquet", "new Parquet"), ("junk.parquet", "junk")):
        with pytest.raises(ToMeError, match=said):
            embed(vit, images, tmp_path / out, progress=False)
    with pytest.raises(ToMeError, match="pooled or patches"):
        embed(vit, images, tmp_path / "out.parquet", features="all", progress=False)
    (images / "class 0" / "broken.png").write_bytes(b"\x89PNG")
    with pytest.raises(ToMeError, match=r"broken\.png"):
        embed(vit, images, tmp_path / "out.parquet", progress=False)
    with pytest.warns(UserWarning, match=r"broken\.png"):
        assert embed(vit, images, tmp_path / "out.parquet", progress=False, skip_bad_files=True).rows == COUNT


@pytest.mark.slow
def test_killed_it_goes_on_in_two_processes(tmp_path: Path) -> None:
    saved(BY_MODALITY["image"], tmp_path / "vit")
    labelled(BY_MODALITY["image"], tmp_path / "images", 80)
    options = ["hf_tome", "embed", "vit", "images", "out.parquet", "--r", "4", "--batch", "1"]
    run = subprocess.Popen([sys.executable, "-m", *options], cwd=tmp_path, env=ENVIRONMENT)
    waiting = tmp_path / "out.parquet.unfinished"
    while not waiting.exists() or waiting.stat().st_size < 100_000:
        assert run.poll() is None, "it ended before it could be stopped"
        time.sleep(0.01)
    run.send_signal(signal.SIGKILL)
    run.wait(60)
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m", "--", *options]
    done = subprocess.run([sys.executable, *command], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Features of 80 images" in done.stdout
    assert "80 images embedded" not in done.stdout
    embed(str(tmp_path / "vit"), tmp_path / "images", tmp_path / "once.parquet", 4, batch_size=1, progress=False)
    assert features(tmp_path / "out.parquet") == features(tmp_path / "once.parquet")
