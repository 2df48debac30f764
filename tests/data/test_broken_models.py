"""Folders of models that are not whole, or not what is asked for: errors name the folder, the rule and the cure."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from cases import SMALL_VIT
from own_data import saved
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import SwinConfig, SwinForImageClassification

from hf_tome import ToMeError
from hf_tome.data.classifier import load_classifier
from hf_tome.show.look import look

CONFIG, WEIGHTS, PROCESSOR = "config.json", "model.safetensors", "preprocessor_config.json"
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935\nsize 12345\n"
Change = Callable[[Path], Any]


def text(name: str, content: str) -> Change:
    return lambda folder: (folder / name).write_text(content)


def without(name: str) -> Change:
    return lambda folder: (folder / name).unlink()


def fields(name: str, **values: Any) -> Change:
    return lambda folder: (folder / name).write_text(json.dumps({**json.loads((folder / name).read_text()), **values}))


def weights(change: Callable[[dict[str, torch.Tensor]], Any]) -> Change:
    def changed(folder: Path) -> None:
        tensors = load_file(folder / WEIGHTS)
        change(tensors)
        save_file(tensors, folder / WEIGHTS, {"format": "pt"})

    return changed


def drop(*parts: str) -> Change:
    return weights(lambda all_: [all_.pop(key) for key in [*all_] if any(part in key for part in parts)])


def cut(folder: Path) -> None:
    whole = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(whole[: len(whole) // 2])


def shards(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS)
    index = {"metadata": {}, "weight_map": dict.fromkeys(tensors, "model-00001-of-00001.safetensors")}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / WEIGHTS).unlink()


def swin(folder: Path) -> None:
    shutil.rmtree(folder)
    sizes = {"image_size": 32, "embed_dim": 8, "depths": [1], "num_heads": [1]}
    SwinForImageClassification(SwinConfig(**sizes)).save_pretrained(folder)


def a_file(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_text("")


def empty(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


KINDS: dict[str, tuple[Change, str]] = {  # and a word that the error says
    "no folder": (shutil.rmtree, "no folder"),
    "a file": (a_file, "no folder"),
    "an empty folder": (empty, "config.json"),
    "no config": (without(CONFIG), "config.json"),
    "an empty config": (text(CONFIG, ""), "config.json"),
    "a config that is cut": (text(CONFIG, '{"model_type": "vit", '), "config.json"),
    "a config that is a list": (text(CONFIG, "[]"), "model"),
    "a config without a type": (text(CONFIG, "{}"), "model_type"),
    "a config of an unknown type": (fields(CONFIG, model_type="nothing"), "nothing"),
    "a config that git-lfs has not fetched": (text(CONFIG, POINTER), "git lfs pull"),
    "a model that cannot be merged, without a processor": (swin, "swin"),
    "a config with text for a number": (fields(CONFIG, hidden_size="wide"), "hidden_size"),
    "a config with none for a number": (fields(CONFIG, num_hidden_layers=None), "num_hidden_layers"),
    "a width that heads do not divide": (fields(CONFIG, num_attention_heads=5), "mismatched_sizes"),
    "no width": (fields(CONFIG, hidden_size=0), "model"),
    "no patches": (fields(CONFIG, patch_size=0), "model"),
    "an unknown activation": (fields(CONFIG, hidden_act="nothing"), "nothing"),
    "classes that are no dict": (fields(CONFIG, id2label=5), "model"),
    "classes that are no numbers": (fields(CONFIG, id2label={"a": "b", "c": "d"}), "model"),
    "settings of merging that are none": (fields(CONFIG, tome=5), "settings"),
    "settings of merging with a wrong r": (fields(CONFIG, tome={"r": "many"}), "many"),
    "a head for regression": (fields(CONFIG, problem_type="regression"), "regression"),
    "a head with one output": (fields(CONFIG, id2label={"0": "size"}, label2id={"size": 0}), "1 output"),
    "no weights": (without(WEIGHTS), "model.safetensors"),
    "empty weights": (text(WEIGHTS, ""), "model.safetensors"),
    "weights that are text": (text(WEIGHTS, "<html>Not found</html>" * 50), "model.safetensors"),
    "weights that are cut": (cut, "download"),
    "weights that git-lfs has not fetched": (text(WEIGHTS, POINTER), "git lfs pull"),
    "a missing shard": (shards, "model-00001-of-00001"),
    "an index that is cut": (lambda folder: (shards(folder), text(f"{WEIGHTS}.index.json", "{")(folder)), "index"),
    "weights of another size": (fields(CONFIG, hidden_size=96, intermediate_size=7), "model"),
    "weights without the head": (drop("classifier"), "classifier"),
    "weights without a layer": (drop("layer.1."), "layer"),
    "weights with other names": (drop(""), "model"),
    "no processor": (without(PROCESSOR), "preprocessor_config.json"),
    "an empty processor": (text(PROCESSOR, ""), "preprocessor_config.json"),
    "a processor that is a list": (text(PROCESSOR, "[]"), "model"),
    "a processor of an unknown type": (fields(PROCESSOR, image_processor_type="Nothing"), "model"),
    "a processor that git-lfs has not fetched": (text(PROCESSOR, POINTER), "git lfs pull"),
    "a processor of sounds": (text(PROCESSOR, '{"feature_extractor_type": "ASTFeatureExtractor"}'), "model"),
    "a processor of another size": (fields(PROCESSOR, size={"height": 16, "width": 16}), "processor"),
    "a processor without a size": (fields(PROCESSOR, size=None), "model"),
    "a processor with four means": (fields(PROCESSOR, image_mean=[0.5] * 4, image_std=[0.5] * 4), "model"),
    "a model of four channels": (lambda folder: four_channels(folder), "channel"),
}


def four_channels(folder: Path) -> None:
    SMALL_VIT.build(num_channels=4).save_pretrained(folder)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(SMALL_VIT, tmp_path_factory.mktemp("whole"))


def use(folder: Path) -> None:
    classifier = load_classifier(str(folder))
    look(classifier, classifier.read(Image.effect_noise((40, 30), 60)), 2)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", KINDS)
def test_the_error_says_what_is_wrong(name: str, whole: Path, tmp_path: Path) -> None:
    change, word = KINDS[name]
    folder = tmp_path / "model"
    shutil.copytree(whole, folder)
    change(folder)
    with pytest.raises(ToMeError) as caught:
        use(folder)
    said = str(caught.value)
    assert "Got: " in said
    assert word in said, said
    assert said.count(". ") >= 2  # a rule, what was got, a cure


def test_the_whole_folder_is_read(whole: Path) -> None:
    use(whole)
