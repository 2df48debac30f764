"""When numba's loops step in, and that whole models do not tell the difference."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest
import torch
from cases import SMALL_VIT, Case, each_bare
from comparison import assert_same
from kinds import randn
from torch import Tensor
from torch._subclasses import FakeTensorMode
from torch.autograd import forward_ad
from torch.fx.experimental.proxy_tensor import make_fx

from hf_tome import apply_tome, trace_tome
from hf_tome.core import MergePlan, match_bipartite, ops
from hf_tome.core.ops import reference

pytest.importorskip("numba")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the loops that were called."""
    from hf_tome.core.ops import loops

    seen: list[str] = []
    for name in ("decide", "share", "merge", "follow"):
        original = getattr(loops, name)
        monkeypatch.setattr(loops, name, lambda *args, name=name, call=original: (seen.append(name), call(*args))[1])
    return seen


@pytest.mark.parametrize("options", [{}, {"metric": "q"}], ids=["paper", "queries"])
@each_bare
@torch.no_grad()
def test_outputs_and_groups_are_those_of_torch(
    case: Case, options: dict, calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, inputs = apply_tome(case.build(num_hidden_layers=2), r=5, **options), case.inputs()
    with trace_tome(model) as trace:
        found = model(**inputs)
        assert set(calls) == {"decide", "merge", "follow"}
        monkeypatch.setattr(ops, "HAS_NUMBA", False)
        assert_same(model(**inputs), found)
    assert torch.equal(trace[0].groups, trace[1].groups)
    assert torch.equal(trace[0].sizes, trace[1].sizes)


@torch.no_grad()
def test_padding(monkeypatch: pytest.MonkeyPatch) -> None:
    model, mask = apply_tome(SMALL_VIT.build(num_hidden_layers=2), r=6), torch.ones(2, SMALL_VIT.tokens)
    mask[0, 20:] = 0
    found = model(**SMALL_VIT.inputs(), attention_mask=mask)
    monkeypatch.setattr(ops, "HAS_NUMBA", False)
    assert_same(model(**SMALL_VIT.inputs(), attention_mask=mask), found)


def merged(x: Tensor) -> Tensor:
    """A merge of (1, 4, channels), the input and the plan of which are in plain sight."""
    plan = MergePlan(torch.tensor([[0, 2, 3]]), torch.tensor([[1]]), torch.tensor([[1]]))
    _, shares = plan.share(torch.ones(1, 4))
    return plan.merge(x, shares)


def gradient(x: Tensor) -> Tensor:
    x = x.clone().requires_grad_()
    return torch.autograd.grad(merged(x).square().sum(), x)[0]


def forward_gradient(x: Tensor) -> Tensor:
    with forward_ad.dual_level():
        return forward_ad.unpack_dual(merged(forward_ad.make_dual(x, x.square()))).tangent


def replayed(trace: Callable[[Callable, Tensor], Callable]) -> Callable[[Tensor], Tensor]:
    """What is recorded on one input, run on another."""
    return lambda x: trace(merged, torch.zeros_like(x))(x)


LOOKING_ON: dict[str, Callable[[Tensor], Tensor]] = {
    "gradient": gradient,
    "forward mode": forward_gradient,
    "torch.func.grad": torch.func.grad(lambda x: merged(x).square().sum()),
    "torch.func.jvp": lambda x: torch.func.jvp(merged, (x,), (x.square(),))[1],
    "torch.vmap": lambda x: torch.vmap(merged)(x[None])[0],
    "make_fx": replayed(lambda function, x: make_fx(function)(x)),
    "torch.jit.trace": replayed(lambda function, x: torch.jit.trace(function, x)),
    "torch.compile": torch.compile(merged, fullgraph=True, backend="eager"),
}


@pytest.mark.parametrize("name", LOOKING_ON)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
def test_what_looks_at_single_operations_sees_them(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    x = randn(1, 4, 3).cpu()
    found = LOOKING_ON[name](x)
    monkeypatch.setattr(ops, "HAS_NUMBA", False)
    torch.testing.assert_close(found, LOOKING_ON[name](x))


WRONG = {  # leaders, joiners, targets of a plan for (1, 4)
    "leader": ([[0, 2, 4]], [[1]], [[1]]),
    "joiner": ([[0, 2, 3]], [[-1]], [[1]]),
    "target": ([[0, 2, 3]], [[1]], [[3]]),
    "batch": ([[0, 2, 3]] * 2, [[1]] * 2, [[1]] * 2),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_wrong_plan_reads_nothing_beyond_the_tokens(wrong: tuple[list, list, list]) -> None:
    plan = MergePlan(*map(torch.tensor, wrong))
    with pytest.raises(IndexError):
        plan.share(torch.ones(1, 4))
    with pytest.raises(IndexError):
        plan.merge(torch.ones(1, 4, 2), torch.ones(len(wrong[0]), 1))


def test_the_default_device_and_dtype_do_not_matter() -> None:
    metric, sizes, x = randn(1, 9, 4).cpu(), torch.ones(1, 9), randn(1, 9, 3).cpu()
    expected = match_bipartite(metric, 2)
    assert expected is not None
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        with torch.device("meta"):
            plan = match_bipartite(metric, 2)
            assert plan is not None
            totals, shares = plan.share(sizes)
            found = totals, shares, plan.merge(x, shares)
    finally:
        torch.set_default_dtype(before)
    assert_same(found, (*expected.share(sizes), expected.merge(x, expected.share(sizes)[1])))


class Own(Tensor):
    """A user's tensors, which stay theirs."""


def test_tensors_of_another_class_keep_it() -> None:
    assert type(merged(torch.zeros(1, 4, 3).as_subclass(Own))) is Own


def test_tensors_without_data() -> None:
    with FakeTensorMode():
        assert merged(torch.empty(1, 4, 3)).shape == (1, 3, 3)


def test_where_the_loops_step_in(calls: list[str]) -> None:
    x = torch.zeros(1, 8, 4)
    match_bipartite(x, 2)
    match_bipartite(torch.zeros(1, 600, 64), 2)  # too many products
    assert calls == ["decide"]
    assert ops.backend(x) is not reference
    large = torch.zeros(1).expand(1, ops.MOST_VALUES + 1, 1)
    for other in (x.double(), x.bfloat16(), x.to("meta"), x.clone().requires_grad_(), large):
        assert ops.backend(other) is reference


def test_without_numba_torch_does_all(calls: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ops, "HAS_NUMBA", False)
    apply_tome(SMALL_VIT.build(), r=5)(**SMALL_VIT.inputs())
    assert calls == []


ONE_MERGE = """
import sys, torch
from hf_tome.core import match_bipartite
assert "numba" not in sys.modules
print(match_bipartite(torch.eye(8)[None], 2).leaders.tolist())
"""
BROKEN = "import hf_tome.core, sys; sys.modules['numba'] = None"
NOWHERE = "import numba.core.caching as caching; caching.CacheImpl._locator_classes = []"


def run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)


def test_a_broken_numba_is_said_and_torch_does_its_work() -> None:
    done = run(BROKEN + ONE_MERGE.replace("assert", "#"))
    assert done.stdout == run(ONE_MERGE).stdout != ""
    assert done.stderr.count("numba is installed, but its import fails") == 1


@pytest.mark.slow  # compiles everything anew
def test_where_nothing_can_be_written_the_loops_compile_all_the_same() -> None:
    """Numba refuses to keep what it compiles where there is no place for it."""
    assert run(ONE_MERGE).stdout == run(NOWHERE + ONE_MERGE.replace("assert", "#")).stdout != ""
