"""A sweep against scikit-learn and a plain loop, with one label and several; interrupted, and gone on with."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from cases import CLASSES, LAYERS, SMALL_VIT
from PIL import Image
from sklearn.metrics import average_precision_score, balanced_accuracy_score, f1_score
from transformers import ViTImageProcessorPil

from hf_tome import ToMeConfig, ToMeValueError, apply_tome, register_matching
from hf_tome.core import match_bipartite
from hf_tome.data.classifier import Classifier
from hf_tome.data.samples import samples_of
from hf_tome.measure.baselines import Baseline, baselines
from hf_tome.measure.row import Row
from hf_tome.measure.sweep import sweep
from hf_tome.measure.table import FIGURES
from hf_tome.measure.variants import variant_name
from hf_tome.metrics.ranking import Ranking

COUNT, BATCH = 11, 4
VARIANTS = [6, ToMeConfig(r=6, prop_attn=False)]


@pytest.fixture
def classifier() -> Classifier:
    model = SMALL_VIT.build(id2label={number: f"class {number}" for number in range(CLASSES)}).eval()
    side = SMALL_VIT.family.settings["image_size"]
    return Classifier(model, ViTImageProcessorPil(size={"height": side, "width": side}), "image")


def folder(root: Path, name: Callable[[int], str]) -> Path:
    for number in range(COUNT):
        place = root / "data" / name(number)
        place.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(number).integers(0, 256, (30, 40, 3), np.uint8)
        Image.fromarray(noise).save(place / f"{number}.png")
    return root / "data"


def logits_of(classifier: Classifier, data: Path) -> tuple[list[Path], list[np.ndarray]]:
    """Of the unmerged model and each variant, in a plain loop over the same batches."""
    from hf_tome.data.folder import files_below

    files, found = files_below(data, "image"), []
    for setting in (ToMeConfig(r=0), ToMeConfig(r=6), VARIANTS[1]):
        model = apply_tome(SMALL_VIT.build().eval(), config=setting)
        model.load_state_dict(classifier.model.state_dict())
        parts = [files[start : start + BATCH] for start in range(0, COUNT, BATCH)]
        with torch.no_grad():
            each = [model(**classifier.inputs([classifier.read(path) for path in part])).logits for part in parts]
        found.append(torch.cat(each).numpy())
    return files, found


def test_one_label(classifier: Classifier, tmp_path: Path) -> None:
    data, options = folder(tmp_path, lambda number: f"class {number % CLASSES}"), {"batch_size": BATCH}
    report = sweep(classifier, data, VARIANTS, store=tmp_path / "store", progress=False, **options)
    files, found = logits_of(classifier, data)
    labels = np.array([int(path.parent.name[-1]) for path in files])
    assert [row.name for row in report.rows] == ["unmerged", "r=6", "r=6, prop_attn=off"]
    assert (report.metric, report.samples, report.total) == ("accuracy", COUNT, COUNT)
    for row, logits in zip(report.rows, found, strict=True):
        assert row.metric == (logits.argmax(-1) == labels).mean()
        assert row.change == pytest.approx((row.metric or 0) - (report.rows[0].metric or 0))
        assert row.agreement == (logits.argmax(-1) == found[0].argmax(-1)).mean()
        assert row.interval is not None
        assert row.interval[0] <= row.metric <= row.interval[1]
        assert len(row.seconds) == len(row.speedups) == 3
        assert row.latency is not None
        assert row.peak_bytes
    assert report.rows[0].kl == 0 < report.rows[1].kl == report.rows[1].kl_change
    assert report.rows[0].macs > report.rows[1].macs
    assert report.rows[1].token_counts[-1] < report.rows[0].token_counts[-1]
    assert not hasattr(classifier.model.config, "tome")

    against = sweep(classifier, data, VARIANTS, against=6, store=tmp_path / "store", progress=False, **options)
    for row, other in zip(against.rows, report.rows, strict=True):
        assert (row.metric, row.kl, row.seconds) == (other.metric, other.kl, other.seconds)  # from the store
        assert row.change == pytest.approx((row.metric or 0) - (report.rows[1].metric or 0))
        assert row.kl_change == pytest.approx(row.kl - report.rows[1].kl)
        assert row.kl_change_interval[0] <= row.kl_change <= row.kl_change_interval[1]
    assert against.rows[1].change_interval == against.rows[1].kl_change_interval == (0, 0)
    with pytest.raises(ToMeValueError, match="one of the variants"):
        sweep(classifier, data, VARIANTS, against=7, progress=False)


def test_what_never_differs_is_rarer_than_three_in_n(classifier: Classifier, tmp_path: Path) -> None:
    """A variant that merges nothing changes nothing; 11 samples do not tell that it never does."""
    data = folder(tmp_path, lambda number: f"class {number % CLASSES}")
    row = sweep(classifier, data, [0], batch_size=BATCH, progress=False).rows[1]
    assert row.change == 0
    assert row.change_interval == pytest.approx((-3 / COUNT, 3 / COUNT))


@pytest.mark.parametrize(
    ("value", "interval", "text"),
    [(0.91, (0.886, 0.934), "91.0% ±2.4"), (1, (0.925, 1), "100.0% (≥ 92.5%)"), (0, (0, 0.03), "0.0% (≤ 3.0%)")],
)
def test_how_an_interval_is_written(value: float, interval: tuple[float, float], text: str) -> None:
    assert FIGURES["metric"](Row(metric=value, interval=interval)) == text


def test_changed_answers_and_means_over_classes(classifier: Classifier, tmp_path: Path) -> None:
    data = folder(tmp_path, lambda number: f"class {number % CLASSES}")
    report = sweep(classifier, data, VARIANTS, batch_size=BATCH, progress=False)
    files, found = logits_of(classifier, data)
    labels, classes = [path.parent.name for path in files], [logits.argmax(-1) for logits in found]
    for row, each in zip(report.rows, classes, strict=True):
        predicted = [f"class {number}" for number in each]
        assert row.more["F1"] == pytest.approx(f1_score(labels, predicted, average="macro"))
        assert row.more["balanced accuracy"] == pytest.approx(balanced_accuracy_score(labels, predicted))
    assert report.changed == [
        {
            "sample": f"{label}/{path.name}", "label": label, "variant": row.name,
            "unmerged": f"class {before}", "merged": f"class {after}",
        }
        for row, each in zip(report.rows[1:], classes[1:], strict=True)
        for path, label, before, after in zip(files, labels, classes[0], each, strict=True)
        if before != after
    ]  # fmt: skip
    assert report.changed


def test_a_baseline_on_smaller_images(classifier: Classifier, tmp_path: Path) -> None:
    data, setting, smaller = folder(tmp_path, lambda number: f"class {number % CLASSES}"), ToMeConfig(r=6), Baseline(20)
    report = sweep(classifier, data, [setting, smaller], batch_size=BATCH, progress=False)
    _, merged, rival = report.rows
    assert rival.token_counts == [1 + (20 // 4) ** 2] * (LAYERS + 1)  # patches of 4 x 4 pixels
    assert abs(rival.macs - merged.macs) < 0.2 * merged.macs
    assert rival.mac_ratio == report.rows[0].macs / rival.macs
    assert (rival.name, rival.settings) == ("unmerged, 20 px", None)
    samples = samples_of(data, classifier)
    pixels = classifier.inputs([samples.read(number) for number in range(COUNT)])["pixel_values"]
    small = torch.nn.functional.interpolate(pixels, (20, 20), mode="bicubic", antialias=True)
    with torch.no_grad():
        logits = classifier.model(small, interpolate_pos_encoding=True).logits
    assert rival.metric == (logits.argmax(-1).numpy() == samples.labels).mean()


@pytest.mark.slow
def test_a_compiled_baseline_answers_as_the_model(classifier: Classifier, tmp_path: Path) -> None:
    inputs = classifier.inputs([Image.effect_noise((30, 40), 60).convert("RGB")])
    assert baselines(classifier, inputs, [ToMeConfig(r=6)] * 2) == [Baseline(compiled=True), Baseline(20)]
    data = folder(tmp_path, lambda number: f"class {number % CLASSES}")
    report = sweep(classifier, data, [6, Baseline(compiled=True)], batch_size=BATCH, progress=False)
    compiled = report.rows[2]
    assert (compiled.name, compiled.agreement, compiled.mac_ratio) == ("unmerged, compiled", 1, 1)
    assert compiled.peak_bytes is None
    assert max(compiled.seconds) < 1  # compiling is no part of the time


def test_several_labels(classifier: Classifier, tmp_path: Path) -> None:
    data = folder(tmp_path, lambda number: f"class {number % 3}+class {3 + number % 2}")
    report = sweep(classifier, data, VARIANTS, batch_size=BATCH, progress=False)
    files, found = logits_of(classifier, data)
    labels = np.array([[f"class {kind}" in path.parent.name for kind in range(CLASSES)] for path in files])
    assert report.metric == "mAP"
    for row, logits in zip(report.rows, found, strict=True):
        assert row.metric == pytest.approx(average_precision_score(labels, logits, average="macro"), abs=1e-12)
        expected = f1_score(labels, logits > 0, average="macro", zero_division=0)  # pyright: ignore
        assert row.more == {"F1": pytest.approx(expected)}


def test_interrupted_it_keeps_what_is_done_and_goes_on(classifier: Classifier, tmp_path: Path) -> None:
    data = folder(tmp_path, lambda number: f"class {number % CLASSES}")
    samples, store, read = samples_of(data, classifier), tmp_path / "store", []

    def stopping(number: int) -> Image.Image:
        read.append(number)
        if len(read) > 2 * BATCH + BATCH:  # the first batch is read twice, for the costs too
            raise KeyboardInterrupt
        return samples.read(number)

    stopped = dataclasses.replace(samples, read=stopping)
    part = sweep(classifier, stopped, VARIANTS, batch_size=BATCH, store=store, progress=False)
    assert part.samples == 2 * BATCH
    assert not part.finished
    rest: list[int] = []
    counted = dataclasses.replace(samples, read=lambda number: (rest.append(number), samples.read(number))[1])
    whole = sweep(classifier, counted, VARIANTS, batch_size=BATCH, store=store, progress=False)
    assert rest == [8, 9, 10]
    at_once = sweep(classifier, data, VARIANTS, batch_size=BATCH, progress=False)
    assert [(row.metric, row.kl, row.interval) for row in whole.rows] == [
        (row.metric, row.kl, row.interval) for row in at_once.rows
    ]
    assert whole.rows[0].seconds[:2] == part.rows[0].seconds


def test_a_bad_file_is_named_or_left_out(classifier: Classifier, tmp_path: Path) -> None:
    data = folder(tmp_path, lambda number: f"class {number % CLASSES}")
    (data / "class 0" / "broken.png").write_bytes(b"\x89PNG broken")
    with pytest.raises(ToMeValueError, match=r"broken\.png"):
        sweep(classifier, data, [6], batch_size=BATCH, progress=False)
    with pytest.warns(UserWarning, match=r"Left out: .*broken\.png"):
        report = sweep(classifier, data, [6], batch_size=BATCH, progress=False, skip_bad_files=True)
    assert (report.samples, report.left_out, report.total, report.finished) == (COUNT, 1, COUNT + 1, True)


def test_a_matching_of_the_users_own_is_measured_anew(classifier: Classifier, tmp_path: Path) -> None:
    """Its name does not tell what it does."""
    data = folder(tmp_path, lambda number: f"class {number % CLASSES}")
    options = {"batch_size": BATCH, "store": tmp_path / "store", "progress": False}
    found = []
    for share in (1, 2, 1):
        register_matching(
            "sweeps_own", lambda given, share=share: match_bipartite(given.metric, given.r // share, given.protected)
        )
        variants = [6, ToMeConfig(6, matching="sweeps_own")]
        found.append([row.kl for row in sweep(classifier, data, variants, **options).rows])
    assert found[0] == found[2]
    assert found[0][1] == found[0][2] == found[1][1] != found[1][2]


def test_other_content_under_the_same_name_is_measured_anew(classifier: Classifier, tmp_path: Path) -> None:
    data = folder(tmp_path, lambda number: f"class {number % CLASSES}")
    options = {"batch_size": BATCH, "store": tmp_path / "store", "progress": False}
    before = sweep(classifier, data, [6], **options).rows[1]
    path = data / "class 0" / "0.png"
    about = path.stat()
    pixels = np.random.default_rng(99).integers(0, 256, (30, 40, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    path.write_bytes(path.read_bytes().ljust(about.st_size, b"\0")[: about.st_size])
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
    after = sweep(classifier, data, [6], **options).rows[1]
    assert after.kl != before.kl
    again = sweep(classifier, data, [6], **options).rows[1]
    assert (again.kl, again.seconds) == (after.kl, after.seconds)


def test_precision_of_a_draw_is_that_of_scikit_learn() -> None:
    for seed in range(5):
        chance = np.random.default_rng(seed)
        scores, labels = chance.integers(0, 8, 40) / 8, chance.integers(0, 2, 40)
        counts = np.bincount(chance.integers(40, size=40), minlength=40)
        expected = average_precision_score(labels, scores, sample_weight=counts)
        assert Ranking(scores, labels).precision(counts) == pytest.approx(expected, abs=1e-12)


def test_names_say_what_differs_from_the_defaults() -> None:
    assert variant_name(ToMeConfig(8)) == "r=8"
    assert variant_name(ToMeConfig(8, False, matching="pitome")) == "r=8, prop_attn=off, matching=pitome"
    assert variant_name(ToMeConfig(8, partition="random", seed=1)) == "r=8, partition=random, seed=1"
    assert variant_name(ToMeConfig(8, combine=["mean", "max"])) == "r=8, combine=['mean', 'max']"
