"""apply_tome and remove_tome: what they write on a model, that all of it can be taken back, and what they refuse."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from cases import (
    CASES,
    FAMILIES,
    LAYERS,
    SMALL_VIDEO,
    SMALL_VIT,
    Case,
    apart,
    assert_same,
    checkpoint,
    checkpoint_no_more,
    each_bare,
    each_case,
    layers_of,
    tensors_of,
    tower_of,
)
from torch import nn
from transformers import BertConfig, BertModel, PreTrainedModel, SwinConfig, SwinModel, ViTModel

from hf_tome import (
    NotPatchedError,
    ToMeConfig,
    ToMeError,
    ToMeTypeError,
    ToMeValueError,
    UnsupportedAttentionError,
    UnsupportedModelError,
    apply_tome,
    remove_tome,
    trace_tome,
)

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
HOOKS += ("_forward_hooks_with_kwargs", "_forward_hooks_always_called", "_forward_pre_hooks_with_kwargs")
HOOKS += ("_state_dict_hooks", "_state_dict_pre_hooks", "_load_state_dict_pre_hooks", "_load_state_dict_post_hooks")


def hooks_of(module: nn.Module) -> dict[str, list[str]]:
    """The hooks of a module by name: their ids count up in the whole process, and say nothing."""
    named = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return {
        kind: [
            getattr(hook, "__qualname__", repr(hook)) if kind in named else ""
            for hook in getattr(module, kind).values()
        ]
        for kind in HOOKS
    }


def photograph(model: nn.Module) -> dict[str, Any]:
    """All that a patch could leave behind: classes, attributes, hooks, configs and the place of each config object."""
    first: dict[int, str] = {}
    picture: dict[str, Any] = {}
    for name, module in model.named_modules():
        config = getattr(module, "config", None)
        picture[name] = {
            "class": type(module),
            "attributes": sorted(vars(module)),
            "hooks": hooks_of(module),
            "config": config.to_dict() if config is not None else None,
            "config attributes": sorted(vars(config)) if config is not None else None,
            "attention": getattr(config, "_attn_implementation", None),
            "shares config with": first.setdefault(id(config), name),
        }
    return {"modules": picture, "state": list(model.state_dict())}


def assert_untouched(model: nn.Module, plain: nn.Module, inputs: dict[str, Any], **kwargs: Any) -> None:
    assert photograph(model) == photograph(plain)
    with torch.no_grad():
        assert_same(model(**inputs, **kwargs), plain(**inputs, **kwargs))


# What a user may do with a model between apply and remove. Each runs on a plain model too: transformers itself leaves
# attributes and hooks behind on some of them (output capturing, checkpointing).


def use_forward(model: PreTrainedModel, case: Case) -> None:
    model(**case.inputs())


def use_backward(model: PreTrainedModel, case: Case) -> None:
    model.train()
    sum(tensor.sum() for tensor in tensors_of(model(**case.inputs(), **case.labels()))).backward()  # pyright: ignore
    model.zero_grad()
    model.eval()


def use_trace(model: PreTrainedModel, case: Case) -> None:
    if getattr(model.config, "tome", None):
        with trace_tome(model):
            model(**case.inputs())


def use_hidden_states(model: PreTrainedModel, case: Case) -> None:
    model(**case.inputs(), output_hidden_states=True)


def use_reconfiguration(model: PreTrainedModel, case: Case) -> None:
    if getattr(model.config, "tome", None):
        for settings in ({"r": 0}, {"r": (2, -1.0)}, {"r": [1, 2]}, {"r": 0.2}, {"r": 2, "prop_attn": False}):
            apply_tome(model, **settings)
            model(**case.inputs())


def use_checkpointing(model: PreTrainedModel, case: Case) -> None:
    checkpoint(model)
    use_backward(model, case)
    checkpoint_no_more(model)


def use_attention_switch(model: PreTrainedModel, case: Case) -> None:
    model.set_attn_implementation("eager")
    model(**case.inputs(), output_attentions=True)
    model.set_attn_implementation("sdpa")


def use_attention_for_good(model: PreTrainedModel, case: Case) -> None:
    model.set_attn_implementation("eager")
    model(**case.inputs())


def use_failure(model: PreTrainedModel, case: Case) -> None:
    name, shape = case.family.pixels
    with pytest.raises((ValueError, RuntimeError, IndexError)):
        model(**{**case.inputs(), name: torch.zeros(1, *shape)[..., :3]})


def use_half(model: PreTrainedModel, case: Case) -> None:
    model.half().float()


USES = (
    use_forward,
    use_backward,
    use_trace,
    use_hidden_states,
    use_reconfiguration,
    use_checkpointing,
    use_attention_switch,
    use_attention_for_good,
    use_failure,
    use_half,
)


@pytest.mark.parametrize("use", USES, ids=lambda use: use.__name__)
@each_case
def test_remove_takes_everything_back(case: Case, use: Callable[[PreTrainedModel, Case], None]) -> None:
    model, plain = case.build(), case.build()
    use(apply_tome(model, r=3), case)
    use(plain, case)
    assert remove_tome(model) is model
    assert_untouched(model, plain, case.inputs())


@each_case
def test_remove_of_a_copy_leaves_the_original_patched(case: Case) -> None:
    model, plain = apply_tome(case.build(), r=3), case.build()
    with torch.no_grad():
        merged = model(**case.inputs())
        twin = copy.deepcopy(model)
        assert_same(twin(**case.inputs()), merged)
        assert_untouched(remove_tome(twin), plain, case.inputs())
        assert_same(model(**case.inputs()), merged)
    assert_untouched(remove_tome(model), plain, case.inputs())


@each_case
def test_apply_and_remove_many_times(case: Case) -> None:
    model, plain = case.build(), case.build()
    for r in (1, 2, 3):
        with torch.no_grad():
            assert_same(apply_tome(model, r=r)(**case.inputs()), apply_tome(case.build(), r=r)(**case.inputs()))
        remove_tome(model)
    assert_untouched(remove_tome(model), plain, case.inputs())


@each_case
def test_remove_of_an_unpatched_model_does_nothing(case: Case) -> None:
    assert_untouched(remove_tome(case.build()), case.build(), case.inputs())


# A patch of a part, and a removal of the whole


def test_remove_through_the_head_after_apply_on_its_tower() -> None:
    model, plain = SMALL_VIT.build(), SMALL_VIT.build()
    apply_tome(tower_of(model, SMALL_VIT), r=3)
    assert_untouched(remove_tome(model), plain, SMALL_VIT.inputs())


def test_remove_through_the_tower_after_apply_on_its_head() -> None:
    model, plain = SMALL_VIT.build(), SMALL_VIT.build()
    remove_tome(tower_of(apply_tome(model, r=3), SMALL_VIT))
    assert_untouched(model, plain, SMALL_VIT.inputs())


@pytest.mark.parametrize("tower_first", [True, False])
def test_remove_after_apply_on_both_head_and_tower(tower_first: bool) -> None:
    model, plain = SMALL_VIT.build(), SMALL_VIT.build()
    parts = [tower_of(model, SMALL_VIT), model]
    for part in parts if tower_first else parts[::-1]:
        apply_tome(part, r=3)
    assert_untouched(remove_tome(model), plain, SMALL_VIT.inputs())


# Containers


class LikeDistributed(nn.Module):
    """Holds the model under `module` and passes all arguments on, as DistributedDataParallel does."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)


