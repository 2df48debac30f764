"""Pictures of what a model sees, patch by patch as its grid counts them."""

from __future__ import annotations

import numpy as np
import torch
from cases import AST, CLASSIFIERS, VIDEOMAE, VIT
from PIL import Image
from transformers import ASTFeatureExtractor, VideoMAEImageProcessorPil, ViTImageProcessorPil

from hf_tome.classifier import Classifier
from hf_tome.seen import laid_out, seen

MODELS = {case.family.model_type: case.build() for case in CLASSIFIERS}


def test_an_image_is_itself() -> None:
    colours = np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    classifier = Classifier(MODELS[VIT.model_type], ViTImageProcessorPil(size={"height": 24, "width": 24}), "image")
    pixels = classifier.inputs([Image.fromarray(colours)])["pixel_values"]
    assert np.array_equal(np.asarray(seen(classifier, pixels[0])), colours)


def test_a_video_is_a_strip_of_one_frame_for_each_step_in_time() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3), dtype=np.uint8)
    processor = VideoMAEImageProcessorPil(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16})
    classifier = Classifier(MODELS[VIDEOMAE.model_type], processor, "video")
    strip = np.asarray(seen(classifier, classifier.inputs([frames])["pixel_values"][0]))
    assert np.array_equal(strip, np.concatenate([frames[0], frames[2]], axis=1))
    groups = np.arange(2 * 4 * 4).reshape(2, 4, 4)
    assert np.array_equal(laid_out(groups, "video"), np.concatenate([groups[0], groups[1]], axis=1))


def test_a_sound_stands_with_low_frequencies_at_the_bottom() -> None:
    classifier = Classifier(MODELS[AST.model_type], ASTFeatureExtractor(num_mel_bins=16, max_length=32), "audio")
    features = torch.zeros(32, 16)  # (time, mel bins)
    features[5, 0] = 1
    picture = np.asarray(seen(classifier, features))[..., 0]
    assert picture.shape == (16, 32)
    assert np.argwhere(picture).tolist() == [[15, 5]]
    groups = np.arange(5 * 10).reshape(5, 10)  # (frequency, time)
    assert laid_out(groups, "audio")[-1, 0] == 0
    assert not np.asarray(seen(classifier, torch.ones(32, 16))).any()  # silence, all of one level
