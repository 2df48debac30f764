"""The options in models: one merged layer against the oracle, saved settings, own matchings."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest
import slow
import torch
from cases import LAYERS, SMALL_VIDEO, SMALL_VIT, Case, layers_of
from choices import BARE_VIDEO, each_option_in_a_layer, each_option_in_a_model
from comparison import apart, assert_same
from layouts import each_layout
from torch import Tensor, nn
from untouched import photograph

from hf_tome import ToMeConfig, apply_tome, register_matching, remove_tome, trace_tome
from hf_tome.core import Candidates, MergePlan, match_bipartite


def one_layer(model: nn.Module, case: Case, inputs: dict[str, Tensor]) -> dict[str, Any]:
    """What stands where in the unpatched first layer."""
    layer: Any = layers_of(model, case)[0]
    attention: Any = layer.get_submodule("attention.attention" if case is BARE_VIDEO else "attention")
    parts = ("query", "key", "value") if case is BARE_VIDEO else ("q_proj", "k_proj", "v_proj")
    seen: dict[str, Any] = {}
    hooks = [
        getattr(attention, part).register_forward_hook(lambda m, a, out, name=name: seen.update({name: out}))
        for name, part in zip("qkv", parts, strict=True)
    ]
    hooks.append(layer.register_forward_pre_hook(lambda m, args: seen.update(x_pre=args[0])))
    hooks.append(layer.layernorm_after.register_forward_pre_hook(lambda m, args: seen.update(x=args[0])))
    seen["attentions"] = model(**inputs, output_attentions=True).attentions[0]
    for hook in hooks:
        hook.remove()
    return seen


def mlp(layer: Any, case: Case, merged: Tensor) -> Tensor:
    """The rest of a layer, after the merge."""
    normed = layer.layernorm_after(merged)
    return layer.output(layer.intermediate(normed), merged) if case is BARE_VIDEO else merged + layer.mlp(normed)


def compared(seen: dict[str, Any], metric: str, heads: str) -> Tensor:
    part = seen[metric]
    if metric in ("x", "x_pre") or heads == "concat":
        return part
    width = part.shape[-1] // 2  # two heads
    return (part[..., :width] + part[..., width:]) / 2


@each_option_in_a_layer
@torch.no_grad()
def test_a_merged_layer_is_that_of_the_oracle(case: Case, options: dict[str, Any]) -> None:
    plain, inputs = case.build(implementation="eager").double(), case.inputs(dtype=torch.float64)
    model = apply_tome(copy.deepcopy(plain), r=[7], restore=False, **options)
    ours = model(**inputs, output_hidden_states=True).hidden_states[1]
    config, protected = ToMeConfig(7, **options), case.family.protected
    seen = one_layer(plain, case, inputs)
    metric = compared(seen, config.metric, config.heads)
    attention = seen["attentions"][:, :, : protected or None].mean(dim=(1, 2)).tolist()
    if config.matching == "pagerank_prune":
        attention = [slow.page_rank(weights) for weights in seen["attentions"].tolist()]
    combine = config.combine or ("keep" if "prune" in config.matching else "weighted_mean")
    for sample in range(2):
        tokens = slow.Sample(
            metric[sample].tolist(), 7, protected, [False] * case.tokens, attention[sample],
            0, LAYERS, config.distance, config.partition, config.seed,
        )  # fmt: skip
        joins = slow.MATCHINGS[config.matching](tokens)
        merged = {}
        for leader in set(range(case.tokens)) - set(joins):
            members = [leader, *(joiner for joiner in joins if joins[joiner] == leader)]
            vectors = [seen["x"][sample, token].tolist() for token in members]
            merged[leader] = slow.combine(str(combine), vectors, [1.0] * len(members))
        expected = mlp(layers_of(plain, case)[0], case, torch.tensor(list(merged.values()), dtype=torch.float64))
        order = ours[sample].sum(dim=1).argsort(), expected.sum(dim=1).argsort()  # the oracle has no order
        torch.testing.assert_close(ours[sample][order[0]], expected[order[1]], rtol=0, atol=1e-6)  # shares are float32


@each_option_in_a_model
@torch.no_grad()
def test_every_option_keeps_shapes_sizes_and_the_model(case: Case, options: dict[str, Any]) -> None:
    plain = case.build(implementation="eager")
    model, before = copy.deepcopy(plain), photograph(plain)
    apply_tome(model, r=0, **options)
    assert_same(model(**case.inputs()), plain(**case.inputs()))
    apply_tome(model, r=4, **options)
    assert list(model.state_dict()) == list(plain.state_dict())
    with trace_tome(model) as trace:
        merged = model(**case.inputs())
    assert trace.token_counts == [case.tokens - 4 * layer for layer in range(LAYERS + 1)]
    assert trace.sizes.sum(dim=1).tolist() == [case.tokens] * 2  # what is pruned counts in what it joined
    assert trace.groups.max() == trace.token_counts[-1] - 1
    twin = pickle.loads(pickle.dumps(copy.deepcopy(model)))
    assert_same(twin(**case.inputs()), merged)
    assert apart(merged, plain(**case.inputs())) > 1e-4
    assert photograph(remove_tome(model)) == before


@each_layout
@torch.no_grad()
def test_mlerp_is_the_same_with_the_shortcut_and_without(case: Case) -> None:
    """A hook on the MLP's last part forbids the shortcut."""
    model = apply_tome(case.build().double(), r=4, combine="mlerp")
    inputs = case.inputs(dtype=torch.float64)
    short = model(**inputs).logits
    for layer in layers_of(model, case):
        layer.get_submodule("output.dropout" if case is SMALL_VIDEO else "mlp").register_forward_hook(lambda *_: None)
    torch.testing.assert_close(model(**inputs).logits, short, rtol=0, atol=1e-12)


