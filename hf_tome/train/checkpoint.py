"""Checkpoints of a training: which one is whole, and how its weights come back into a model."""

from __future__ import annotations

import copy
import json
from pathlib import Path

from transformers import PreTrainedModel
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR
from transformers.utils import SAFE_WEIGHTS_INDEX_NAME, SAFE_WEIGHTS_NAME

from hf_tome.errors import ToMeValueError, complaint


def last_checkpoint(folder: str | Path) -> str | None:
    """The latest whole checkpoint that a Trainer wrote into `folder`, or None where there is none.

    A process that is killed while it saves leaves half a checkpoint, which transformers' own search may return. The
    Trainer writes `trainer_state.json` last, so that a checkpoint with a readable one is whole.
    """
    steps = {path: path.name.rpartition("-")[2] for path in Path(folder).glob(f"{PREFIX_CHECKPOINT_DIR}-*")}
    whole = [path for path, step in steps.items() if step.isdecimal() and _has_state(path)]
    return str(max(whole, key=lambda path: int(steps[path]))) if whole else None


def _has_state(checkpoint: Path) -> bool:
    try:
        json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return True


def holds_weights(folder: str | Path) -> bool:
    """Whether `save_pretrained` wrote a model there, in one file or in shards."""
    return any((Path(folder) / name).is_file() for name in (SAFE_WEIGHTS_NAME, SAFE_WEIGHTS_INDEX_NAME))


def restore_weights(model: PreTrainedModel, folder: str | Path) -> None:
    """Load into `model`, in place, the weights that `save_pretrained` wrote into `folder`.

    `save_pretrained` writes weights under the names of earlier versions of transformers (`save_original_format`).
    `from_pretrained` translates them back; `load_state_dict`, which the Trainer calls, does not.

    Raises:
        ToMeValueError: if the folder does not hold every weight of the model in its shape. The model is unchanged.
    """
    saved, report = type(model).from_pretrained(
        folder,
        config=copy.deepcopy(model.config),
        dtype=model.dtype,
        output_loading_info=True,
        ignore_mismatched_sizes=True,  # they are told below, with the missing ones
        local_files_only=True,
    )  # pyright: ignore[reportGeneralTypeIssues]
    wrong = sorted({*report["missing_keys"], *(str(key[0]) for key in report["mismatched_keys"])})
    if wrong:
        rule = f"A checkpoint must hold every weight of the {type(model).__name__}, in its shape."
        got = f"{folder} without {', '.join(wrong)}"
        raise ToMeValueError(complaint(rule, got, "Build the model as it was when the checkpoint was written."))
    model.load_state_dict(saved.state_dict())