class Logits(nn.Module):
    def forward(self, output: Any) -> Any:
        return output.logits


@pytest.mark.parametrize("wrap", [LikeDistributed, lambda model: nn.Sequential(model, Logits())])
@torch.no_grad()
def test_a_model_in_a_container(wrap: Callable[[nn.Module], nn.Module]) -> None:
    inner, pixels = SMALL_VIT.build(), SMALL_VIT.inputs()["pixel_values"]
    wrapped = wrap(inner)
    expected = apply_tome(SMALL_VIT.build(), r=4)(pixels).logits
    assert apply_tome(wrapped, r=4) is wrapped
    assert torch.equal(getattr(wrapped(pixels), "logits", wrapped(pixels)), expected)
    assert inner.config.tome["r"] == 4
    with trace_tome(wrapped) as trace:
        wrapped(pixels)
    assert len(trace) == 1
    remove_tome(wrapped)
    assert_untouched(inner, SMALL_VIT.build(), SMALL_VIT.inputs())


@torch.no_grad()
def test_two_models_in_one_container() -> None:
    pair = nn.ModuleDict({"image": SMALL_VIT.build(), "video": SMALL_VIDEO.build()})
    apply_tome(pair, r=2)
    for model, case in ((pair["image"], SMALL_VIT), (pair["video"], SMALL_VIDEO)):
        assert_same(model(**case.inputs()), apply_tome(case.build(), r=2)(**case.inputs()))
        assert model.config.tome["r"] == 2  # pyright: ignore  # each carries its own settings when saved
    remove_tome(pair)
    assert_untouched(pair["image"], SMALL_VIT.build(), SMALL_VIT.inputs())
    assert_untouched(pair["video"], SMALL_VIDEO.build(), SMALL_VIDEO.inputs())


