"""r="auto" from end to end, on every family."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from cases import BARE, CLASSIFIERS, SMALL_VIT, Case
from comparison import assert_same
from untouched import assert_untouched

from hf_tome import ToMeConfig, ToMeError, UnsupportedModelError, apply_tome, trace_tome
from hf_tome.core.macs import mac_ratio
from hf_tome.tune import tune


def ratio_of(model: Any, inputs: dict[str, torch.Tensor]) -> float:
    """The MAC ratio of a forward, from the tokens that were counted in it."""
    with torch.no_grad(), trace_tome(model) as trace:
        model(**inputs)
    return mac_ratio(trace.token_counts, model.config.hidden_size, model.config.intermediate_size)


def each_classifier_but_one_slow() -> pytest.MarkDecorator:
    """The small ViT is quick; a tuning of another family walks the same code."""
    slow = [pytest.param(case, marks=[] if case is SMALL_VIT else pytest.mark.slow) for case in CLASSIFIERS]
    return pytest.mark.parametrize("case", slow, ids=lambda case: case.name)


@each_classifier_but_one_slow()
def test_the_chosen_schedule_reaches_the_ratio_and_travels_with_the_model(case: Case, tmp_path: Path) -> None:
    inputs = case.inputs(4)
    model = apply_tome(case.build(), r="auto", target_speedup=1.3, calibration=inputs, trials=8)
    assert 1.3 <= ratio_of(model, inputs) < 1.4
    saved = model.config.tome
    assert json.loads(json.dumps(saved)) == saved
    assert len(saved["r"]) == 4
    assert ToMeConfig.from_dict(saved).r == saved["r"]
    model.save_pretrained(tmp_path)
    loaded = apply_tome(type(model).from_pretrained(tmp_path).eval())
    assert loaded.config.tome == saved
    with torch.no_grad():
        assert_same(loaded(**inputs), model(**inputs))


@pytest.mark.parametrize("head", [{"num_labels": 1}, {"problem_type": "regression"}], ids=str)
def test_a_head_that_is_no_classifier_is_refused(head: dict[str, Any]) -> None:
    """Its outputs are numbers: softmax, divergence and agreement say nothing of them."""
    model = SMALL_VIT.build(**head)
    with pytest.raises(UnsupportedModelError, match="scores of classes"):
        apply_tome(model, r="auto", max_kl=0.5, calibration=SMALL_VIT.inputs())
    assert not hasattr(model.config, "tome")


@each_classifier_but_one_slow()
def test_the_model_is_only_read(case: Case) -> None:
    model, plain, inputs = case.build(), case.build(), case.inputs()
    for each in (model, plain):
        each(**inputs)

    def interrupt(best: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        apply_tome(model, r="auto", max_kl=0.5, calibration=inputs, done=interrupt)
    tune(model.train(), inputs, max_kl=0.5, trials=2)
    assert model.training
    assert_untouched(model.eval(), plain, inputs)


@pytest.mark.slow
def test_a_patched_model_is_tuned_as_if_it_were_new() -> None:
    inputs = SMALL_VIT.inputs()
    model = apply_tome(SMALL_VIT.build(), r=9)
    tuned = tune(model, inputs, target_speedup=1.3, trials=6)
    assert model.config.tome["r"] == 9
    assert tuned.known == tune(SMALL_VIT.build(), inputs, target_speedup=1.3, trials=6).known
    apply_tome(model, config=tuned.config)
    assert model.config.tome["r"] == tuned.r


@pytest.mark.slow
def test_settings_are_kept() -> None:
    inputs = SMALL_VIT.inputs()
    goal: dict[str, Any] = {"target_speedup": 1.3, "calibration": inputs, "trials": 4}
    model = apply_tome(SMALL_VIT.build(), "auto", prop_attn=False, restore=False, **goal)
    assert model.config.tome["prop_attn"] is False
    assert model.config.tome["restore"] is False


@pytest.mark.slow
def test_labels_in_the_calibration_inputs_give_accuracy() -> None:
    inputs = SMALL_VIT.inputs(6)
    with torch.no_grad():
        labels = SMALL_VIT.build()(**inputs).logits.argmax(-1)
    tuned = tune(SMALL_VIT.build(), [{**inputs, "labels": labels}], max_drop=0, trials=12)
    assert tuned.trial.accuracy == tuned.trial.agreement == 1
    assert tuned.drop == 0
    assert tuned.mac_ratio > 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"target_speedup": 2.0}, "calibration"),
        ({"calibration": [SMALL_VIT.inputs()]}, "target_speedup, max_kl, max_drop"),
        ({"calibration": [SMALL_VIT.inputs()], "target_speedup": 2.0, "max_kl": 1.0}, "target_speedup and max_kl"),
        ({"calibration": [SMALL_VIT.inputs()], "target_speedup": 50}, "can be reached with 37 tokens"),
        ({"calibration": [SMALL_VIT.inputs()], "target_speedup": 0.5}, "at least 1"),
        ({"calibration": [SMALL_VIT.inputs()], "target_speedup": float("nan")}, "nan"),
        ({"calibration": [SMALL_VIT.inputs()], "max_kl": "little"}, "'little'"),
        ({"calibration": [SMALL_VIT.inputs()], "max_drop": 1.0}, "inputs without labels"),
        ({"calibration": [SMALL_VIT.inputs()], "max_kl": 1.0, "trials": 0}, "trials"),
        ({"calibration": [SMALL_VIT.inputs()], "max_kl": 1.0, "unknown": 0}, "unknown"),
        ({"calibration": [], "max_kl": 1.0}, "no inputs"),
        ({"calibration": {}, "max_kl": 1.0}, "no sample"),
        ({"calibration": torch.zeros(2), "max_kl": 1.0}, "dict of the model's inputs"),
        ({"calibration": [3], "max_kl": 1.0}, "Got: 3"),
        ({"calibration": {"pixels": torch.zeros(2, 3, 24, 24)}, "max_kl": 1.0}, "does not take"),
        ({"calibration": {"pixel_values": torch.zeros(2, 4, 24, 24)}, "max_kl": 1.0}, "does not take"),
        ({"calibration": {**SMALL_VIT.inputs(), "labels": torch.zeros(3)}, "max_kl": 1.0}, "labels of shape"),
        ({"calibration": {"pixel_values": torch.full((1, 3, 24, 24), torch.nan)}, "max_kl": 1.0}, "finite"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_call_leaves_the_model_untouched(arguments: dict[str, Any], words: str) -> None:
    model, plain = SMALL_VIT.build(), SMALL_VIT.build()
    with pytest.raises(ToMeError) as error:
        apply_tome(model, r="auto", **arguments)
    assert words in str(error.value)
    assert_untouched(model, plain, SMALL_VIT.inputs())


def test_what_has_no_logits_is_refused() -> None:
    case = next(case for case in BARE if case.family is CLASSIFIERS[0].family)
    with pytest.raises(ToMeError, match="judged by logits"):
        tune(case.build(), case.inputs(), max_kl=0.1)


def test_auto_is_no_saved_setting() -> None:
    with pytest.raises(ToMeError):
        ToMeConfig("auto")
    model = SMALL_VIT.build()
    model.config.tome = {"r": "auto"}
    with pytest.raises(ToMeError):
        apply_tome(model)
