"""Ways to merge tokens whose places turn their keys (rotary positions), on small DINOv3s. Writes results/rotary.md.

    python -m benchmarks.recorded.rotary RUNS FASHION_MNIST

Trains a DINOv3 and a DINOv2, which learns its positions, on Fashion-MNIST (Debian's `dataset-fashion-mnist`), some
minutes each; trained ones are kept in the folder RUNS. Then merges without training, and says how far the predictions
move: once as the package does it, then with one thing done otherwise.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any
from unittest.mock import patch

import torch
from rich.progress import track
from safetensors.torch import load_model, save_model
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import Dinov2Config, Dinov2Model, DINOv3ViTConfig, DINOv3ViTModel

from benchmarks.pages import ROOT, machine, write_block
from benchmarks.results import Results
from hf_tome import merged, trace_tome
from hf_tome.core.drift import agreement, kl
from hf_tome.core.macs import mac_ratio
from hf_tome.data.embedded import read_idx
from hf_tome.engine import attention, state
from hf_tome.families import widths_of
from hf_tome.measure.table import markdown

PAGE, RESULTS = ROOT / "docs/results/rotary.md", ROOT / "docs/results/data/rotary.json"
SHAPE: dict[str, Any] = {
    "hidden_size": 64,
    "num_hidden_layers": 4,
    "num_attention_heads": 2,
    "patch_size": 4,
    "image_size": 28,
    "num_channels": 1,
    "initializer_range": 0.06,  # the default of 0.02 is for wider models, and learns far slower here
}
KINDS: dict[str, Callable[[], nn.Module]] = {
    "dinov3": lambda: DINOv3ViTModel(DINOv3ViTConfig(**SHAPE, intermediate_size=256)),
    "dinov2": lambda: Dinov2Model(Dinov2Config(**SHAPE)),
}
R, TESTED, BATCH, STEPS = (4, 6, 8), 1000, 100, 600
MEAN, SPREAD = 0.286, 0.353  # of the training images


class Classifier(nn.Module):
    """An encoder with a linear head on its class token."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.tower = KINDS[kind]()
        self.head = nn.Linear(SHAPE["hidden_size"], 10)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.head(self.tower(pixel_values=pixels).last_hidden_state[:, 0])


def split(folder: Path, name: str) -> tuple[Tensor, Tensor]:
    """(images, 1, 28, 28) and labels of "train" or "t10k"."""
    images = torch.from_numpy(read_idx(folder / f"{name}-images-idx3-ubyte.gz").copy())[:, None]
    labels = torch.from_numpy(read_idx(folder / f"{name}-labels-idx1-ubyte.gz").copy())
    return (images / 255 - MEAN) / SPREAD, labels.long()


def trained(kind: str, seed: int, runs: Path, fashion: Path) -> Classifier:
    """A model that learned without merging."""
    torch.manual_seed(seed)
    model, file = Classifier(kind), runs / f"{kind}-{seed}.safetensors"
    if file.exists():
        load_model(model, file)
        return model.eval()
    images, labels = split(fashion, "train")
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=STEPS)
    for _ in track(range(STEPS), f"{kind}, seed {seed}"):
        batch = torch.randint(len(images), (BATCH,))
        cross_entropy(model(images[batch]), labels[batch]).backward()
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
    save_model(model, str(file))
    return model.eval()


def leaders(positions: Any, plan: Any, shares: Tensor) -> Any:
    """A group at the place of its leader."""
    return tuple(each.gather(1, plan.leaders[..., None].expand(-1, -1, each.shape[2])) for each in positions)


def phasors(positions: Any, plan: Any, shares: Tensor) -> Any:
    """A group at the mean angle of its members: cosine and sine at length 1 again."""
    cosine, sine = (plan.merge(each, shares) for each in positions)
    length = (cosine.square() + sine.square()).sqrt().clamp(min=1e-6)
    return cosine / length, sine / length


@contextmanager
def comparing_unturned_keys(model: nn.Module) -> Iterator[None]:
    """Tokens compared by their keys before they are turned."""
    kept: list[Tensor] = []
    layers = [module for name, module in model.named_modules() if name.endswith("k_proj")]
    hooks = [each.register_forward_hook(lambda _, __, output: kept.append(output)) for each in layers]

    def keys(*_: Any) -> Tensor:
        return kept[-1].unflatten(2, (SHAPE["num_attention_heads"], -1)).transpose(1, 2)

    with patch.object(attention, "compared_by", keys):
        yield
    for hook in hooks:
        hook.remove()


