"""The one table of families that every test walks: each head class of each family, tiny, with an input that it takes.

The weights are wide (initializer_range 0.2), so that tokens differ and a wrong merge shows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import (
    ASTConfig,
    ASTForAudioClassification,
    ASTModel,
    DeiTConfig,
    DeiTForImageClassification,
    DeiTForImageClassificationWithTeacher,
    DeiTForMaskedImageModeling,
    DeiTModel,
    PretrainedConfig,
    PreTrainedModel,
    VideoMAEConfig,
    VideoMAEForPreTraining,
    VideoMAEForVideoClassification,
    VideoMAEModel,
    ViTConfig,
    ViTForImageClassification,
    ViTForMaskedImageModeling,
    ViTModel,
)

Inputs = dict[str, Tensor]

LAYERS, CLASSES = 4, 5
COMMON = {
    "hidden_size": 32,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "initializer_range": 0.2,
    "num_labels": CLASSES,
}
IMAGE = {**COMMON, "image_size": 24, "patch_size": 4, "encoder_stride": 4, "pooler_output_size": 32}
VIDEO = {
    **COMMON,
    "image_size": 16,
    "patch_size": 4,
    "num_frames": 4,
    "decoder_hidden_size": 32,
    "decoder_num_hidden_layers": 2,
    "decoder_num_attention_heads": 2,
    "decoder_intermediate_size": 48,
}
AUDIO = {**COMMON, "num_mel_bins": 16, "max_length": 32, "patch_size": 4, "frequency_stride": 3, "time_stride": 3}


@dataclass(frozen=True)
class Family:
    """One family: its config and input, and the facts that tests compare with.

    Attributes:
        model_type: as in the model's config.
        config: the config class, given the settings of `settings`.
        settings: a config small enough to run in milliseconds.
        pixels: the main input's name and its shape for one sample.
        protected: tokens at the front that never merge.
        grid: the patch grid of that input.
        prop_attn: the default for proportional attention.
        masked: whether the tower takes an attention mask.
        key: path of the key projection in a layer.
        reads_grid: the head classes that read every token, so that they need restored tokens.
    """

    model_type: str
    config: Callable[..., PretrainedConfig]
    settings: dict[str, Any]
    pixels: tuple[str, tuple[int, ...]]
    protected: int
    grid: tuple[int, ...]
    prop_attn: bool
    masked: bool
    key: str
    layers: str
    reads_grid: tuple[type[PreTrainedModel], ...]

    @property
    def patches(self) -> int:
        return int(torch.tensor(self.grid).prod())

    @property
    def tokens(self) -> int:
        """Tokens that enter the first layer when all patches are visible."""
        return self.protected + self.patches


VIT = Family(
    model_type="vit",
    config=ViTConfig,
    settings=IMAGE,
    pixels=("pixel_values", (3, 24, 24)),
    protected=1,
    grid=(6, 6),
    prop_attn=True,
    masked=True,
    key="attention.k_proj",
    layers="layers",
    reads_grid=(ViTForMaskedImageModeling,),
)
DEIT = Family(
    model_type="deit",
    config=DeiTConfig,
    settings=IMAGE,
    pixels=("pixel_values", (3, 24, 24)),
    protected=2,
    grid=(6, 6),
    prop_attn=True,
    masked=True,
    key="attention.k_proj",
    layers="layers",
    reads_grid=(DeiTForMaskedImageModeling,),
)
VIDEOMAE = Family(
    model_type="videomae",
    config=VideoMAEConfig,
    settings=VIDEO,
    pixels=("pixel_values", (4, 3, 16, 16)),
    protected=0,
    grid=(2, 4, 4),
    prop_attn=False,
    masked=False,
    key="attention.attention.key",
    layers="encoder.layer",
    reads_grid=(VideoMAEForVideoClassification, VideoMAEForPreTraining),
)
AST = Family(
    model_type="audio-spectrogram-transformer",
    config=ASTConfig,
    settings=AUDIO,
    pixels=("input_values", (32, 16)),
    protected=2,
    grid=(5, 10),
    prop_attn=True,
    masked=True,
    key="attention.k_proj",
    layers="layers",
    reads_grid=(),
)
FAMILIES = (VIT, DEIT, VIDEOMAE, AST)


def hidden_patches(family: Family, batch: int) -> Tensor:
    """(batch, patches) bool: a third of the patches hidden, others in each sample, as many in each."""
    count = family.patches // 3
    return torch.stack([torch.randperm(family.patches) < count for _ in range(batch)])


@dataclass(frozen=True)
class Case:
    """One head class of one family.

    Attributes:
        family: the family.
        head: the model class.
        extra: config settings beyond those of the family.
        hides_patches: whether the head takes `bool_masked_pos`.
        labelled: whether the head takes `labels`.
    """

    family: Family
    head: type[PreTrainedModel]
    extra: dict[str, Any] = field(default_factory=dict)
    hides_patches: bool = False
    labelled: bool = False
    note: str = ""

    @property
    def name(self) -> str:
        return self.head.__name__ + self.note

    @property
    def needs_restore(self) -> bool:
        return issubclass(self.head, self.family.reads_grid)

    @property
    def tokens(self) -> int:
        """Tokens that enter the first layer: VideoMAE drops hidden patches, the others replace them."""
        hidden = self.family.patches // 3 if self.hides_patches and self.family is VIDEOMAE else 0
        return self.family.tokens - hidden

    def build(self, seed: int = 0, implementation: str = "sdpa", **settings: Any) -> PreTrainedModel:
        """The same model for the same seed, in evaluation mode."""
        torch.manual_seed(seed)
        config = self.family.config(**{**self.family.settings, **self.extra, **settings})
        model = self.head._from_config(config, attn_implementation=implementation)
        return model.eval()

    def inputs(self, batch: int = 2, seed: int = 1, dtype: torch.dtype = torch.float32) -> Inputs:
        """The same input for the same seed."""
        torch.manual_seed(seed)
        name, shape = self.family.pixels
        inputs = {name: torch.randn(batch, *shape).to(dtype)}
        if self.hides_patches:
            inputs["bool_masked_pos"] = hidden_patches(self.family, batch)
        return inputs

    def labels(self, batch: int = 2) -> Inputs:
        """What the head needs to compute a loss."""
        return {"labels": torch.arange(batch) % CLASSES} if self.labelled else {}


CASES = (
    Case(VIT, ViTModel),
    Case(VIT, ViTForImageClassification, labelled=True),
    Case(VIT, ViTForMaskedImageModeling, hides_patches=True),
    Case(DEIT, DeiTModel),
    Case(DEIT, DeiTForImageClassification, labelled=True),
    Case(DEIT, DeiTForImageClassificationWithTeacher),
    Case(DEIT, DeiTForMaskedImageModeling, hides_patches=True),
    Case(VIDEOMAE, VideoMAEModel),
    Case(VIDEOMAE, VideoMAEForVideoClassification, labelled=True),
    Case(VIDEOMAE, VideoMAEForVideoClassification, {"use_mean_pooling": False}, labelled=True, note="-first-token"),
    Case(VIDEOMAE, VideoMAEForPreTraining, hides_patches=True),
    Case(AST, ASTModel),
    Case(AST, ASTForAudioClassification, labelled=True),
)
BARE = tuple(case for case in CASES if case.head in (ViTModel, DeiTModel, VideoMAEModel, ASTModel))
CLASSIFIERS = tuple(case for case in CASES if case.labelled and not case.note)
SMALL_VIT = next(case for case in CASES if case.head is ViTForImageClassification)
SMALL_VIDEO = next(case for case in CASES if case.head is VideoMAEForVideoClassification)

each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
each_bare = pytest.mark.parametrize("case", BARE, ids=lambda case: case.name)
each_classifier = pytest.mark.parametrize("case", CLASSIFIERS, ids=lambda case: case.name)


def tower_of(model: torch.nn.Module, case: Case) -> torch.nn.Module:
    """The encoder inside a head, or the bare model itself."""
    bare = next(each.head for each in BARE if each.family is case.family)
    return next(module for module in model.modules() if isinstance(module, bare))


def layers_of(model: torch.nn.Module, case: Case) -> list[torch.nn.Module]:
    return list(tower_of(model, case).get_submodule(case.family.layers).children())
