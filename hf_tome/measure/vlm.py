"""What a question about an image costs: the vision tower, the first token of the answer, those after it, the cache."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch

from hf_tome.api import apply_tome
from hf_tome.core.macs import decoder_macs, encoder_macs
from hf_tome.families import tower_in
from hf_tome.measure.compare import Inputs, time_rounds, twin
from hf_tome.measure.row import Row, pair
from hf_tome.measure.table import speed
from hf_tome.trace import trace_tome
from hf_tome.vlm import shorten

ANSWER = 32  # tokens


@dataclass
class VlmRow(Row):
    """One way to ask: r of the tower, and the share of visual tokens for the language model.

    `seconds`, `macs` and what follows from them are of the whole: tower and answer.

    Attributes:
        keep: as `shorten` takes it.
        prompt: tokens of the prompt, words too.
        tower: seconds of `shorten`: tower, connector and the choice of tokens; round by round.
        first: seconds of the language model up to the first token of the answer.
        rest: seconds of the 32 tokens after it.
        cache_bytes: keys and values of the prompt.
    """

    keep: float = 1.0
    prompt: int = 0
    tower: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    rest: list[float] = field(default_factory=list)
    cache_bytes: int = 0


@torch.inference_mode()
def measure_vlm(
    model: Any,
    inputs: Inputs,
    keeps: Sequence[float] = (1.0, 0.5, 0.25),
    r: Any = None,
    *,
    rounds: int = 3,
) -> list[VlmRow]:
    """Time a question with a plain and a merged tower, and with each share of its visual tokens, in turn.

    The language model sees no difference between the two towers, so its times are taken once for each share.

    Args:
        model: a vision-language model that `shorten` takes; comes back as it came.
        inputs: a prompt with one image, on the model's device.
        keeps: as `shorten` takes them. All are compared with the first.
        r: of the merged tower, as `apply_tome` takes it; None for a value to begin with, see `hf-tome families`.
        rounds: how often each runs.

    Returns:
        A row for each of `keeps` with the plain tower, then with the merged one.
    """
    plain, unmerged = twin(model), _tower_costs(apply_tome(twin(model), r=0), inputs)
    if r is None:
        counts, parts = unmerged[0], 4 if tower_in(plain)[1].positions else 2
        r = max(1, counts[0] // (parts * (len(counts) - 1)))
    merged = apply_tome(twin(model), r=r)
    prompts = [shorten(plain, inputs, keep) for keep in keeps]
    costs = [_answer_costs(plain, prompt) for prompt in prompts]
    rows, encode = [], []
    for each, tower, (counts, macs) in ((None, plain, unmerged), (r, merged, _tower_costs(merged, inputs))):
        for keep, cost in zip(keeps, costs, strict=True):
            own: dict[str, Any] = {**cost, "macs": macs + cost["macs"]}
            rows.append(VlmRow(each, batch=1, inputs=rounds, keep=keep, token_counts=counts, **own))
            encode.append(partial(shorten, tower, keep=keep))
    answer = [partial(_answer, plain, prompt, new) for prompt in prompts for new in (1, 1 + ANSWER)]
    for run in (*encode, *answer):
        run(inputs)  # warms up
    encoded, answered = (time_rounds(runs, inputs, rounds) for runs in (encode, answer))
    for place, row in enumerate(rows):
        row.tower, row.first, whole = encoded[place], *answered[2 * (place % len(keeps)) :][:2]
        row.rest = [b - a for a, b in zip(row.first, whole, strict=True)]
        row.seconds = [a + b for a, b in zip(row.tower, whole, strict=True)]
        row.mac_ratio = rows[0].macs / row.macs
    pair(rows)
    return rows


def _answer(model: Any, prompt: Inputs, new: int, _: Inputs) -> Any:
    """So many new tokens, greedily, whatever they say."""
    lengths = {"min_new_tokens": new, "max_new_tokens": new}
    return model.generate(**prompt, **lengths, do_sample=False, return_dict_in_generate=True)


def _tower_costs(merged: Any, inputs: Inputs) -> tuple[list[int], int]:
    """Tokens of the tower, layer by layer, and its multiply-adds for all images and tiles."""
    with trace_tome(merged) as trace:
        shorten(merged, inputs, 1.0)
    tower, family = tower_in(merged)
    return trace.token_counts, len(trace.sizes) * encoder_macs(trace.token_counts, *family.widths(tower.config))


def _answer_costs(model: Any, prompt: Inputs) -> dict[str, int]:
    """Length of the prompt, its cache, and multiply-adds of the language model for the whole answer."""
    cache = _answer(model, prompt, 1, {}).past_key_values
    bytes_ = sum(part.numel() * part.element_size() for layer in cache.layers for part in (layer.keys, layer.values))
    decoder, name = model.get_decoder(), "inputs_embeds" if "inputs_embeds" in prompt else "input_ids"
    tokens = prompt[name].shape[1]
    weights = sum(weight.numel() for weight in decoder.layers.parameters() if weight.ndim == 2)
    config, head = decoder.config, model.get_output_embeddings().weight.numel()
    width = len(decoder.layers) * config.num_attention_heads * cache.layers[0].keys.shape[-1]
    return {"prompt": tokens, "cache_bytes": bytes_, "macs": decoder_macs(tokens, ANSWER, weights, head, width)}


def vlm_table(rows: Sequence[VlmRow]) -> tuple[list[str], list[list[str]]]:
    """Header and cells: times are medians in seconds, the speed-up is that of paired rounds, with quartiles."""
    header = ["r", "keep", "prompt", "tower", "first", f"{ANSWER} more", "all", "speed-up", "MACs", "cache"]
    return header, [
        [
            "off" if row.r is None else str(row.r),
            str(row.keep),
            str(row.prompt),
            *(f"{statistics.median(part):.2f}" for part in (row.tower, row.first, row.rest, row.seconds)),
            speed(row),
            f"{row.mac_ratio:.2f}x",
            f"{row.cache_bytes / 2**20:.1f} MiB",
        ]
        for row in rows
    ]
