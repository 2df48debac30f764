"""State: nothing of one forward reaches another, whatever comes between them, and hard numbers do no harm."""

from __future__ import annotations

import copy
import io
import os
import pickle
import threading
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from cases import (
    CASES,
    CLASSIFIERS,
    LAYERS,
    SMALL_VIDEO,
    SMALL_VIT,
    VIDEOMAE,
    Case,
    Inputs,
    apart,
    assert_same,
    checkpoint,
    checkpoint_no_more,
    each_case,
    each_classifier,
    layers_of,
    tensors_of,
    tower_of,
)
from torch import Tensor, nn
from transformers import PreTrainedModel

from hf_tome import apply_tome, remove_tome, trace_tome
from hf_tome.state import LOCAL

each_checkpointing = pytest.mark.parametrize("reentrant", [True, False], ids=["reentrant", "not-reentrant"])

Gradients = dict[str, Tensor]


def loss_of(model: nn.Module, case: Case, inputs: Inputs) -> Tensor:
    """A loss for every head: its own where it has one, else a sum that weighs all outputs differently."""
    pixels = case.family.pixels[0]
    inputs = {**inputs, pixels: inputs[pixels].clone().requires_grad_()}  # reentrant checkpointing asks for this
    output = model(**inputs, **case.labels(len(inputs[pixels])))
    if "loss" in output:
        return output.loss
    return sum((tensor * torch.linspace(-1, 1, tensor.numel()).view_as(tensor)).sum() for tensor in tensors_of(output))  # pyright: ignore


def gradients(model: nn.Module, run: Callable[[], None]) -> Gradients:
    model.zero_grad()
    run()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def assert_close(ours: Gradients, theirs: Gradients, tolerance: float = 1e-6) -> None:
    assert ours.keys() == theirs.keys()
    assert len(ours) > 10
    for name, gradient in ours.items():
        scale = max(1.0, theirs[name].abs().max().item())
        assert (gradient - theirs[name]).abs().max() <= tolerance * scale, name


# Backward


@each_checkpointing
@each_case
def test_gradients_under_checkpointing_are_those_without(case: Case, reentrant: bool) -> None:
    model = apply_tome(case.build(), r=4).train()

    def step() -> None:
        loss_of(model, case, case.inputs()).backward()

    plain = gradients(model, step)
    checkpoint(model, use_reentrant=reentrant)
    assert_close(gradients(model, step), plain)
    checkpoint_no_more(model)
    assert_close(gradients(model, step), plain, 0)


@each_checkpointing
def test_gradients_under_checkpointing_with_dropout(reentrant: bool) -> None:
    model = SMALL_VIT.build(hidden_dropout_prob=0.2, attention_probs_dropout_prob=0.2)
    apply_tome(model, r=4).train()

    def step() -> None:
        inputs = SMALL_VIT.inputs()
        torch.manual_seed(5)
        loss_of(model, SMALL_VIT, inputs).backward()

    plain = gradients(model, step)
    checkpoint(model, use_reentrant=reentrant)
    assert_close(gradients(model, step), plain)


@each_checkpointing
def test_gradients_under_checkpointing_with_padding(reentrant: bool) -> None:
    model, mask = apply_tome(SMALL_VIT.build(), r=4).train(), torch.ones(2, SMALL_VIT.tokens)
    mask[0, 20:] = 0

    def step() -> None:
        loss_of(model, SMALL_VIT, {**SMALL_VIT.inputs(), "attention_mask": mask}).backward()

    plain = gradients(model, step)
    checkpoint(model, use_reentrant=reentrant)
    assert_close(gradients(model, step), plain)


