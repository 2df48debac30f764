"""Data sets that vary what they give, so that a resumed training sees the same."""

from __future__ import annotations

import numpy as np
import torch
from torch.utils.data import Dataset


class Drawn(Dataset):
    """What is drawn at random depends on the seed, the epoch and the row alone.

    Args:
        seed: None: nothing is drawn.
    """

    def __init__(self, seed: int | None) -> None:
        self.seed = seed
        self.epoch = torch.zeros((), dtype=torch.int64).share_memory_()  # workers may outlive an epoch

    def set_epoch(self, epoch: int) -> None:
        """Called by the Trainer's loader."""
        self.epoch.fill_(epoch)

    def chance(self, index: int) -> np.random.Generator | None:
        """What a row draws from in this epoch."""
        return None if self.seed is None else np.random.default_rng((self.seed, int(self.epoch), index))
