"""transformers' Trainer with two faults fixed, and with the numbers of merging in its log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, Trainer

from hf_tome.train.callback import ToMeCallback
from hf_tome.train.card import add_tome_to_card
from hf_tome.train.checkpoint import holds_weights, last_checkpoint, restore_weights

SINGLE_LABEL = (torch.long, torch.int)


class ToMeTrainer(Trainer):
    """A Trainer for models that merge tokens: write `ToMeTrainer` where a script has `Trainer`.

    - `resume_from_checkpoint` and `load_best_model_at_end` load the weights of the checkpoint. transformers 5.10 to
      5.23 writes those of ViT, DeiT, AST and VideoMAE (the last from a version after 5.17) under older names, does not
      find them again, and goes on with a warning.
    - The loss for several labels is the mean, whatever `gradient_accumulation_steps` and the number of processes are.
      transformers multiplies it by both.
    - `ToMeCallback` logs r, tokens per layer, samples and tokens per second and the share of time that waits for data.
      One of your own in `callbacks` takes its place.
    - `create_model_card` and `push_to_hub` write the settings of merging into the model card, and how to load the model
      with them.

    For a Trainer of your own, put it first: `class MyTrainer(ToMeTrainer, TheirTrainer)`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        own: Any = self.pop_callback(ToMeCallback)
        (own or ToMeCallback()).attach(self)

    def train(self, resume_from_checkpoint: str | bool | None = None, *args: Any, **kwargs: Any) -> Any:
        """As `Trainer.train`; True takes the last checkpoint that was written to its end."""
        if resume_from_checkpoint is True:
            resume_from_checkpoint = last_checkpoint(str(self.args.output_dir)) or True
        return super().train(resume_from_checkpoint, *args, **kwargs)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        if not self._restores(resume_from_checkpoint):
            super()._load_from_checkpoint(resume_from_checkpoint, model)

    def _load_best_model(self) -> None:
        if not self._restores(self.state.best_model_checkpoint):
            super()._load_best_model()

    def _restores(self, folder: str | None) -> bool:
        """Load the weights in `folder` into the model and return True; False where the Trainer itself loads them.

        FSDP and DeepSpeed keep checkpoints of their own, with the model's own names; adapters have their own loader.
        """
        model = self.accelerator.unwrap_model(self.model, keep_torch_compile=False)
        elsewhere = self.is_fsdp_enabled or self.is_deepspeed_enabled or getattr(model, "_hf_peft_config_loaded", False)
        if elsewhere or not isinstance(model, PreTrainedModel) or not folder or not holds_weights(folder):
            return False
        restore_weights(model, folder)
        return True

    def _get_num_items_in_batch(self, batch_samples: list, device: torch.device) -> Tensor | int | None:
        """None where the model's loss is a plain mean, so that the Trainer treats it as one.

        The number of items says that the loss is a sum divided by it. Of transformers' classification losses only that
        for single labels is: those for several labels and for regression ignore it and give the mean of their batch,
        which the Trainer then neither divides by the accumulation steps nor leaves as it is on several devices.
        """
        if self.compute_loss_func is None and batch_samples and self._loss_is_mean(batch_samples[0]):
            return None
        return super()._get_num_items_in_batch(batch_samples, device)

    def _loss_is_mean(self, batch: dict[str, Any]) -> bool:
        labels, config = batch.get("labels"), getattr(self.model, "config", None)
        kind = getattr(config, "problem_type", None)
        if kind is not None or not isinstance(labels, Tensor):
            return kind in ("multi_label_classification", "regression")
        return getattr(config, "num_labels", None) == 1 or labels.dtype not in SINGLE_LABEL

    def merge_adapters(self) -> None:
        """After a training of adapters by PEFT: make them part of the weights, so that the model is a plain one."""
        model: Any = self.model
        if hasattr(model, "merge_and_unload"):
            self.model = self.model_wrapped = model.merge_and_unload()

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """As `Trainer.create_model_card`, with the settings of merging."""
        super().create_model_card(*args, **kwargs)
        if self.is_world_process_zero():
            path = Path(str(self.args.output_dir)) / "README.md"
            add_tome_to_card(path, self.model, self.args.hub_model_id)  # pyright: ignore
