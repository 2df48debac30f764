"""What a study runs on."""

from __future__ import annotations

import pytest

from hf_tome import ToMeValueError
from hf_tome.data.embedded import AST, SOUNDS, VIT
from hf_tome.data.subject import embedded_subject, own_subject


def test_embedded_subjects() -> None:
    for modality, count in {"image": 1000, "audio": 44, "video": 40}.items():
        subject = embedded_subject(modality)
        assert subject.classifier.modality == modality
        assert subject.samples.count == count
    few = embedded_subject("image", limit=7, attention="eager")
    assert few.samples.count == 7
    assert few.classifier.model.config._attn_implementation == "eager"  # pyright: ignore


def test_own_subjects() -> None:
    subject = own_subject(AST, SOUNDS, {"image": 3, "audio": 5})
    assert (subject.name, subject.media, subject.samples.count) == (AST, "sounds", 5)
    assert own_subject(AST, SOUNDS, 2).samples.count == 2
    assert own_subject(AST, SOUNDS).inputs(3)["input_values"].shape[0] == 3


def test_what_is_no_subject_is_refused() -> None:
    with pytest.raises(ToMeValueError, match="image, audio, video"):
        embedded_subject("text")
    with pytest.raises(ToMeValueError, match="belong together"):
        own_subject(VIT, None)
    with pytest.raises(ToMeValueError, match="belong together"):
        own_subject(None, ".")
