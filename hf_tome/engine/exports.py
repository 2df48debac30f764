"""Refuses exports that would be wrong, before they begin."""

from __future__ import annotations

import torch

from hf_tome.core.ops.exporting import exporting, tracing
from hf_tome.errors import UnsupportedModelError, complaint


def check_exporter() -> None:
    """Refuse the TorchScript exporter of ONNX: it silently makes constants of what depends on the batch.

    Raises:
        UnsupportedModelError: if it is at work.
    """
    if tracing() and torch.onnx.is_in_onnx_export():
        rule = "A merged model goes to ONNX by torch.export: the TorchScript exporter would write a wrong file."
        raise UnsupportedModelError(complaint(rule, "dynamo=False", "Call torch.onnx.export(model, ..., dynamo=True)."))


def check_length(tokens: int) -> None:
    """Refuse an export for any number of tokens.

    Raises:
        UnsupportedModelError: if that number is open.
    """
    if not isinstance(tokens, torch.SymInt) or not exporting():
        return
    from torch.fx.experimental.symbolic_shapes import is_concrete_int  # it imports sympy

    if not is_concrete_int(tokens):  # one that began open, and that the model has fixed, is still a SymInt
        rule = "An export is for one number of tokens, since that decides how many each layer merges."
        cure = "Leave the batch size alone dynamic, and export once for each length of input."
        raise UnsupportedModelError(complaint(rule, "inputs of a dynamic length", cure))
