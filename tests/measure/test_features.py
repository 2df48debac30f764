"""Features of a merged encoder against plain loops: neighbours in float64, and a probe fitted by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from cases import SMALL_VIT
from own_data import labelled, one_class, saved, two_classes
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from transformers import ViTImageProcessorPil, ViTModel

from hf_tome import apply_tome
from hf_tome.core.drift import nearest
from hf_tome.data.embedder import load_embedder
from hf_tome.data.folder import files_below
from hf_tome.data.image import read_image
from hf_tome.measure.row import Report
from hf_tome.measure.sweep import sweep

COUNT, R = 40, 12


@pytest.fixture(scope="module")
def vit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(SMALL_VIT, tmp_path_factory.mktemp("model"))


def features_of(vit: Path, data: Path, r: int) -> np.ndarray:
    """Class tokens of transformers' own model, in float64."""
    model = apply_tome(ViTModel.from_pretrained(vit, add_pooling_layer=False).eval().double(), r=r)
    images = [read_image(path) for path in files_below(data, "image")]
    pixels = ViTImageProcessorPil.from_pretrained(vit)(images, return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        return model(pixels.double()).last_hidden_state[:, 0].numpy()


def slow_nearest(features: np.ndarray) -> list[list[int]]:
    """All other samples of each, by falling cosine."""
    found = []
    for i, a in enumerate(features):
        cosines = {j: a @ b / np.sqrt((a @ a) * (b @ b)) for j, b in enumerate(features) if j != i}
        found.append(sorted(cosines, key=lambda j: -cosines[j]))
    return found


def recalls(plain: np.ndarray, merged: np.ndarray) -> tuple[float, float]:
    """Of the first and of the first five."""
    pairs = list(zip(slow_nearest(plain), slow_nearest(merged), strict=True))
    same = [len({*a[:count]} & {*b[:count]}) / count for count in (1, 5) for a, b in pairs]
    return float(np.mean(same[: len(pairs)])), float(np.mean(same[len(pairs) :]))


def test_nearest_against_a_loop() -> None:
    features = torch.randn(1100, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)  # two pieces
    slow = slow_nearest(features[:50].numpy())
    assert nearest(features[:50], 4).tolist() == [row[:4] for row in slow]
    assert nearest(features, 1)[1050] == torch.cosine_similarity(features[1050], features).topk(2).indices[1]
    assert nearest(features[:3], 5).tolist() == slow_nearest(features[:3].numpy())
    assert nearest(features[:1], 5).tolist() == [[0]]


def test_neighbours_without_labels(vit: Path, tmp_path: Path) -> None:
    data = labelled(SMALL_VIT, tmp_path / "data", COUNT, lambda number: "")
    report = sweep(load_embedder(str(vit)), data, [R], batch_size=16, progress=False)
    plain, merged = (features_of(vit, data, r) for r in (0, R))
    first, few = recalls(plain, merged)
    assert first < 1  # so that the settings can be told apart
    row = report.rows[1]
    assert (report.metric, row.metric, row.agreement) == ("neighbour R@1", pytest.approx(first), pytest.approx(first))
    cosines = [a @ b / np.sqrt((a @ a) * (b @ b)) for a, b in zip(plain, merged, strict=True)]
    assert row.more == {"neighbour R@5": pytest.approx(few), "cosine": pytest.approx(np.mean(cosines), abs=1e-6)}
    assert (report.rows[0].metric, report.rows[0].more["neighbour R@5"]) == (1.0, 1.0)
    paths = [path.name for path in files_below(data, "image")]
    changed = {(each["sample"], each["unmerged"], each["merged"]) for each in report.changed}
    pairs = zip(paths, slow_nearest(plain), slow_nearest(merged), strict=True)
    assert changed == {(path, paths[a[0]], paths[b[0]]) for path, a, b in pairs if a[0] != b[0]}


def test_a_probe_of_labelled_samples(vit: Path, tmp_path: Path) -> None:
    data = labelled(SMALL_VIT, tmp_path / "data", COUNT, one_class)
    report = sweep(load_embedder(str(vit)), data, [R], batch_size=16, progress=False)
    plain, merged = (features_of(vit, data, r).astype(np.float32) for r in (0, R))
    labels = np.array([path.parent.name for path in files_below(data, "image")])
    best, line = -1.0, None
    for penalty in (1e-3, 1e-2, 1e-1):
        own = make_pipeline(StandardScaler(), LogisticRegression(C=penalty, max_iter=1000))
        learn = [n for n in range(0, COUNT, 2) if n // 2 % 5 != 4]
        judge = [n for n in range(0, COUNT, 2) if n // 2 % 5 == 4]
        score = own.fit(plain[learn], labels[learn]).score(plain[judge], labels[judge])
        if score > best:
            best, line = score, own.fit(plain[::2], labels[::2])
    assert line is not None
    told = [line.predict(each[1::2]) for each in (plain, merged)]
    assert report.metric == "probe accuracy"
    assert [row.metric for row in report.rows] == [pytest.approx(np.mean(each == labels[1::2])) for each in told]
    assert report.rows[1].agreement == pytest.approx(np.mean(told[0] == told[1]))
    assert report.rows[1].more["neighbour R@1"] == pytest.approx(recalls(plain, merged)[0])


@pytest.mark.parametrize(("count", "name"), [(8, two_classes), (1, one_class), (2, one_class)])
def test_no_probe_where_labels_are_none_or_few(count: int, name: object, vit: Path, tmp_path: Path) -> None:
    data = labelled(SMALL_VIT, tmp_path / "data", count, name)  # pyright: ignore
    report: Report = sweep(load_embedder(str(vit)), data, [R], progress=False)
    assert report.metric == "neighbour R@1"
    assert report.rows[1].metric == report.rows[1].agreement
