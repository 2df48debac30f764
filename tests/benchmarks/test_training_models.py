"""The small models of the recorded trainings keep what they have learnt when they grow."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import ASTForAudioClassification, VideoMAEForVideoClassification

from benchmarks.recorded.training_models import coarse_ast, coarse_videomae, fine_ast, fine_videomae
from hf_tome import apply_tome, trace_tome


@torch.no_grad()
def test_a_grown_videomae_sees_a_picture_half_as_large_alike(tmp_path: Path) -> None:
    coarse_videomae(tmp_path / "coarse", side=64)
    fine_videomae(tmp_path / "coarse", tmp_path / "fine")
    coarse = VideoMAEForVideoClassification.from_pretrained(tmp_path / "coarse")
    fine = VideoMAEForVideoClassification.from_pretrained(tmp_path / "fine")
    clip = torch.randn(1, 16, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    twice = clip.repeat_interleave(2, dim=-1).repeat_interleave(2, dim=-2)
    kernel = coarse.videomae.embeddings.patch_embeddings.projection
    expected = kernel(twice.transpose(1, 2))
    got = fine.videomae.embeddings.patch_embeddings.projection(clip.transpose(1, 2))
    torch.testing.assert_close(got, expected, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_a_grown_ast_has_more_patches_and_the_same_corners(tmp_path: Path) -> None:
    coarse_ast(tmp_path / "coarse", rate=8000, frames=96, mean=0.0, spread=1.0)
    fine_ast(tmp_path / "coarse", tmp_path / "fine")
    coarse, fine = (ASTForAudioClassification.from_pretrained(tmp_path / name).eval() for name in ("coarse", "fine"))
    old, new = (each.audio_spectrogram_transformer.embeddings.position_embeddings for each in (coarse, fine))
    torch.testing.assert_close(new[:, :2], old[:, :2])  # class and distillation
    with trace_tome(apply_tome(fine, r=2)) as trace:
        fine(torch.randn(1, 96, 64))
    assert trace.grid == (9, 14)
    grids = old[0, 2:].unflatten(0, (4, 6)), new[0, 2:].unflatten(0, trace.grid)
    for row, column in ((0, 0), (0, -1), (-1, 0), (-1, -1)):
        torch.testing.assert_close(grids[1][row, column], grids[0][row, column])
