"""Small models in place of the checkpoints that pages name, and the files of a user: so that snippets run offline."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import (
    ASTForAudioClassification,
    BitImageProcessorPil,
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    DepthAnythingConfig,
    DepthAnythingForDepthEstimation,
    Dinov2Config,
    Dinov2Model,
    DPTImageProcessorPil,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
    VideoMAEForVideoClassification,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessorPil,
)

from hf_tome.data.embedded import AST, CLIPS, SOUNDS, VIDEOMAE, embedded_images
from hf_tome.data.tiny import tiny_model

WIDTHS: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2}


def vit(folder: Path) -> None:
    config = ViTConfig(**{**WIDTHS, "num_hidden_layers": 12}, intermediate_size=64, image_size=32, patch_size=4)
    for each in (ViTForImageClassification(config), ViTImageProcessorPil(size={"height": 32, "width": 32})):
        each.save_pretrained(folder)


def dinov2(folder: Path) -> None:
    processor = BitImageProcessorPil(size={"shortest_edge": 56}, crop_size={"height": 56, "width": 56})
    for each in (Dinov2Model(Dinov2Config(**WIDTHS, image_size=56)), processor):
        each.save_pretrained(folder)


def depth_anything(folder: Path) -> None:
    stages: dict[str, Any] = {"out_indices": [1, 2, 3, 4], "reshape_hidden_states": False}
    encoder = Dinov2Config(**WIDTHS, **stages, image_size=56)
    sizes: dict[str, Any] = {"reassemble_hidden_size": 32, "neck_hidden_sizes": [8] * 4, "fusion_hidden_size": 8}
    model = DepthAnythingForDepthEstimation(DepthAnythingConfig(backbone_config=encoder, **sizes, head_hidden_size=8))
    processor = DPTImageProcessorPil(size={"height": 56, "width": 56}, ensure_multiple_of=14)
    for each in (model, processor):
        each.save_pretrained(folder)


def llava(folder: Path) -> None:
    words = {word: number for number, word in enumerate(["<pad>", "<s>", "</s>", "<image>", "<unk>", *"abcdefgh"])}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(WordLevel(words, unk_token="<unk>")),
        unk_token="<unk>", pad_token="<pad>", eos_token="</s>", additional_special_tokens=["<image>"],
        padding_side="left",
    )  # fmt: skip
    tokenizer.backend_tokenizer.pre_tokenizer = WhitespaceSplit()  # pyright: ignore[reportAttributeAccessIssue]
    images = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    processor = LlavaProcessor(images, tokenizer, 4, "default", num_additional_image_tokens=1)
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(**WIDTHS, intermediate_size=64, image_size=32, patch_size=4),
        text_config=LlamaConfig(**WIDTHS, intermediate_size=64, vocab_size=len(words), pad_token_id=0),
        image_token_index=words["<image>"],
    )
    for each in (LlavaForConditionalGeneration(config), processor):
        each.save_pretrained(folder)


def shipped(source: str, kind: Any, folder: Path) -> None:
    """A model of the package in float32, as checkpoints are: it is stored in half precision."""
    shutil.copytree(source, folder)
    kind.from_pretrained(source, dtype=torch.float32).save_pretrained(folder)


MADE: dict[str, Callable[[Path], Any]] = {
    "MCG-NJU/videomae-base-finetuned-kinetics": partial(shipped, VIDEOMAE, VideoMAEForVideoClassification),
    "MIT/ast-finetuned-audioset-10-10-0.4593": partial(shipped, AST, ASTForAudioClassification),
    "depth-anything/Depth-Anything-V2-Small-hf": depth_anything,
    "facebook/dinov2-base": dinov2,
    "google/vit-base-patch16-224": vit,
    "llava-hf/llava-1.5-7b-hf": llava,
    "openai/clip-vit-large-patch14-336": lambda folder: tiny_model("clip", folder),
    "openai/whisper-base": lambda folder: tiny_model("whisper", folder),
}


def offline(snippet: str, folder: Path) -> str:
    """The snippet with folders in place of names on the hub; what it needs is made there."""
    for number, (name, make) in enumerate(MADE.items()):
        if f'"{name}"' in snippet:
            path = folder / f"checkpoint-{number}"
            if not path.exists():
                torch.manual_seed(0)
                make(path)
            snippet = snippet.replace(f'"{name}"', repr(str(path)))
    return snippet


def own_files(folder: Path) -> None:
    """photo.jpg, sound.wav and clip.mp4."""
    import soundfile

    embedded_images()[0][0].save(folder / "photo.jpg")
    sound, rate = soundfile.read(min(SOUNDS.rglob("*.flac")))
    soundfile.write(folder / "sound.wav", sound, rate)
    shutil.copy(min(CLIPS.rglob("*.mp4")), folder / "clip.mp4")
