"""A trial: is a layer's forward the one that `direct` takes it for?"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.modules.module import _has_any_global_hook  # pyright: ignore[reportPrivateUsage]
from torch.utils._python_dispatch import _disable_current_modes
from transformers import PretrainedConfig

from hf_tome.config import ToMeConfig
from hf_tome.engine.attention import AttentionSite, eager_of
from hf_tome.engine.direct import Direct, Hooks, Make
from hf_tome.engine.state import Frame, LayerRecord
from hf_tome.families import Block

SIZES = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 24}
DROPOUT = {"hidden_dropout_prob": 0.25, "attention_probs_dropout_prob": 0.25}


def direct_of(block: Block, hooks: Hooks, kind: type[nn.Module], config: type[PretrainedConfig]) -> Direct | None:
    """How layers of class `kind` run in one go; None if they do more, or something else.

    Their own forward and that of `Direct` run on a small layer with active dropout, and must agree to the bit. So a
    version of transformers with another forward goes the general way. So does a class of a user's: none is built here.
    """
    if not kind.__module__.startswith("transformers.") or _has_any_global_hook():  # a trial must not be seen
        return None
    try:
        with torch.no_grad(), _disable_current_modes(), torch.device("cpu"), torch.random.fork_rng(devices=[]):
            small = config(**SIZES, **DROPOUT, attn_implementation="eager")  # pyright: ignore[reportCallIssue]
            layer = kind(small)
            for parameter in layer.parameters():
                parameter.normal_(std=0.5)  # those too that begin as 0 or 1
            direct = Direct(block, hooks, [])
            around = direct.split(layer)[1]
            makes = [(type(module), type(module).forward) for module in (layer, *around)]
            plain = all(type(module).__call__ is nn.Module.__call__ for module in around)  # these will not be called
            if plain and all(map(_from_transformers, makes)) and _agree(direct, layer, small):
                return Direct(block, hooks, makes)
    except (TypeError, ValueError, AttributeError, RuntimeError):  # it is built, or runs, in another way
        return None
    return None


def _agree(direct: Direct, layer: nn.Module, config: PretrainedConfig) -> bool:
    parts, x, outputs = direct.split(layer)[0], torch.randn(2, 5, config.hidden_size), []  # pyright: ignore
    recipe = ToMeConfig(r=0).recipe
    record = LayerRecord(0, 0, 1, 0, False, recipe, recipe.combine(0), config, "eager", None, False)
    site = AttentionSite(config, eager_of(parts.attention))
    for run in (layer, lambda x: direct.forward(parts, site, Frame(record, x), x)):
        torch.default_generator.manual_seed(0)  # that of the CPU alone
        outputs.append(run(x))
    return torch.equal(*outputs)


def _from_transformers(make: Make) -> bool:
    """Whether a class has a forward that is transformers' own, with nothing wrapped around it."""
    forward = make[1]
    modules = forward.__module__, forward.__globals__["__name__"]  # `functools.wraps` copies the first
    return all(name.startswith("transformers.") for name in modules)