# Outputs at r = 0, and settings


@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
@pytest.mark.parametrize("prop_attn", [None, True, False])
@each_case
@torch.no_grad()
def test_r_zero_is_exactly_the_original(case: Case, implementation: str, prop_attn: bool | None) -> None:
    plain = case.build(implementation=implementation)
    model = apply_tome(case.build(implementation=implementation), r=0, prop_attn=prop_attn)
    assert_same(model(**case.inputs()), plain(**case.inputs()))


@each_case
@torch.no_grad()
def test_merging_changes_the_output(case: Case) -> None:
    """Says that the other tests do not compare two plain models."""
    plain, model = case.build(), apply_tome(case.build(), r=5)
    assert apart(model(**case.inputs()), plain(**case.inputs())) > 1e-3


@each_case
@torch.no_grad()
def test_apply_twice_reconfigures(case: Case) -> None:
    model = apply_tome(apply_tome(case.build(), r=2, prop_attn=False), r=5)
    once = apply_tome(case.build(), r=5)
    assert photograph(model) == photograph(once)
    assert_same(model(**case.inputs()), once(**case.inputs()))


@each_case
def test_state_dict_keys_and_values_stay(case: Case) -> None:
    plain, model = case.build().state_dict(), apply_tome(case.build(), r=3).state_dict()
    assert list(plain) == list(model)
    assert all(torch.equal(plain[key], model[key]) for key in plain)


@pytest.mark.parametrize("r", [3, 0.25, (4, -1.0), (4, 0.5), [3, 0, 2]], ids=str)
@torch.no_grad()
def test_settings_are_plain_json_and_load_again(r: Any, tmp_path: Path) -> None:
    case = SMALL_VIT
    model = apply_tome(case.build(), r=r, prop_attn=False)
    assert json.loads(json.dumps(model.config.tome)) == model.config.tome
    model.save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "config.json").read_text())
    assert saved["tome"] == model.config.tome
    loaded = case.head.from_pretrained(tmp_path).eval()
    assert_same(loaded(**case.inputs()), case.build()(**case.inputs()))  # nothing merges before apply_tome
    apply_tome(loaded)
    assert loaded.config.tome == model.config.tome
    assert_same(loaded(**case.inputs()), model(**case.inputs()))


@each_case
@torch.no_grad()
def test_save_and_load_every_head(case: Case, tmp_path: Path) -> None:
    model = apply_tome(case.build(), r=3)
    model.save_pretrained(tmp_path)
    loaded = case.head.from_pretrained(tmp_path).eval()
    before = photograph(loaded)
    assert_same(apply_tome(loaded)(**case.inputs()), model(**case.inputs()))
    assert photograph(remove_tome(loaded)) == before  # the settings that came with the file stay in the config


def test_saved_settings_can_be_changed_by_keyword() -> None:
    model = apply_tome(SMALL_VIT.build(), r=3)
    assert apply_tome(model, prop_attn=False).config.tome == {"r": 3, "prop_attn": False, "restore": True}


def test_config_object_is_the_same_as_keywords() -> None:
    config = ToMeConfig(r=(4, -1.0), prop_attn=False)
    assert apply_tome(SMALL_VIT.build(), config=config).config.tome == config.to_dict()
    assert ToMeConfig.from_dict(config.to_dict()).schedule == config.schedule


@torch.no_grad()
def test_default_of_proportional_attention_is_that_of_the_family() -> None:
    for case in CASES:
        model = apply_tome(case.build(), r=5)(**case.inputs())
        given = apply_tome(case.build(), r=5, prop_attn=case.family.prop_attn)(**case.inputs())
        other = apply_tome(case.build(), r=5, prop_attn=not case.family.prop_attn)(**case.inputs())
        assert_same(model, given)
        assert apart(model, other) > 1e-5


