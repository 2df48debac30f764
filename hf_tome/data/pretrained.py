"""What a name on the hub, or a folder, holds: config, weights and processor, checked before any file is read."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import nn
from transformers import (
    AutoConfig,
    AutoFeatureExtractor,
    PretrainedConfig,
    VideoMAEImageProcessorPil,
    ViTConfig,
    ViTImageProcessorPil,
)

# The top-level name is a placeholder that raises where torchvision is missing, under transformers 5.10.
from transformers.models.auto.image_processing_auto import AutoImageProcessor
from transformers.video_processing_utils import BaseVideoProcessor

from hf_tome.api import apply_tome, remove_tome
from hf_tome.config import ToMeConfig
from hf_tome.data.fault import is_pointer
from hf_tome.data.hub import asking, may_be_on_hub
from hf_tome.errors import ToMeValueError, UnsupportedModelError, complaint
from hf_tome.families import FAMILIES, REFUSED, family_named

RULE = "A model is the hub name or the folder of a trained model with its processor."
SAVE = "Check the name, or save model and processor there with save_pretrained."
PROCESSORS = {  # a VideoMAE is fed by an image processor; its video processor would need torchvision
    "image": AutoImageProcessor,
    "video": AutoImageProcessor,
    "audio": AutoFeatureExtractor,
}


class PillowVideoProcessor(VideoMAEImageProcessorPil):
    """What a video processor does that needs torchvision, by Pillow and from the same file."""

    @classmethod
    def get_image_processor_dict(cls, *args: Any, **kwargs: Any) -> Any:
        """Read as a video processor does."""
        return BaseVideoProcessor.get_video_processor_dict(*args, **kwargs)


# By model type, where transformers has none without torchvision.
STAND_INS: dict[str, Any] = {"dinov3_vit": ViTImageProcessorPil, "vjepa2": PillowVideoProcessor}


def load_config(name: str) -> PretrainedConfig:
    """The config of a model. Raises UnsupportedModelError for those in `REFUSED`, else as `loaded`."""
    config = loaded(AutoConfig, name)
    if REFUSED.get(config.model_type) and not family_named(config.model_type):
        raise unsupported(name, config)
    return config


def unsupported(name: str, config: PretrainedConfig, needs: str = "") -> UnsupportedModelError:
    """The error for a model that cannot be merged, or that a command cannot use: `needs` says what it takes."""
    got, reason = f"{name} (model type {config.model_type})", REFUSED.get(config.model_type)
    if needs and not reason:
        cure = "apply_tome works on any model that holds a supported encoder; this command needs another."
        return UnsupportedModelError(complaint(needs, got, cure))
    rule = f"A model is of a supported family: {', '.join(family.model_type for family in FAMILIES)}."
    why = f"It cannot be merged: {reason}. " if reason else ""
    cure = f"{why}`hf-tome families` lists what works and why the rest does not."
    return UnsupportedModelError(complaint(rule, got, cure))


def load_model(
    auto: Any, name: str, attention: str | None = None, unread: str = "-", **options: Any
) -> tuple[Any, ToMeConfig | None]:
    """The model in float32, as its inputs are, and in eval mode; and the settings of merging that came with it.

    Args:
        auto: an auto class of transformers, or a class of models.
        name: on the hub, or a folder.
        attention: the attention implementation; None takes transformers' choice.
        unread: a part of the model that is not used, so that its weights may be missing.
        options: of `from_pretrained`.

    Raises:
        ToMeValueError: if it cannot be loaded, or the weights of its head are not there.
        UnsupportedModelError: if the model cannot be merged.
    """
    wanted = {"output_loading_info": True, "attn_implementation": attention, "dtype": "float32", **options}
    model, report = loaded(auto, name, **wanted)
    inside = f"{model.base_model_prefix}." if hasattr(model, model.base_model_prefix) else "-"  # where it has a head
    absent = {key: key.split(".") for key in sorted(report["missing_keys"])}
    with torch.no_grad():  # random weights would make each load another model
        for key in (key for key, parts in absent.items() if unread in parts):
            model.get_parameter(key).zero_()
    missing = [
        key for key, parts in absent.items()
        if unread not in parts and (not key.startswith(inside) or any(part.isdecimal() for part in parts))
    ]  # fmt: skip  # of an encoder, layers count: what is used in its training alone may be missing
    if missing:
        cure = "Train it for this first, or download it again: transformers gave it random weights there."
        raise ToMeValueError(complaint(RULE, f"{name}, which holds no {', '.join(missing)}", cure))
    remove_tome(apply_tome(model, r=0))  # refuse what cannot be merged before any file is read
    return model.eval(), saved_settings(model.config)


def saved_settings(config: PretrainedConfig) -> ToMeConfig | None:
    """The settings of merging that a checkpoint was saved with, or None. Raises as `ToMeConfig` if they are wrong."""
    saved = getattr(config, "tome", None)
    return None if saved is None else ToMeConfig.from_dict(saved)


def as_vit(config: PretrainedConfig) -> ViTConfig:
    """The config of the ViT that is the encoder of a ViTMAE, merged by default as the paper measured to be best for
    masked autoencoders: without proportional attention (ToMe, table 1)."""
    kept = {key: value for key, value in config.to_dict().items() if key not in ("model_type", "architectures")}
    return ViTConfig(**{"tome": {"r": 0, "prop_attn": False}, **kept})


def load_processor(name: str, modality: str, config: PretrainedConfig) -> Any:
    """The processor that makes inputs of media. Raises as `loaded`."""
    if Path(name).is_dir() and not any(Path(name).glob("*processor_config.json")):
        raise ToMeValueError(complaint(RULE, f"{name} without preprocessor_config.json", SAVE))
    return loaded(STAND_INS.get(config.model_type, PROCESSORS[modality]), name)


def placed(model: nn.Module, device: str | torch.device | None = None, dtype: str = "float32") -> Any:
    """The model, moved to a device and a dtype. Raises ToMeValueError if the device is not there.

    Without a device, it is moved to the first GPU, or to the CPU where there is none.
    """
    try:
        chosen = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        return model.to(chosen, getattr(torch, dtype))
    except (RuntimeError, AssertionError) as error:  # torch says which way it is missing
        reason = str(error).splitlines()[0]
        rule = "The device is one that this machine has."
        raise ToMeValueError(complaint(rule, f"{device} ({reason})", "For example cpu.")) from error


def loaded(auto: Any, name: str, **options: Any) -> Any:
    """What `from_pretrained` of a class of transformers loads, never with remote code. Raises ToMeValueError if it
    cannot be loaded."""
    if not Path(name).is_dir() and not may_be_on_hub(name):
        raise ToMeValueError(complaint(RULE, f"{name}, which is no folder", "Check the path."))
    try:
        with warnings.catch_warnings(), asking(name):
            warnings.filterwarnings("ignore", "At least one mel filter")  # true of AST's own 128 bins
            return auto.from_pretrained(name, trust_remote_code=False, **options)
    except Exception as error:  # broken files raise errors of many kinds
        reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        reason = reason.replace(f"{name}/", "").replace(name, "it")
        got, cure = _broken_file(Path(name)) or (f"{name} ({reason})", SAVE)
        raise ToMeValueError(complaint(RULE, got, cure)) from error


def _broken_file(folder: Path) -> tuple[str, str] | None:
    """The first file of a model that is not whole, and the cure."""
    if folder.is_dir() and not (folder / "config.json").is_file():
        return f"{folder} without config.json", SAVE
    for path in sorted(folder.glob("*")) if folder.is_dir() else ():
        if is_pointer(path):
            return f"{path}, a pointer of git-lfs", "Run `git lfs pull` in its folder."
        try:
            if path.suffix == ".safetensors":
                with safe_open(path, "pt"):
                    pass
            elif path.suffix == ".json":
                json.loads(path.read_text(encoding="utf-8"))
        except Exception as error:  # of safetensors, JSON or the file system
            return f"{path} ({error})", "It is not whole: download or save it again."
    return None