def comparing_turned_keys(model: nn.Module) -> Any:
    """Tokens compared by their keys as the attention sees them."""
    return patch.object(attention, "compared_by", lambda record, query, key, value: key)


@dataclass(frozen=True)
class Way:
    """A way to merge: what is done otherwise than in the package.

    Attributes:
        by: what tokens are compared by.
        places: where a group is.
        prop_attn: as `apply_tome` takes it.
    """

    by: Callable[[nn.Module], Any] = nullcontext
    places: Callable[..., Any] = state.merged
    prop_attn: bool | None = None


WAYS = {
    "as the package does": Way(),
    "compared by keys before the turn": Way(comparing_unturned_keys),
    "compared by turned keys": Way(comparing_turned_keys),
    "compared by turned keys, at the mean angle": Way(comparing_turned_keys, phasors),
    "compared by turned keys, at the leader's place": Way(comparing_turned_keys, leaders),
    "without proportional attention": Way(prop_attn=False),
}
TWIN = "learned positions (DINOv2), as the package does"


def moved(model: Classifier, images: Tensor, plain: Tensor, way: Way, r: int) -> tuple[float, float, list[int]]:
    """KL divergence from the unmerged logits, the share of predictions that stay, and the tokens of each layer."""
    by, places = way.by(model), patch.object(state, "merged", way.places)
    with by, places, merged(model, r=r, prop_attn=way.prop_attn), trace_tome(model) as trace:
        found = model(images)
    return float(kl(found, plain).mean()), float(agreement(found, plain).double().mean()), trace.token_counts


@torch.inference_mode()
def measured(models: list[Classifier], images: Tensor, labels: Tensor, ways: dict[str, Way]) -> dict[str, Any]:
    """Of each way and r the means over the models; and how good these are unmerged."""
    plain = [model(images) for model in models]
    rows = {}
    for name, way in ways.items():
        for r in R:
            found = [moved(model, images, logits, way, r) for model, logits in zip(models, plain, strict=True)]
            rows[f"{name}/{r}"] = {
                "kl": mean(each[0] for each in found),
                "same": mean(each[1] for each in found),
                "mac_ratio": mac_ratio(found[0][2], *widths_of(models[0])),
            }
    right = [float((logits.argmax(-1) == labels).double().mean()) for logits in plain]
    return {"rows": rows, "accuracy": mean(right), "models": len(models)}


def page(found: dict[str, Any]) -> None:
    """The table: a line for each way, a column for each r."""
    rows = {**found["dinov3"]["rows"], **found["dinov2"]["rows"]}
    header = ("KL divergence to the unmerged model", *(f"r = {r}" for r in R))
    cells = [(name, *(f"{rows[f'{name}/{r}']['kl']:.3g}" for r in R)) for name in (*WAYS, TWIN)]
    cells.append(("MAC ratio", *(f"{rows[f'{TWIN}/{r}']['mac_ratio']:.2f}x" for r in R)))
    dinov3, dinov2 = found["dinov3"], found["dinov2"]
    about = (
        f"Means over {TESTED:,} test images; models of each kind: {dinov3['models']}. Unmerged, the DINOv3s name "
        f"{dinov3['accuracy']:.1%} of them rightly, the DINOv2s {dinov2['accuracy']:.1%}."
    )
    write_block(PAGE, "rotary", f"{markdown(header, cells)}\n\n{about}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, help="folder for trained models")
    parser.add_argument("fashion", type=Path, help="the files of Fashion-MNIST, a folder")
    parser.add_argument("--models", type=int, default=3, help="of each kind")
    args = parser.parse_args()
    args.runs.mkdir(parents=True, exist_ok=True)
    images, labels = (each[:TESTED] for each in split(args.fashion, "t10k"))
    results = Results(RESULTS)
    for kind, ways in {"dinov3": WAYS, "dinov2": {TWIN: Way()}}.items():
        models = [trained(kind, seed, args.runs, args.fashion) for seed in range(args.models)]
        results.keep(kind, measured(models, images, labels, ways))
    results.keep("machine", machine())
    page(results.found)


if __name__ == "__main__":
    main()