@each_layout
@torch.no_grad()
def test_the_defaults_by_name_are_the_defaults(case: Case) -> None:
    names = {"metric": "k", "heads": "mean", "distance": "cosine", "partition": "alternating"}
    named = apply_tome(case.build(), 5, **names, matching="bipartite", combine="weighted_mean", seed=0)
    default = apply_tome(case.build(), 5)
    assert_same(named(**case.inputs()), default(**case.inputs()))
    assert default.config.tome == {"r": 5, "prop_attn": None, "restore": True}  # as before there were options


@torch.no_grad()
def test_options_are_saved_and_load_again(tmp_path: Path) -> None:
    options = {
        "metric": "v",
        "distance": "dot",
        "partition": "random",
        "combine": ["keep"] * 2 + ["mlerp"] * 2,
        "seed": 3,
    }
    model = apply_tome(SMALL_VIT.build(), 4, **options)
    model.save_pretrained(tmp_path)
    loaded = apply_tome(SMALL_VIT.head.from_pretrained(tmp_path).eval())
    assert loaded.config.tome == {"r": 4, "prop_attn": None, "restore": True, **options}
    assert_same(loaded(**SMALL_VIT.inputs()), model(**SMALL_VIT.inputs()))
    assert ToMeConfig.from_dict({"r": 4, "prop_attn": False, "restore": True}) == ToMeConfig(4, False)  # of old


@torch.no_grad()
def test_a_list_combines_each_layer_in_its_own_way() -> None:
    model, inputs = SMALL_VIT.build(), SMALL_VIT.inputs()
    found = [
        apply_tome(model, r=[5, 5], combine=combine)(**inputs).logits
        for combine in (["keep", "max", "mean", "mean"], ["keep", "mean", "mean", "mean"], "mean", ["mean"] * 4)
    ]
    assert torch.equal(found[2], found[3])
    assert apart(found[0], found[1]) > 1e-5
    assert apart(found[1], found[2]) > 1e-5


@torch.no_grad()
def test_pruning_has_no_proportional_attention_by_default() -> None:
    model, inputs = SMALL_VIT.build(), SMALL_VIT.inputs()
    found = {choice: apply_tome(model, 4, matching="random_prune", prop_attn=choice)(**inputs).logits
             for choice in (None, False, True)}  # fmt: skip
    assert torch.equal(found[None], found[False])
    assert apart(found[None], found[True]) > 1e-5


@torch.no_grad()
def test_a_matching_of_ones_own() -> None:
    """Without touching the package; it may merge less than r, or nothing."""
    seen: list[Candidates] = []

    def first_patch_takes_all(given: Candidates) -> MergePlan | None:
        seen.append(given)
        if given.layer == 1:
            return None
        joiners = given.rows(given.places[given.protected + 1 :][: given.r])
        return MergePlan.joining(joiners, torch.full_like(joiners, given.protected), given.tokens)

    register_matching("first_patch_takes_all", first_patch_takes_all)
    model = apply_tome(SMALL_VIT.build(), [3, 3, 2], matching="first_patch_takes_all")
    with trace_tome(model) as trace:
        model(**SMALL_VIT.inputs())
    assert trace.token_counts == [37, 34, 34, 32, 32]
    assert trace.sizes[:, 1].tolist() == [6, 6]
    assert [(given.layer, given.r) for given in seen] == [(0, 3), (1, 3), (2, 2)]
    assert not seen[0].metric.requires_grad
    # a second one of that name replaces it
    register_matching("first_patch_takes_all", lambda given: match_bipartite(given.metric, given.r, given.protected))
    again = apply_tome(model)(**SMALL_VIT.inputs())
    assert_same(again, apply_tome(SMALL_VIT.build(), [3, 3, 2])(**SMALL_VIT.inputs()))


@pytest.mark.parametrize(
    "options", [{}, {"combine": "mlerp"}, {"matching": "kmeans"}, {"distance": "softmax"}], ids=str
)
@torch.no_grad()
def test_padding_counts_for_nothing(options: dict[str, Any]) -> None:
    """What stands in padded positions does not move the logits."""
    model, mask = apply_tome(SMALL_VIT.build(), r=4, **options), torch.ones(2, SMALL_VIT.tokens)
    mask[0, 30:] = 0
    inputs = SMALL_VIT.inputs()
    other = {name: pixels.clone() for name, pixels in inputs.items()}
    other["pixel_values"][0, :, -4:] = 7.0  # the last row of six patches
    ours, theirs = (model(**each, attention_mask=mask).logits for each in (inputs, other))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        {"partition": "random", "metric": "x_pre", "combine": "mlerp"},
        pytest.param({"matching": "pitome"}, marks=pytest.mark.slow),
        pytest.param({"matching": "random_prune"}, marks=pytest.mark.slow),
    ],
    ids=str,
)
@torch.no_grad()
def test_options_compile_in_one_graph(options: dict[str, Any]) -> None:
    torch._dynamo.reset()
    model = apply_tome(SMALL_VIT.build(num_hidden_layers=2), 4, **options)
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    assert apart(compiled(**SMALL_VIT.inputs()).logits, model(**SMALL_VIT.inputs()).logits) <= 1e-6
