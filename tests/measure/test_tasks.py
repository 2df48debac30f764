"""Zero-shot, retrieval and transcription, against transformers' own pipelines and plain loops."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from recordings import tone, write_sound
from transformers import AutoProcessor, AutoTokenizer, CLIPModel, Wav2Vec2ForCTC, WhisperForConditionalGeneration
from transformers import pipeline as pipeline_of

from hf_tome import ToMeConfig, ToMeError, apply_tome
from hf_tome.data.image_text import load_image_text
from hf_tome.data.tiny import tiny_model
from hf_tome.data.transcriber import load_transcriber
from hf_tome.data.zero_shot import load_zero_shot
from hf_tome.measure.sweep import sweep
from hf_tome.measure.tasks import task_of
from hf_tome.measure.tasks.retrieval import ranks
from hf_tome.metrics.word_error_rate import WordErrorRate
from hf_tome.metrics.words import words_of

LABELS = ["cat", "a dog", "C++"]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tiny models."""
    folder = tmp_path_factory.mktemp("models")
    for kind in ("clip", "whisper", "wav2vec2"):
        tiny_model(kind, folder / kind)
    return folder


def pictures(folder: Path, captions: list[list[str]]) -> tuple[Path, list[Image.Image]]:
    folder.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (len(captions), 40, 30, 3), np.uint8)
    images = [Image.fromarray(each) for each in noise]
    with (folder / "metadata.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file_name", "caption"])
        for number, texts in enumerate(captions):
            images[number].save(folder / f"{number}.png")
            rows.writerows([f"{number}.png", text] for text in texts)
    return folder, images


def test_zero_shot_is_that_of_transformers(models: Path) -> None:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 30, 3), np.uint8))
    model = load_zero_shot(str(models / "clip"), LABELS, ["This is a photo of {}."])
    pipe = pipeline_of("zero-shot-image-classification", str(models / "clip"))
    for r in (0, 8):
        apply_tome(model.model, r=r)
        apply_tome(pipe, r=r)
        with torch.no_grad():
            found = model.model(**model.inputs([image])).logits.softmax(-1)[0].tolist()
        answers = {each["label"]: each["score"] for each in pipe(image, candidate_labels=LABELS)}
        assert found == pytest.approx([answers[label] for label in LABELS], abs=1e-6)
    assert model.classes == [(label, number) for number, label in enumerate(LABELS)]


def test_several_templates_are_averaged(models: Path) -> None:
    model = load_zero_shot(str(models / "clip"), LABELS, ["a {}.", "{}"])
    plain, tokens = CLIPModel.from_pretrained(models / "clip"), AutoTokenizer.from_pretrained(models / "clip")
    with torch.no_grad():
        each = [
            plain.get_text_features(**tokens([text], return_tensors="pt")).pooler_output[0].double()  # pyright: ignore
            for text in (f"a {LABELS[1]}.", LABELS[1])
        ]
    mean = sum(text / text.norm() for text in each)
    torch.testing.assert_close(model.model.classes[1].double(), mean / mean.norm(), rtol=0, atol=1e-6)  # pyright: ignore


@pytest.mark.parametrize(
    ("labels", "templates"), [(["cat"], ["{}"]), (["cat", "cat"], ["{}"]), (["cat", "dog"], ["a photo"])]
)
def test_wrong_classes_are_refused(labels: list[str], templates: list[str], models: Path) -> None:
    with pytest.raises(ToMeError, match=r"classes|template"):
        load_zero_shot(str(models / "clip"), labels, templates)


def slow_ranks(images: np.ndarray, captions: np.ndarray, owners: list[int]) -> tuple[list[int], list[int]]:
    """Counted one by one."""
    scores = images @ captions.T
    of_images, of_captions = [], []
    for image in range(len(images)):
        best = max(scores[image, text] for text, owner in enumerate(owners) if owner == image)
        of_images.append(sum(scores[image, text] >= best for text, owner in enumerate(owners) if owner != image))
    for text, owner in enumerate(owners):
        of_captions.append(sum(scores[image, text] >= scores[owner, text] for image in range(len(images))) - 1)
    return of_images, of_captions


def test_ranks_against_a_loop() -> None:
    chance = np.random.default_rng(0)
    owners = [0, 0, 1, 2, 3, 3, 3, 4]
    for _ in range(5):
        images, captions = chance.integers(-1, 2, (5, 3)), chance.integers(-1, 2, (8, 3))  # with equal scores
        found = ranks(torch.tensor(images).double(), torch.tensor(captions).double(), torch.tensor(owners))
        assert tuple(each.tolist() for each in found) == slow_ranks(images, captions, owners)