# restore=False


@each_case
@torch.no_grad()
def test_restore_false_works_where_the_head_reads_protected_tokens_only(case: Case) -> None:
    model, plain = case.build(), case.build()
    if case.needs_restore:
        with pytest.raises(ToMeValueError, match=case.head.__name__):
            apply_tome(model, r=3, restore=False)
        assert_untouched(model, plain, case.inputs())
        return
    short, full = apply_tome(model, r=3, restore=False), apply_tome(case.build(), r=3)
    ours, theirs = short(**case.inputs()), full(**case.inputs())
    if "logits" in ours:
        torch.testing.assert_close(ours.logits, theirs.logits, rtol=0, atol=1e-6)
    else:
        assert ours.last_hidden_state.shape[1] == case.tokens - 3 * LAYERS
        assert theirs.last_hidden_state.shape[1] == case.tokens


def test_restore_false_is_refused_when_reconfigured_too() -> None:
    model = apply_tome(SMALL_VIDEO.build(), r=3)
    with pytest.raises(ToMeValueError):
        apply_tome(model, restore=False)
    assert model.config.tome["restore"] is True


# Refusals


def swin() -> nn.Module:
    return SwinModel(SwinConfig(image_size=16, patch_size=4, embed_dim=8, depths=[1], num_heads=[1], window_size=2))


def bert() -> nn.Module:
    return BertModel(
        BertConfig(vocab_size=8, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8)
    )


@pytest.mark.parametrize("build", [swin, bert, lambda: nn.Linear(2, 2)], ids=["swin", "bert", "linear"])
@pytest.mark.parametrize("settings", [{"r": 3}, {}])
def test_unsupported_models_are_refused_and_the_families_named(
    build: Callable[[], nn.Module], settings: dict[str, Any]
) -> None:
    model = build()
    before = photograph(model)
    with pytest.raises(UnsupportedModelError) as caught:
        apply_tome(model, **settings)
    assert all(family.model_type in str(caught.value) for family in FAMILIES)
    assert type(model).__name__ in str(caught.value)
    assert photograph(model) == before
    with pytest.raises(NotPatchedError), trace_tome(model):
        pass
    assert photograph(remove_tome(model)) == before


def test_a_known_reason_is_told() -> None:
    with pytest.raises(UnsupportedModelError, match="windowed attention"):
        apply_tome(swin(), r=3)


@pytest.mark.parametrize("call", [apply_tome, remove_tome])
@pytest.mark.parametrize("model", [None, "vit", 3, {}])
def test_what_is_no_module_is_refused(call: Callable[..., Any], model: Any) -> None:
    with pytest.raises(ToMeTypeError):
        call(model)
    with pytest.raises(ToMeTypeError), trace_tome(model):
        pass


WRONG = [
    ({}, ToMeValueError),
    ({"r": -1}, ToMeValueError),
    ({"r": 1.5}, ToMeValueError),
    ({"r": 0.0}, ToMeValueError),
    ({"r": True}, ToMeTypeError),
    ({"r": "16"}, ToMeTypeError),
    ({"r": (1, 2, 3)}, ToMeValueError),
    ({"r": (1, 2.0)}, ToMeValueError),
    ({"r": (1, "x")}, ToMeTypeError),
    ({"r": [1, -1]}, ToMeValueError),
    ({"r": [1, 0.5]}, ToMeTypeError),
    ({"r": [1] * (LAYERS + 1)}, ToMeValueError),
    ({"r": torch.zeros(2)}, ToMeTypeError),
    ({"r": {"r": 3}}, ToMeValueError),
    ({"r": 3, "prop_attn": 1}, ToMeTypeError),
    ({"r": 3, "restore": None}, ToMeTypeError),
    ({"r": 3, "proportional": True}, ToMeTypeError),
    ({"config": {"r": 3}}, ToMeTypeError),
    ({"config": ToMeConfig(3), "r": 3}, ToMeValueError),
    ({"config": ToMeConfig(3), "restore": True}, ToMeValueError),
    ({"config": ToMeConfig([1] * (LAYERS + 1))}, ToMeValueError),
]


