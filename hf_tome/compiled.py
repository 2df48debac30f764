"""Regional compilation: the layers of a patched model compiled once for any number of tokens."""

from __future__ import annotations

from typing import Any, TypeVar

from hf_tome.api import module_of
from hf_tome.engine.patch import sites_in
from hf_tome.errors import NotPatchedError, complaint

Model = TypeVar("Model")


def compile(model: Model, **options: Any) -> Model:
    """Compile the layers of a patched model by `torch.compile`, in place.

    Each layer of a patched model has another number of tokens, and `torch.compile(model)` writes kernels for each of
    them. Here the layers share graphs for any number of tokens, any batch size and any r: two or three graphs at any
    depth. What stands around the layers runs as before.

    The layers compile at the first forward. `torch.compiler.set_stance("force_eager")` runs them uncompiled; copies
    and what `torch.save` writes are uncompiled.

    Args:
        model: what `apply_tome` has patched.
        **options: of `torch.compile`, such as `mode` or `backend`; `dynamic=True` is the default.

    Returns:
        The same model or pipeline.

    Raises:
        NotPatchedError: if no tower of `model` is patched.
        ToMeTypeError: if `model` is neither a torch module nor a pipeline.
    """
    sites = sites_in(module_of(model))
    if not sites:
        cure = "Call apply_tome first; torch.compile is enough for the plain model."
        raise NotPatchedError(complaint("hf_tome.compile takes a patched model.", type(model).__name__, cure))
    for site in sites:
        for layer in site.layers:
            layer.compile(**{"dynamic": True, **options})
    return model
