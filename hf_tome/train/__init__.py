"""Training with merging, on transformers' Trainer. Needs the extra `train`: `pip install "hf_tome[train]"`."""

from hf_tome.train.callback import ToMeCallback
from hf_tome.train.card import add_tome_to_card
from hf_tome.train.checkpoint import last_checkpoint, restore_weights
from hf_tome.train.trainer import ToMeTrainer

__all__ = [
    "ToMeCallback",
    "ToMeTrainer",
    "add_tome_to_card",
    "last_checkpoint",
    "restore_weights",
]
