"""Greedy matching: the best pair of all, again and again (ToMe, table 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from hf_tome.core.plan import MergePlan

if TYPE_CHECKING:
    from hf_tome.core.options.candidates import Candidates


def greedy(candidates: Candidates) -> MergePlan:
    """r times, merge the most similar pair of tokens that no earlier pair has. Holds all scores, and takes r steps."""
    batch, tokens = candidates.metric.shape[:2]
    places = candidates.rows(candidates.places)
    scores = candidates.scores(places, places)  # (batch, tokens, tokens)
    closed = torch.ones(tokens, tokens, dtype=torch.bool, device=scores.device).tril()  # itself, and each pair once
    closed[: candidates.protected] = True
    padded = candidates.padded
    if padded is not None:
        scores = scores.masked_fill(padded[:, None] | padded[:, :, None], torch.inf)  # padding goes first
    scores = scores.masked_fill(closed, -torch.inf)
    joiners, onto = [], []
    for _ in range(candidates.r):
        pair = scores.flatten(1).argmax(dim=1, keepdim=True)  # (batch, 1)
        first, second = pair // tokens, pair % tokens
        if padded is not None:  # a real token never joins padding
            turn = padded.gather(1, first) & ~padded.gather(1, second)
            first, second = torch.where(turn, second, first), torch.where(turn, first, second)
        joiners.append(second)
        onto.append(first)
        used = torch.zeros(batch, tokens, dtype=torch.bool, device=scores.device)
        used = used.scatter_(1, first, True).scatter_(1, second, True)
        scores = scores.masked_fill(used[:, None] | used[:, :, None], -torch.inf)
    return MergePlan.joining(torch.cat(joiners, dim=1), torch.cat(onto, dim=1), tokens)
