"""`shortened`: a model that shortens its inputs by itself, inside a `with` block."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import wraps
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from hf_tome.api import module_of
from hf_tome.vlm.choice import Choice
from hf_tome.vlm.features import visual_model
from hf_tome.vlm.inputs import shorten

Model = TypeVar("Model")


@contextmanager
def shortened(model: Model, keep: float = 0.5, *, method: str = "merge", seed: int = 0) -> Iterator[Model]:
    """Inside a `with` block, every forward and `generate` of a model gets its inputs through `shorten`.

        with shortened(model, keep=0.5):
            model.generate(**inputs)

    The sequences that `generate` returns begin with the whole prompt. Afterwards the model is as it was, whatever
    happens. The arguments and errors are those of `shorten`; what it yields is the model.
    """
    Choice(keep, method, seed)
    module: Any = module_of(model)
    visual_model(module)
    names, generate, own = list(inspect.signature(module.forward).parameters), module.generate, vars(module)
    before = own.get("generate")

    def short_forward(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple, dict]:
        inputs = {**dict(zip(names, args, strict=False)), **kwargs}
        with_pixels = any(name.startswith("pixel_values") and inputs[name] is not None for name in inputs)
        return (), dict(shorten(module, inputs, keep, method=method, seed=seed)) if with_pixels else inputs

    @wraps(generate)
    def short_generate(inputs: Tensor | None = None, *args: Any, **kwargs: Any) -> Any:
        whole = kwargs if inputs is None else {**kwargs, "input_ids": inputs}
        short = shorten(module, whole, keep, method=method, seed=seed)
        out = generate(None, *args, **short)
        sequences = out if isinstance(out, Tensor) else out.sequences
        new = sequences[:, short["input_ids"].shape[1] if "input_ids" in short else 0 :]
        prompts = whole["input_ids"].repeat_interleave(len(new) // len(whole["input_ids"]), dim=0)
        sequences = torch.cat([prompts.to(new.device), new], dim=1)
        return sequences if isinstance(out, Tensor) else replace(out, sequences=sequences)

    handle = module.register_forward_pre_hook(short_forward, with_kwargs=True)
    own["generate"] = short_generate
    try:
        yield model
    finally:
        handle.remove()
        del own["generate"]
        if before is not None:
            own["generate"] = before