@pytest.mark.parametrize("patched", [False, True])
@pytest.mark.parametrize(("settings", "error"), WRONG, ids=lambda value: str(value) if isinstance(value, dict) else "")
def test_a_failed_call_leaves_the_model_as_it_was(settings: dict[str, Any], error: type, patched: bool) -> None:
    if patched and not settings:
        pytest.skip("on a patched model this takes its settings again")
    model, twin = SMALL_VIT.build(), SMALL_VIT.build()
    if patched:
        apply_tome(model, r=3)
        apply_tome(twin, r=3)
    with pytest.raises(error) as caught:
        apply_tome(model, **settings)
    assert isinstance(caught.value, ToMeError)
    assert " Got: " in str(caught.value)
    assert_untouched(model, twin, SMALL_VIT.inputs())


@pytest.mark.parametrize("tome", ["3", 3, {}, {"r": -3}, {"r": 3, "x": 1}, [3]], ids=str)
def test_wrong_saved_settings_are_refused(tome: Any) -> None:
    model = SMALL_VIT.build()
    model.config.tome = tome
    before = photograph(model)
    with pytest.raises(ToMeError):
        apply_tome(model)
    assert photograph(model) == before


@each_bare
def test_a_layer_of_another_make_is_refused(case: Case) -> None:
    """More modules in a layer mean another forward, which conjugation may not follow."""
    model, twin = case.build(), case.build()
    for each in (model, twin):
        layers_of(each, case)[-1].gate = nn.Linear(2, 2)
    with pytest.raises(UnsupportedModelError, match="gate"):
        apply_tome(model, r=3)
    assert photograph(model) == photograph(twin)


@each_bare
def test_an_attention_from_elsewhere_is_refused_before_anything_is_written(case: Case) -> None:
    model, twin = case.build(), case.build()
    for each in (model, twin):
        layers_of(each, case)[-1].attention = nn.MultiheadAttention(32, 2)
    with pytest.raises(UnsupportedModelError, match="attention"):
        apply_tome(model, r=3)
    assert photograph(model) == photograph(twin)


def test_an_attention_that_never_calls_the_interface_is_told() -> None:
    """Only its forward can show that: a subclass that computes by itself."""

    class OwnAttention(type(layers_of(SMALL_VIT.build(), SMALL_VIT)[0].attention)):
        def forward(self, hidden_states: torch.Tensor, *args: Any, **kwargs: Any) -> tuple[torch.Tensor, None]:
            return hidden_states, None

    model = SMALL_VIT.build()
    layers_of(model, SMALL_VIT)[1].attention.__class__ = OwnAttention
    apply_tome(model, r=3)
    with pytest.raises(UnsupportedModelError, match="interface"):
        model(**SMALL_VIT.inputs())


@torch.no_grad()
def test_subclasses_of_a_supported_model_and_of_its_parts_work() -> None:
    class MyModel(ViTModel):
        pass

    model, case = SMALL_VIT.build(), SMALL_VIT
    tower, expected = tower_of(model, case), apply_tome(case.build(), r=3)(**case.inputs())
    tower.__class__ = MyModel
    for layer in layers_of(model, case):
        layer.__class__ = type("MyLayer", (type(layer),), {})
        layer.attention.__class__ = type("MyAttention", (type(layer.attention),), {})
    classes = [type(module) for module in model.modules()]
    assert_same(apply_tome(model, r=3)(**case.inputs()), expected)
    assert [type(module) for module in remove_tome(model).modules()] == classes


@pytest.mark.parametrize("prop_attn", [True, False])
@pytest.mark.parametrize("implementation", ["flex_attention", "flash_attention_2", "no_such_kernel"])
def test_attention_without_a_bias_is_refused_where_one_is_needed(implementation: str, prop_attn: bool) -> None:
    model, twin = SMALL_VIT.build(), SMALL_VIT.build()
    for each in (model, twin):  # as from_pretrained(attn_implementation=...) leaves it where the kernel is installed
        each.config._attn_implementation_internal = implementation
    if implementation == "flex_attention" and not prop_attn:
        apply_tome(model, r=3, prop_attn=False)
        remove_tome(model)
    else:
        with pytest.raises(UnsupportedAttentionError, match=implementation) as caught:
            apply_tome(model, r=3, prop_attn=prop_attn)
        assert "sdpa" in str(caught.value)
        assert "prop_attn=False" in str(caught.value)
    assert photograph(model) == photograph(twin)