def test_retrieval(models: Path, tmp_path: Path) -> None:
    captions = [["one", "a first"], ["two"], ["three"], ["four, 4"], ["five"], ["six"], ["seven", "7", "VII"]]
    data, images = pictures(tmp_path / "data", captions)
    report = sweep(load_image_text(str(models / "clip")), data, [8], batch_size=3, progress=False)
    processor, texts = AutoProcessor.from_pretrained(models / "clip"), [text for each in captions for text in each]
    owners = [number for number, each in enumerate(captions) for _ in each]
    for row, r in zip(report.rows, (0, 8), strict=True):
        plain = apply_tome(CLIPModel.from_pretrained(models / "clip").eval(), r=r)
        with torch.no_grad():
            out = plain(**processor(text=texts, images=images, return_tensors="pt", padding=True))
        of_images, of_captions = slow_ranks(out.image_embeds.double().numpy(), out.text_embeds.double().numpy(), owners)
        assert row.metric == np.mean(np.array(of_images) < 1)
        expected = [np.mean(np.array(of_images) < 5), *(np.mean(np.array(of_captions) < top) for top in (1, 5))]
        assert list(row.more.values()) == expected
        assert row.kl is not None
    assert (report.metric, report.task, report.samples) == ("text R@1", "image-text-retrieval", 7)


def sounds(folder: Path) -> Path:
    folder.mkdir()
    rows = ["file_name,transcription"]
    for number, seconds in enumerate((0.5, 1.5, 0.02, 1.0)):
        noise = np.random.default_rng(number).normal(0, 0.1, int(seconds * 16000))
        write_sound(folder / f"{number}.wav", tone(seconds, 16000, 300 * (number + 1)) + noise, 16000)
        rows.append(f"{number}.wav,It is number {number}!")
    (folder / "metadata.csv").write_text("\n".join(rows))
    return folder


def test_transcription_by_whisper(models: Path, tmp_path: Path) -> None:
    data, processor = sounds(tmp_path / "data"), AutoProcessor.from_pretrained(models / "whisper")
    speaker = load_transcriber(str(models / "whisper"))
    report = sweep(speaker, data, [ToMeConfig(r=30)], batch_size=3, progress=False)
    task, texts = task_of(speaker, data), []
    for row, r in zip(report.rows, (0, 30), strict=True):
        plain = apply_tome(WhisperForConditionalGeneration.from_pretrained(models / "whisper").eval(), r=r)
        waves = [task.samples.read(number) for number in range(4)]
        inputs = [processor(wave, sampling_rate=16000, return_tensors="pt") for wave in waves]
        texts.append([processor.batch_decode(plain.generate(**each), skip_special_tokens=True)[0] for each in inputs])
        right = [task.samples.said[number][0] for number in range(4)]
        score = WordErrorRate().compute(predictions=texts[-1], references=right) or {}
        assert row.metric == pytest.approx(score["wer"])
        unmerged = [" ".join(words_of(text)) for text in texts[0]]
        if any(unmerged):
            changed = (WordErrorRate().compute(predictions=texts[-1], references=unmerged) or {})["wer"]
            assert row.more["words changed"] == pytest.approx(changed)
        assert row.agreement == np.mean([words_of(a) == words_of(b) for a, b in zip(texts[-1], texts[0], strict=True)])
        assert row.kl is None
    assert report.rows[1].token_counts == [100, 70, 40]


def test_a_long_sound_is_heard_to_its_end(models: Path) -> None:
    speaker = load_transcriber(str(models / "whisper"))  # its window is two seconds
    wave = np.random.default_rng(0).normal(0, 0.1, 80000).astype(np.float32)
    short, long = (speaker.output(speaker.model, speaker.inputs([part])) for part in (wave[:32000], wave))
    assert long.shape[1] > short.shape[1]


def test_padding_changes_no_word_of_wav2vec2(models: Path, tmp_path: Path) -> None:
    data, speaker = sounds(tmp_path / "data"), load_transcriber(str(models / "wav2vec2"))
    apply_tome(speaker.model, r=0)
    waves = [task_of(speaker, data).samples.read(number) for number in range(4)]
    with torch.no_grad():
        together = speaker.texts(speaker.output(speaker.model, speaker.inputs(waves)))
        alone = [speaker.texts(speaker.output(speaker.model, speaker.inputs([wave])))[0] for wave in waves]
        plain = Wav2Vec2ForCTC.from_pretrained(models / "wav2vec2").eval()
        first = plain(**speaker.inputs(waves[:1])).logits.argmax(-1)
    assert together == alone
    assert speaker.texts(first) == alone[:1]


@pytest.mark.parametrize(("kind", "load"), [("clip", load_transcriber), ("whisper", load_image_text)])
def test_a_model_for_another_task_is_refused(kind: str, load: object, models: Path) -> None:
    with pytest.raises(ToMeError, match=f"model type {kind}"):
        load(str(models / kind))  # pyright: ignore
    with pytest.raises(ToMeError, match="know several"):
        load_transcriber(str(models / "whisper"), language="en")
