"""What a study runs on."""

from __future__ import annotations

import pytest

from hf_tome import ToMeValueError
from hf_tome.embedded import VIT
from hf_tome.subject import embedded_subject, own_subject


def test_embedded_subjects() -> None:
    for modality, count in {"image": 1000, "audio": 44, "video": 40}.items():
        subject = embedded_subject(modality)
        assert subject.classifier.modality == modality
        assert subject.samples.count == count
    few = embedded_subject("image", limit=7, attention="eager")
    assert few.samples.count == 7
    assert few.classifier.model.config._attn_implementation == "eager"  # pyright: ignore


def test_what_is_no_subject_is_refused() -> None:
    with pytest.raises(ToMeValueError, match="image, audio, video"):
        embedded_subject("text")
    with pytest.raises(ToMeValueError, match="belong together"):
        own_subject(VIT, None)
    with pytest.raises(ToMeValueError, match="belong together"):
        own_subject(None, ".")
