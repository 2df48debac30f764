"""A small LLaVA on a frozen DINOv2: it answers questions about scenes. The tower runs before, once for each scene."""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_model, save_model
from torch import Tensor, nn
from transformers import (
    Dinov2Config,
    Dinov2Model,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
)
from transformers.modeling_outputs import BaseModelOutputWithPooling

from benchmarks.recorded.small_vlm_scenes import ID, IMAGE, WORDS, Scene, pixels_of
from hf_tome import apply_tome, trace_tome
from hf_tome.vlm.methods import METHODS, Item
from hf_tome.vlm.reduction import Reduction

TOWER_LAYERS, WIDTH, PATCH = 6, 384, 14  # of a ViT-S/14; its first half knows shapes and edges best
SIDES = (140, 98, 70)  # pixels: 100, 49 and 25 visual tokens
OFTEN = (0.6, 0.2, 0.2)  # share of each in training
STEPS, BATCH, RATE, WARM, KEPT = 1000, 32, 1e-3, 80, 100
TOGETHER = 100  # questions in a batch


class Recorded(nn.Module):
    """In the place of a vision tower: it gets what that gave."""

    def forward(self, pixel_values: Tensor, **_: Any) -> BaseModelOutputWithPooling:
        return BaseModelOutputWithPooling(last_hidden_state=pixel_values, hidden_states=(pixel_values,))  # pyright: ignore


class Whole(nn.Module):
    """A vision tower that tells what its class token attends to."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixel_values: Tensor, **_: Any) -> BaseModelOutputWithPooling:
        output = self.model(pixel_values, output_attentions=True)
        x = output.last_hidden_state
        return BaseModelOutputWithPooling(last_hidden_state=x, hidden_states=(x,), attentions=output.attentions)  # pyright: ignore


def tower(folder: Path, attention: str = "sdpa") -> Any:
    """The first layers of a pretrained DINOv2."""
    return Dinov2Model.from_pretrained(folder, num_hidden_layers=TOWER_LAYERS, attn_implementation=attention).eval()


def around(model: Any, tower: Any) -> Any:
    """The trained model with its tower in place, whose class token it leaves out, as LLaVA does with CLIP's."""
    model = copy.deepcopy(model)
    model.model.vision_tower = Whole(tower)
    model.config.vision_feature_select_strategy = "default"
    return model


@torch.inference_mode()
def encoded(model: Any, shown: list[Scene], side: int, r: int = 0) -> tuple[Tensor, list[int]]:
    """Patches (scenes, tokens, channels) in float16 as a tower gives them that merges r tokens a layer; its counts."""
    apply_tome(model, r=r)
    found = []
    with trace_tome(model) as trace:
        for first in range(0, len(shown), 50):
            output = model(pixels_of(shown[first : first + 50], side))
            found.append(output.last_hidden_state[:, 1:].half())
    return torch.cat(found), trace.token_counts


def small_llava() -> Any:
    """2 million weights beside the tower, and none of that."""
    torch.manual_seed(0)
    text = LlamaConfig(
        vocab_size=len(WORDS), hidden_size=160, intermediate_size=432, num_hidden_layers=5, num_attention_heads=5,
        max_position_embeddings=512, pad_token_id=ID["<pad>"], bos_token_id=ID["<s>"], eos_token_id=ID["</s>"],
    )  # fmt: skip
    config = LlavaConfig(
        vision_config=Dinov2Config(hidden_size=WIDTH, num_hidden_layers=1),
        text_config=text,
        image_token_index=ID[IMAGE],
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
    )
    model = LlavaForConditionalGeneration(config)
    model.model.vision_tower = Recorded()  # pyright: ignore
    model.generation_config.eos_token_id = None
    return model