def test_gradients_are_those_of_finite_differences() -> None:
    """In float64, along one direction small enough that the matching stays."""
    model = apply_tome(SMALL_VIT.build().double(), r=4)
    inputs = SMALL_VIT.inputs(dtype=torch.float64)
    grads = gradients(model, lambda: loss_of(model, SMALL_VIT, inputs).backward())
    direction = {name: torch.randn_like(gradient) for name, gradient in grads.items()}
    slope, losses, step = sum((grads[n] * direction[n]).sum() for n in grads), [], 1e-6
    for sign in (1, -2):
        for name, parameter in model.named_parameters():
            if name in direction:
                parameter.data += sign * step * direction[name]
        losses.append(loss_of(model, SMALL_VIT, inputs).item())
    torch.testing.assert_close(torch.tensor((losses[0] - losses[1]) / (2 * step)).double(), slope, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("reentrant", [None, True, False], ids=["plain", "reentrant", "not-reentrant"])
@each_classifier
def test_two_forwards_before_one_backward(case: Case, reentrant: bool | None) -> None:
    model = apply_tome(case.build(), r=4).train()
    if reentrant is not None:
        checkpoint(model, use_reentrant=reentrant)
    first, second = case.inputs(2, seed=1), case.inputs(3, seed=2)

    def together() -> None:
        losses = [loss_of(model, case, inputs) for inputs in (first, second)]
        (losses[0] + 2 * losses[1]).backward()

    def apart_from_each_other() -> None:
        loss_of(model, case, first).backward()
        (2 * loss_of(model, case, second)).backward()

    assert_close(gradients(model, together), gradients(model, apart_from_each_other))


@each_checkpointing
def test_new_settings_between_forward_and_backward(reentrant: bool) -> None:
    """A recompute repeats the forward as it was."""
    model = apply_tome(SMALL_VIT.build(), r=4).train()
    plain = gradients(model, lambda: loss_of(model, SMALL_VIT, SMALL_VIT.inputs()).backward())
    checkpoint(model, use_reentrant=reentrant)

    def step() -> None:
        loss = loss_of(model, SMALL_VIT, SMALL_VIT.inputs())
        apply_tome(model, r=7, prop_attn=False)
        loss.backward()

    assert_close(gradients(model, step), plain)


@pytest.mark.parametrize("reentrant", [None, True, False], ids=["plain", "reentrant", "not-reentrant"])
def test_backward_in_another_thread(reentrant: bool | None) -> None:
    model = apply_tome(SMALL_VIT.build(), r=4).train()
    expected = gradients(model, lambda: loss_of(model, SMALL_VIT, SMALL_VIT.inputs()).backward())
    if reentrant is not None:
        checkpoint(model, use_reentrant=reentrant)

    def step() -> None:
        loss = loss_of(model, SMALL_VIT, SMALL_VIT.inputs())
        thread = threading.Thread(target=loss.backward)
        thread.start()
        model(**SMALL_VIT.inputs(4))  # another forward here, meanwhile
        thread.join()

    assert_close(gradients(model, step), expected)


# Threads


@pytest.mark.parametrize("case", [SMALL_VIT, SMALL_VIDEO], ids=lambda case: case.name)
@torch.no_grad()
def test_threads_of_different_batch_sizes_equal_serial_runs(case: Case) -> None:
    model, rounds = apply_tome(case.build(), r=4), 5
    batches = [case.inputs(batch=n, seed=n) for n in range(1, 9)]
    serial = [model(**batch).logits for batch in batches]
    start, wrong = threading.Barrier(len(batches)), []

    @torch.no_grad()
    def work(index: int) -> None:
        start.wait()
        for _ in range(rounds):
            logits = model(**batches[index]).logits
            if not torch.allclose(logits, serial[index], rtol=0, atol=1e-6) or LOCAL.forward or LOCAL.frame:
                wrong.append(index)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(len(batches))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


# Exceptions and nesting


class Broken(Exception):
    pass


def raise_broken(*_: Any) -> None:
    raise Broken


def places(model: nn.Module, case: Case) -> list[nn.Module]:
    """One module in each part of a forward: before the layers, in each part of a layer, and in the last one's end."""
    layers, family = layers_of(model, case), case.family
    inner = [layers[1].get_submodule(path) for path in (family.key, "layernorm_before", "layernorm_after", "attention")]
    return [tower_of(model, case).embeddings, *inner, layers[1], layers[-1], tower_of(model, case)]  # pyright: ignore


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("place", range(8))
@each_classifier
@torch.no_grad()
def test_an_exception_in_the_middle_leaves_nothing_behind(case: Case, place: int, before: bool) -> None:
    model = apply_tome(case.build(), r=4)
    expected = model(**case.inputs())
    module = places(model, case)[place]
    hook = module.register_forward_pre_hook(raise_broken) if before else module.register_forward_hook(raise_broken)
    for _ in range(2):
        with pytest.raises(Broken):
            model(**case.inputs(3))
        assert LOCAL.forward is None
        assert LOCAL.frame is None
    hook.remove()
    assert_same(model(**case.inputs()), expected)


@torch.no_grad()
def test_an_interrupt_leaves_the_next_forward_right() -> None:
    """Ctrl-C is no Exception: torch does not call hooks for it."""
    model = apply_tome(SMALL_VIT.build(), r=4)
    expected = model(**SMALL_VIT.inputs())

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    hook = places(model, SMALL_VIT)[3].register_forward_pre_hook(interrupt)
    with pytest.raises(KeyboardInterrupt):
        model(**SMALL_VIT.inputs(3))
    hook.remove()
    assert_same(model(**SMALL_VIT.inputs()), expected)
    LOCAL.forward = None  # what is left of the interrupted forward reaches no other


@pytest.mark.parametrize("inside", ["another patched model", "the same model", "a plain model", "one that fails"])
@pytest.mark.parametrize("place", range(8))
@torch.no_grad()
def test_a_forward_inside_a_forward(place: int, inside: str) -> None:
    outer, inner = apply_tome(SMALL_VIT.build(), r=4), SMALL_VIDEO.build()
    expected = outer(**SMALL_VIT.inputs())
    if inside != "a plain model":
        apply_tome(inner, r=3)
    alone, seen, busy = inner(**SMALL_VIDEO.inputs()), [], []

    def call(*_: Any) -> None:
        if busy:
            return
        busy.append(True)
        if inside == "the same model":
            seen.append(outer(**SMALL_VIT.inputs()))
        elif inside == "one that fails":
            with pytest.raises(RuntimeError):
                inner(pixel_values=torch.zeros(1, 2, 3, 16, 16))  # too few frames: its embeddings fail
        else:
            seen.append(inner(**SMALL_VIDEO.inputs()))
        busy.pop()

    places(outer, SMALL_VIT)[place].register_forward_hook(call)
    with trace_tome(outer) as trace:
        assert_same(outer(**SMALL_VIT.inputs()), expected)
    for result in seen:
        assert_same(result, expected if inside == "the same model" else alone)
    assert all(each.token_counts == [37, 33, 29, 25, 21] for each in trace.forwards)


@torch.no_grad()
def test_a_layer_called_by_itself_is_the_plain_layer() -> None:
    model, plain, x = apply_tome(SMALL_VIT.build(), r=4), SMALL_VIT.build(), torch.randn(2, 9, 32)
    ours, theirs = layers_of(model, SMALL_VIT)[1], layers_of(plain, SMALL_VIT)[1]
    assert torch.equal(ours(x), theirs(x))


# Hooks of the user's own


def tilted(value: Any) -> Any:
    """Another factor for each channel, which no layer norm takes back."""
    if isinstance(value, tuple):
        return (tilted(value[0]), *value[1:])
    return value * torch.linspace(0.5, 1.5, value.shape[-1])


PARTS = [(case, name) for case in CLASSIFIERS for name, _ in layers_of(case.build(), case)[1].named_modules()]


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize(("case", "name"), PARTS, ids=lambda value: getattr(value, "name", value))
@torch.no_grad()
def test_a_hook_on_any_part_of_a_layer_counts(case: Case, name: str, before: bool) -> None:
    """It sees and changes the same, whether the second merge of a layer is left out or not."""
    outputs, inputs_seen = [], []
    for shortcut in (True, False):
        model, seen = apply_tome(case.build(), r=4), []
        for layer in layers_of(model, case):
            layer._tome.known &= shortcut  # pyright: ignore
        part = layers_of(model, case)[1].get_submodule(name)
        if before:
            part.register_forward_pre_hook(lambda module, args: tilted(args))
        else:
            part.register_forward_hook(lambda module, args, output: tilted(output))
        part.register_forward_hook(lambda module, args, output, seen=seen: seen.extend([args[0], *tensors_of(output)]))
        outputs.append(model(**case.inputs()).logits)
        inputs_seen.append(seen)
    assert apart(*outputs) <= 1e-5
    assert apart(outputs[0], apply_tome(case.build(), r=4)(**case.inputs()).logits) > 1e-5
    assert [tuple(tensor.shape) for tensor in inputs_seen[0]] == [tuple(tensor.shape) for tensor in inputs_seen[1]]
    assert apart(*inputs_seen) <= 1e-5


# Copies


def through_torch(model: PreTrainedModel) -> PreTrainedModel:
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


@pytest.mark.parametrize(
    "copied",
    [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model)), through_torch],
    ids=["deepcopy", "pickle", "torch.save"],
)
@each_case
@torch.no_grad()
def test_a_copy_is_patched_and_on_its_own(case: Case, copied: Callable[[PreTrainedModel], PreTrainedModel]) -> None:
    model = apply_tome(case.build(), r=4)
    expected = model(**case.inputs())
    twin = copied(model)
    assert_same(twin(**case.inputs()), expected)
    for parameter in twin.parameters():
        parameter.zero_()
    twin.set_attn_implementation("eager")
    apply_tome(twin, r=1)
    assert_same(model(**case.inputs()), expected)
    assert model.config._attn_implementation == "sdpa"
    again = copied(model)
    assert_same(remove_tome(again)(**case.inputs()), case.build()(**case.inputs()))
    with trace_tome(model) as trace:
        again(**case.inputs())
        model(**case.inputs())
    assert len(trace) == 1


