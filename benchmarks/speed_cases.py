"""What the speed benchmark runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from benchmarks.pages import ROOT

DATA = ROOT / "docs/results/data"

NAMES = {
    "vit-base": "ViT-B/16",
    "vit-small": "ViT-S/16",
    "videomae-base": "VideoMAE-B",
    "ast-base": "AST-B",
    "vit-large-384": "ViT-L/16 at 384",
    "vit-huge-518": "ViT-H/14 at 518",
    "videomae-large": "VideoMAE-L",
    "clip-large-336": "CLIP ViT-L/14 at 336",
    "siglip2-so400m-384": "SigLIP 2 So400m/14 at 384",
    "dinov2-large-518": "DINOv2 ViT-L/14 at 518",
    "dinov3-large": "DINOv3 ViT-L/16",
    "whisper-large": "Whisper large, encoder, 30 s",
    "vjepa2-large": "V-JEPA 2 ViT-L, 16 frames",
}


@dataclass(frozen=True)
class Case:
    """One model at one batch size.

    Attributes:
        config: a name of `hf_tome.measure.presets`.
        rs: tokens to merge per layer.
        batch: inputs per batch.
        rounds: how often each variant runs.
        train: training steps instead of inference.
        checkpointing: with gradient checkpointing.
        baseline: whether its rivals run beside it: the plain implementation of the paper, and tokens cut off.
        dtype: numbers to compute in.
        compiled: a mode of `torch.compile`, or None.
        threads: of torch on a CPU; None for as many as it takes by itself.
        settings: what differs from the preset's config.
    """

    config: str
    rs: tuple[int, ...]
    batch: int
    rounds: int
    train: bool = False
    checkpointing: bool = False
    baseline: bool = True
    dtype: str = "float32"
    compiled: str | None = None
    threads: int | None = None
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The model, for people."""
        return NAMES[self.config]

    @property
    def kind(self) -> str:
        """How it runs, for people."""
        if self.train:
            return "training, checkpointing" if self.checkpointing else "training"
        kind = "inference" if self.compiled is None else f"inference, compiled ({self.compiled})"
        return kind if self.threads is None else f"{kind}, threads: {self.threads}"


CPU = (
    Case("vit-base", (16,), batch=8, rounds=12),
    Case("vit-base", (4, 8, 13, 16), batch=1, rounds=30, baseline=False),
    Case("vit-small", (1, 4, 8), batch=1, rounds=80, baseline=False),
    Case("vit-small", (1, 13), batch=1, rounds=80, baseline=False, compiled="default"),
    Case("vit-small", (13,), batch=1, rounds=80),
    Case("vit-small", (13,), batch=1, rounds=40, baseline=False, threads=1),
    Case("videomae-base", (130,), batch=1, rounds=10),
    Case("ast-base", (96,), batch=1, rounds=12),
    Case("videomae-base", (130,), batch=1, rounds=5, baseline=False, threads=1),
    Case("ast-base", (96,), batch=1, rounds=5, baseline=False, threads=1),
    Case("vit-base", (16,), batch=8, rounds=6, train=True),
    Case("videomae-base", (130,), batch=1, rounds=5, train=True, baseline=False),
    Case("videomae-base", (130,), batch=1, rounds=5, train=True, checkpointing=True, baseline=False),
)

# One of each kind of encoder. On a CPU V-JEPA 2 sees 16 of its 64 frames: all of them take minutes.
ENCODERS = (
    Case("dinov3-large", (4,), batch=1, rounds=5, baseline=False),
    Case("clip-large-336", (12,), batch=1, rounds=5, baseline=False),
    Case("siglip2-so400m-384", (13,), batch=1, rounds=3, baseline=False),
    Case("dinov2-large-518", (28,), batch=1, rounds=3, baseline=False),
    Case("vjepa2-large", (42,), batch=1, rounds=3, baseline=False, settings={"frames_per_clip": 16}),
    Case("whisper-large", (23,), batch=1, rounds=2, baseline=False),
)

# The largest first: the run ends when its time is over.
GPU = (
    Case("vit-large-384", (23,), batch=64, rounds=12, dtype="bfloat16"),
    Case("vit-base", (16,), batch=256, rounds=12, dtype="bfloat16"),
    Case("videomae-large", (65,), batch=8, rounds=12, dtype="bfloat16"),
    Case("ast-base", (96,), batch=32, rounds=12, dtype="bfloat16"),
    Case("vit-base", (16,), batch=1, rounds=30, dtype="bfloat16"),
)

# The same families, tiny.
TINY = {"hidden_size": 64, "num_attention_heads": 2, "intermediate_size": 128, "num_hidden_layers": 2}
DRY = (
    Case("vit-base", (3,), batch=2, rounds=2, settings={**TINY, "image_size": 64}),
    Case("videomae-base", (5,), batch=2, rounds=2, settings={**TINY, "image_size": 32}),
    Case("ast-base", (5,), batch=2, rounds=2, settings={**TINY, "max_length": 64}),
)