def prompt(seen: Tensor, questions: list[list[int]]) -> dict[str, Tensor]:
    """Inputs for one question a scene, of which a tower gave features, or which a tower is to see in pixels."""
    tokens = seen.shape[1] if seen.ndim == 3 else (seen.shape[-1] // PATCH) ** 2
    ids = [[ID["<s>"], *[ID[IMAGE]] * tokens, *question] for question in questions]
    made = torch.tensor(ids)
    return {"pixel_values": seen.float(), "input_ids": made, "attention_mask": torch.ones_like(made)}


def trained(file: Path, shown: dict[int, list[Scene]], features: dict[int, Tensor]) -> Any:
    """The model, trained on all questions of each scene in random order. A run that was stopped goes on.

    Args:
        file: where it is kept.
        shown: scenes for each of `SIDES`.
        features: of them.
    """
    model = small_llava()
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.02)
    kept = sorted(file.parent.glob(f"{file.stem}-*.safetensors"))
    begin = 0
    if kept:
        load_model(model, kept[-1])
        begin = int(kept[-1].stem.rpartition("-")[2])
    model.train()
    for step in range(begin, STEPS):
        draw = random.Random(step)
        optimizer.zero_grad()
        loss = model(**_batch(draw, shown, features)).loss
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.param_groups[0]["lr"] = RATE * min(1, (step + 1) / WARM) * (1 + math.cos(math.pi * step / STEPS)) / 2
        optimizer.step()
        if (step + 1) % KEPT == 0:
            save_model(model, str(file.with_stem(f"{file.stem}-{step + 1:05}")))
        if (step + 1) % 50 == 0:
            print(f"step {step + 1} of {STEPS}: loss {loss.item():.3f}", flush=True)
    return model.eval()


def _batch(draw: random.Random, shown: dict[int, list[Scene]], features: dict[int, Tensor]) -> dict[str, Tensor]:
    """Scenes of one size with all their questions and answers; the loss is of the answers."""
    side = draw.choices(SIDES, OFTEN)[0]
    numbers = draw.choices(range(len(shown[side])), k=BATCH)
    x = features[side][numbers].float()
    ids, labels = [], []
    for number in numbers:
        turns = shown[side][number].turns()
        begin = [ID["<s>"], *[ID[IMAGE]] * x.shape[1]]
        ids.append(list(begin))
        labels.append([-100] * len(begin))
        for question, answer in draw.sample(turns, len(turns)):
            ids[-1] += [*question, *answer]
            labels[-1] += [*[-100] * len(question), *answer]
    made = torch.tensor(ids)
    return {
        "pixel_values": x, "input_ids": made, "attention_mask": torch.ones_like(made), "labels": torch.tensor(labels),
    }  # fmt: skip


def answered(model: Any, seen: Tensor, questions: list[list[int]], change: Callable[[Any], Any]) -> np.ndarray:
    """(scenes, 3) ids of the answers to one question a scene, greedily, from inputs that are changed before."""
    found = []
    with torch.inference_mode():
        for first in range(0, len(questions), TOGETHER):
            span = slice(first, first + TOGETHER)
            short = change(prompt(seen[span], questions[span]))
            sequences = model.generate(**short, max_new_tokens=3, do_sample=False)
            found.append(sequences[:, short["input_ids"].shape[1] :])
    return torch.cat(found).numpy()


def answered_with_sizes(model: Any, features: Tensor, questions: list[list[int]], keep: float) -> np.ndarray:
    """The same of merged tokens, where the log of a group's size is added to what each token pays to it."""
    found, embed = [], model.get_input_embeddings()
    for x, question in zip(features, questions, strict=True):
        rows, reduction = reduced(model, x, keep)
        log_sizes, ids = torch.bincount(reduction.groups).log(), list(question)  # pyright: ignore
        with torch.inference_mode():
            for _ in range(3):
                words = embed(torch.tensor([ID["<s>"], *ids]))
                both = torch.cat([words[:1], reduction.apply(rows), words[1:]])[None]
                mask = torch.full((both.shape[1],) * 2, -torch.inf).triu(1)
                mask[:, 1 : 1 + len(log_sizes)] += log_sizes
                logits = model(inputs_embeds=both, attention_mask=mask[None, None]).logits
                ids.append(int(logits[0, -1].argmax()))
        found.append(ids[len(question) :])
    return np.array(found)


@torch.inference_mode()
def reduced(model: Any, x: Tensor, keep: float) -> tuple[Tensor, Reduction]:
    """The visual tokens (tokens, channels) of a scene, and how `shorten` merges them."""
    rows = model.get_image_features(x[None].float()).pooler_output[0]
    item = Item(rows, round(keep * len(rows)), None, rows.new_empty(len(rows)), torch.Generator())
    return rows, METHODS["merge"](item)