# Processes


def train_one_step(rank: int, model: PreTrainedModel, folder: str) -> None:
    """One distributed backward on this process's half of the batch."""
    wrapped = nn.parallel.DistributedDataParallel(model.train())
    inputs = {name: tensor[2 * rank : 2 * rank + 2] for name, tensor in SMALL_VIT.inputs(4).items()}
    apply_tome(wrapped, r=4)  # re-configured through the container
    wrapped(**inputs, labels=torch.tensor([rank, 3 - rank])).loss.backward()
    if rank == 0:
        torch.save({name: p.grad for name, p in model.named_parameters()}, f"{folder}/gradients.pt")


def one_of_two_processes(rank: int, model: PreTrainedModel, folder: str) -> None:
    """Ends without the interpreter's clean-up: the reducer frees the process group there while it holds the GIL,
    which a thread of gloo may be waiting for, and one run in a few never ends."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    train_one_step(rank, model, folder)
    torch.distributed.barrier()
    os._exit(0)


def test_distributed_training_in_two_processes(tmp_path: Path) -> None:
    """The patched model also travels to the processes by pickle."""
    model = apply_tome(SMALL_VIT.build(), r=2)
    processes = torch.multiprocessing.spawn(one_of_two_processes, args=(model, str(tmp_path)), nprocs=2, join=False)
    assert processes is not None
    try:
        assert processes.join(timeout=120) or processes.join(timeout=5), "the processes did not end"
    finally:
        for process in processes.processes:
            process.kill()
    apply_tome(model, r=4).train()

    def alone() -> None:
        for rank in (0, 1):
            inputs = {name: tensor[2 * rank : 2 * rank + 2] for name, tensor in SMALL_VIT.inputs(4).items()}
            (model(**inputs, labels=torch.tensor([rank, 3 - rank])).loss / 2).backward()

    assert_close(torch.load(tmp_path / "gradients.pt"), gradients(model, alone))


# Compile


@pytest.fixture
def fresh_dynamo() -> None:
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()


def graphs() -> int:
    return torch._dynamo.utils.counters["stats"]["unique_graphs"]


@pytest.mark.parametrize("case", [SMALL_VIT, SMALL_VIDEO], ids=lambda case: case.name)
@pytest.mark.usefixtures("fresh_dynamo")
@torch.no_grad()
def test_compile_in_one_graph_and_again_when_r_changes(case: Case) -> None:
    model = apply_tome(case.build(num_hidden_layers=2), r=4)
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    for r, count in ((4, 1), (4, 1), (6, 2), (6, 2)):
        apply_tome(model, r=r)
        logits = compiled(**case.inputs()).logits
        assert apart(logits, model(**case.inputs()).logits) <= 1e-6
        assert graphs() == count


@pytest.mark.slow
@each_classifier
@pytest.mark.usefixtures("fresh_dynamo")
def test_compile_with_inductor(case: Case) -> None:
    pytest.importorskip("torch._inductor")
    model = apply_tome(case.build(), r=4)
    compiled = torch.compile(model, fullgraph=True)
    with torch.no_grad():
        for r in (4, (4, -1.0), 0):
            apply_tome(model, r=r)
            assert apart(compiled(**case.inputs()).logits, model(**case.inputs()).logits) <= 1e-5
    assert graphs() == 3


@pytest.mark.slow
@pytest.mark.parametrize("case", [SMALL_VIT, SMALL_VIDEO], ids=lambda case: case.name)
@pytest.mark.usefixtures("fresh_dynamo")
def test_compiled_training(case: Case) -> None:
    model = apply_tome(case.build(), r=4).train()
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    plain = gradients(model, lambda: model(**case.inputs(), **case.labels()).loss.backward())
    assert_close(gradients(model, lambda: compiled(**case.inputs(), **case.labels()).loss.backward()), plain, 1e-5)


@pytest.mark.slow
@pytest.mark.usefixtures("fresh_dynamo")
@torch.no_grad()
def test_compile_with_a_mask() -> None:
    model, mask = apply_tome(SMALL_VIT.build(), r=4), torch.ones(2, SMALL_VIT.tokens)
    mask[0, 20:] = 0
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    inputs = {**SMALL_VIT.inputs(), "attention_mask": mask}
    assert apart(compiled(**inputs).logits, model(**inputs).logits) <= 1e-5


# Hard numbers


def counts_of(model: nn.Module, inputs: Inputs) -> tuple[list[int], list[Tensor]]:
    with torch.no_grad(), trace_tome(model) as trace:
        output = model(**inputs)
    n = trace.token_counts[0]
    assert (trace.sizes.sum(1) == n).all()
    return trace.token_counts, tensors_of(output)


@pytest.mark.parametrize("late", [False, True], ids=["before-apply", "after-apply"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@each_case
def test_other_precisions(case: Case, dtype: torch.dtype, late: bool) -> None:
    model = apply_tome(case.build(), r=4).to(dtype) if late else apply_tome(case.build().to(dtype), r=4)
    counts, output = counts_of(model, case.inputs(dtype=dtype))
    assert counts == [case.tokens - 4 * layer for layer in range(LAYERS + 1)]
    plain = tensors_of(case.build().to(dtype)(**case.inputs(dtype=dtype)))
    assert [tensor.dtype for tensor in output] == [tensor.dtype for tensor in plain]
    assert all(tensor.isfinite().all() for tensor in output)


@each_classifier
def test_half_precision_does_not_overflow(case: Case) -> None:
    """Features near the largest float16, and groups of many: a sum before the division would be infinite."""
    model = apply_tome(case.build().half(), r=1000)
    tower_of(model, case).embeddings.register_forward_hook(lambda module, args, out: torch.full_like(out, 3e4))  # pyright: ignore
    with trace_tome(model) as trace, torch.no_grad():
        model(**case.inputs(dtype=torch.float16))
    features = torch.full((2, case.tokens, 4), 6e4, dtype=torch.float16)
    sizes = torch.ones(2, case.tokens)
    for plan in trace.last.plans:
        assert plan is not None
        sizes, shares = plan.share(sizes)
        features = plan.merge(features, shares)
        assert features.isfinite().all()


@each_case
def test_autocast(case: Case) -> None:
    model = apply_tome(case.build(), r=4)
    with torch.autocast("cpu", torch.bfloat16):
        counts, output = counts_of(model, case.inputs())
        loss = loss_of(model.train(), case, case.inputs())
    assert counts[-1] == case.tokens - 4 * LAYERS
    assert all(tensor.isfinite().all() for tensor in output)
    loss.backward()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@each_classifier
@torch.no_grad()
def test_r_zero_is_exact_in_every_precision(case: Case, dtype: torch.dtype) -> None:
    inputs = case.inputs(dtype=dtype)
    assert_same(apply_tome(case.build().to(dtype), r=0)(**inputs), case.build().to(dtype)(**inputs))
    with torch.autocast("cpu", torch.bfloat16):
        assert_same(apply_tome(case.build(), r=0)(**case.inputs()), case.build()(**case.inputs()))


@pytest.mark.parametrize("batch", [1, 5])
@each_case
@torch.no_grad()
def test_batch_sizes(case: Case, batch: int) -> None:
    model, inputs = apply_tome(case.build(), r=4), case.inputs(batch)
    output = model(**inputs)
    for tensor in tensors_of(output):
        assert tensor.ndim == 0 or len(tensor) == batch
    for index in range(batch):  # a sample does not see its neighbours
        alone = model(**{name: tensor[index : index + 1] for name, tensor in inputs.items()})
        for one, all_of_them in zip(tensors_of(alone), tensors_of(output), strict=True):
            if one.ndim:
                torch.testing.assert_close(one[0], all_of_them[index], rtol=0, atol=1e-5)


SIZES = [
    (case, settings, shape)
    for case in CLASSIFIERS[:2]
    for settings, shape in (({"image_size": 20}, (3, 20, 20)), ({"image_size": [20, 24]}, (3, 20, 24)))
]
SIZES += [
    (CLASSIFIERS[2], {"num_frames": 2, "image_size": 12}, (2, 3, 12, 12)),
    (CLASSIFIERS[3], {"max_length": 29}, (29, 16)),
    *((case, {"image_size": 4}, (3, 4, 4)) for case in CLASSIFIERS[:2]),  # one patch: nothing can merge
    (CLASSIFIERS[2], {"num_frames": 2, "image_size": 4}, (2, 3, 4, 4)),
]


@pytest.mark.parametrize("r", [1, 3, 0.5, 0.99, 10**9], ids=str)
@pytest.mark.parametrize(("case", "settings", "shape"), SIZES, ids=lambda value: getattr(value, "name", str(value)))
def test_odd_and_tiny_numbers_of_tokens(case: Case, settings: dict[str, Any], shape: tuple[int, ...], r: Any) -> None:
    model = apply_tome(case.build(**settings), r=r)
    counts, output = counts_of(model, {case.family.pixels[0]: torch.randn(2, *shape)})
    for before, after in pairwise(counts):
        half = (before - case.family.protected) // 2
        assert before - after == min(half, r if isinstance(r, int) else int(r * (before - case.family.protected)))
    assert all(tensor.isfinite().all() for tensor in output)


@each_case
def test_zero_keys(case: Case) -> None:
    model = case.build()
    for layer in layers_of(model, case):
        key = layer.get_submodule(case.family.key)
        for parameter in key.parameters():
            nn.init.zeros_(parameter)
    counts, output = counts_of(apply_tome(model, r=4).train(), case.inputs())
    assert counts[-1] == case.tokens - 4 * LAYERS
    assert all(tensor.isfinite().all() for tensor in output)
    loss_of(model, case, case.inputs()).backward()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


@each_classifier
def test_equal_tokens(case: Case) -> None:
    """A blank input: ties are taken in one order, in every run."""
    inputs = {name: torch.zeros_like(tensor) for name, tensor in case.inputs().items()}
    model = apply_tome(case.build(), r=4)
    with trace_tome(model) as trace:
        first, second = model(**inputs), model(**inputs)
    assert_same(first, second)
    assert torch.equal(trace[0].groups, trace[1].groups)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@each_case
@torch.no_grad()
def test_nan_comes_out_as_nan_and_stays_in_its_sample(case: Case, value: float) -> None:
    model, inputs = apply_tome(case.build(), r=4), case.inputs(3)
    clean, name = tensors_of(model(**inputs)), case.family.pixels[0]
    inputs[name] = inputs[name].clone()
    inputs[name][1] = value
    with trace_tome(model) as trace:
        output = tensors_of(model(**inputs))
    assert trace.token_counts[-1] == case.tokens - 4 * LAYERS
    for ours, theirs in zip(output, clean, strict=True):
        if ours.ndim:
            assert ours[1].isnan().all()
            assert torch.equal(ours[0], theirs[0])
            assert torch.equal(ours[2], theirs[2])
        else:
            assert ours.isnan()  # the loss over the batch


@each_classifier
def test_inference_mode(case: Case) -> None:
    model = apply_tome(case.build(), r=4)
    expected = model(**case.inputs())
    with torch.inference_mode():
        assert_same(model(**case.inputs()), expected)
    loss_of(model, case, case.inputs()).backward()


def test_the_meta_device() -> None:
    """Shapes without numbers, as for counting operations."""
    for case in CASES:
        if not case.hides_patches and case.family is not VIDEOMAE:
            model = apply_tome(case.build(), r=4).to("meta")
            inputs = {name: tensor.to("meta") for name, tensor in case.inputs().items()}
            with trace_tome(model) as trace:
                model(**inputs)
            assert trace.token_counts[-1] == case.tokens - 4 * LAYERS
