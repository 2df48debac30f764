"""Drift against scipy, and what must hold of every divergence."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, rel_entr, softmax

from hf_tome import ToMeValueError
from hf_tome.core.drift import agreement, kl


def pair(seed: int = 0, scale: float = 3.0) -> tuple[torch.Tensor, torch.Tensor]:
    made = torch.Generator().manual_seed(seed)
    return scale * torch.randn(7, 5, generator=made), scale * torch.randn(7, 5, generator=made)


def test_one_label_against_scipy():
    logits, reference = pair()
    p, q = softmax(reference.double().numpy(), -1), softmax(logits.double().numpy(), -1)
    np.testing.assert_allclose(kl(logits, reference).numpy(), rel_entr(p, q).sum(-1), rtol=1e-12)


def test_several_labels_against_scipy():
    logits, reference = pair()
    p, q = expit(reference.double().numpy()), expit(logits.double().numpy())
    expected = (rel_entr(p, q) + rel_entr(1 - p, 1 - q)).sum(-1)
    np.testing.assert_allclose(kl(logits, reference, several=True).numpy(), expected, rtol=1e-12)


@given(st.integers(0, 1000), st.floats(0.01, 100), st.booleans())
def test_it_is_a_divergence(seed, scale, several):
    logits, reference = pair(seed, scale)
    assert (kl(logits, reference, several) >= -1e-12).all()
    assert (kl(logits, logits, several) == 0).all()
    if not several:  # a constant added to all logits changes no probability
        assert torch.allclose(kl(logits + 5, reference), kl(logits, reference), rtol=1e-4, atol=1e-4)


def test_half_precision_is_computed_in_float64():
    logits, reference = (each.half() for each in pair())
    assert kl(logits, reference).dtype == torch.float64
    assert torch.equal(kl(logits, reference), kl(logits.double(), reference.double()))


def test_agreement():
    logits = torch.tensor([[1.0, 2, 3], [3, 2, 1], [1, 1, 0]])
    assert agreement(logits, torch.tensor([[0.0, 0, 1], [0, 1, 0], [1, 1, 1]])).tolist() == [True, False, True]


@pytest.mark.parametrize("measure", [kl, agreement])
def test_other_shapes_are_refused(measure):
    with pytest.raises(ToMeValueError, match=r"\(2, 3\) and \(2, 4\)"):
        measure(torch.zeros(2, 3), torch.zeros(2, 4))
    with pytest.raises(ToMeValueError, match=r"\(3,\)"):
        measure(torch.zeros(3), torch.zeros(3))
