"""Compile each kernel for a GPU of a given capability, for each dtype, and with the arguments that Triton bakes in.

python compile_all.py 90
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile

from hf_tome.core.ops.kernels import merge, propose, select

PLAN = {"leaders": "*i64", "joiners": "*i64", "targets": "*i64"}
FLOATS = ("fp32", "bf16", "fp16")
Variant = tuple[Any, dict[str, str], dict[str, Any]]


def variants() -> Iterator[Variant]:
    """A kernel, the types of its pointers, its compile-time values. Other arguments are 32-bit integers."""
    found = {"similarity": "*fp32", "best": "*i32"}
    for dtype in FLOATS:
        for padded in (True, False):
            pointers = {"metric": f"*{dtype}", "padded": "*u8" if padded else "*fp32", **found}
            yield propose._propose, pointers, {"PADDED": padded, "WIDTH": 64, "BLOCK": propose.BLOCK}
    yield select._rank, {"similarity": "*fp32", "rank": "*i32"}, {"BLOCK": select.BLOCK}
    for in_order in (True, False):
        pointers = {"rank": "*i32", "best": "*i32", **PLAN}
        yield select._place, pointers, {"IN_ORDER": in_order, "BLOCK": select.BLOCK}
    sizes = {"sizes": "*fp32", "totals": "*fp32", "shares": "*fp32"}
    yield merge._share, {**PLAN, **sizes}, {"BLOCK": merge.BLOCK}
    for dtype in FLOATS:
        features = {"shares": "*fp32", "out": f"*{dtype}"}
        values = {"WIDTH": 1024, "BLOCK": merge.BLOCK}
        yield merge._merge, {"x": f"*{dtype}", **PLAN, **features}, values
        yield merge._merge_backward, {"grad": f"*{dtype}", **PLAN, **features}, values


def compiled(variant: Variant, ones: set[str], capability: int) -> bytes:
    """The machine code. Triton makes an integer argument that is 1 a compile-time value."""
    kernel, pointers, values = variant
    values = {**values, **{name: 1 for name in kernel.arg_names if name in ones}}
    types = {name: pointers.get(name, "i32") for name in kernel.arg_names}
    signature = {name: "constexpr" if name in values else kind for name, kind in types.items()}
    constants = {(kernel.arg_names.index(name),): value for name, value in values.items()}
    source = ASTSource(fn=kernel, signature=signature, constexprs=constants)
    return compile(source, target=GPUTarget("cuda", capability, 32)).asm["cubin"]


def main() -> None:
    capability = int(sys.argv[1])
    for variant in variants():
        for ones in (set(), {"r", "protected", "stride_channel", "stride_feature", "first_destination"}):
            code = compiled(variant, ones, capability)
            print(variant[0].__name__, sorted(ones & set(variant[0].arg_names)), len(code), "bytes", flush=True)


if __name__ == "__main__":
    main()
