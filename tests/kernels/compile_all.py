"""Compile the kernels for GPUs, which needs none, and print what each of them takes of a multiprocessor.

python compile_all.py 90 [propose]    # the capability, and how the names of the wanted kernels begin
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from triton import knobs
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile

from hf_tome.core.ops.kernels import compose, decide, merge, merge_norm, propose, select, share

DTYPES = {torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}
WIDTHS = (64, 128, 256)
NORMED = (1024, 2048, 4096)  # features of a row, rounded up
MERGES = 24  # of a deep model, composed
POINTERS = {
    **dict.fromkeys(("leaders", "joiners", "targets"), "*i64"),
    **dict.fromkeys(("sizes", "totals", "shares", "similarity", "mean", "scale"), "*fp32"),
    **dict.fromkeys(("best", "rank"), "*i32"),
    **dict.fromkeys(("spare", "out"), "*i64"),
}


@dataclass(frozen=True)
class Variant:
    """One kernel, as a call would compile it. Arguments that are no pointers are 32-bit integers.

    Attributes:
        name: for the report.
        kernel: the function.
        values: its compile-time values, and Triton's own options, such as `num_warps`.
        pointers: the types of its pointers that `POINTERS` does not have.
        dense: whether rows lie closely and begin at multiples of 16, as they mostly do: Triton compiles that apart.
    """

    name: str
    kernel: Any
    values: dict[str, Any]
    pointers: dict[str, Any] = field(default_factory=dict)
    dense: bool = True


def variants() -> Iterator[Variant]:
    for dtype, name in DTYPES.items():
        for width, dense in [*((width, True) for width in WIDTHS), (80, False)]:
            values = {"PROTECTED": 1, "PADDED": True, **propose.tiles(dtype, width)}
            keys, label = {**dict.fromkeys(("metric", "logs"), f"*{name}"), "weights": "*fp32"}, f"{name} {width}"
            kind = "" if dense else "strided "
            yield Variant(f"{kind}propose {label}", propose._propose, values, keys, dense)
            values |= {"SIZED": True, "num_warps": decide.WARPS}
            yield Variant(f"{kind}decide {label}", decide._decide, values, {**keys, "keys": f"*{name}"}, dense)
        for dense in (True, False):
            rows = dict.fromkeys(("x", "residual", "grad", "out"), f"*{name}")
            values, kind = {"WIDTH": merge.WIDEST, "BLOCK": merge.BLOCK}, "" if dense else "strided "
            for added in (False, True) if dense else (True,):
                label = f"{kind}{'add and ' if added else ''}merge {name}"
                yield Variant(label, merge._merge, {**values, "ADDED": added}, rows, dense)
            yield Variant(f"{kind}merge backward {name}", merge._merge_backward, values, rows, dense)
        rows = dict.fromkeys(("x", "residual", "weight", "bias", "merged", "normed"), f"*{name}")
        for width, dense in [*((width, True) for width in NORMED), (NORMED[-1], False)]:
            values = {"WEIGHTED": True, "BIASED": True, **merge_norm.tiles(width)}
            label = f"{'' if dense else 'strided '}merge and norm {name} {width}"
            yield Variant(label, merge_norm._merge_norm, values, {**rows, "eps": "fp32"}, dense)
        values = {"SIZED": True, "LOGS": True, "BLOCK": share.BLOCK}
        yield Variant(f"share with logs {name}", share._share, values, {"logs": f"*{name}"})
    yield Variant("rank", select._rank, {"BLOCK": select.BLOCK})
    for protected in (0, 1):
        yield Variant(f"place {protected}", select._place, {"PROTECTED": protected, "BLOCK": select.BLOCK})
    values = {"LOGS": False, "BLOCK": share.BLOCK}
    for sized in (True, False):
        yield Variant(f"share {sized}", share._share, {**values, "SIZED": sized}, {"logs": "*fp32"})
    plans = {**dict.fromkeys(("leaders", "joiners", "targets"), ("*i64",) * MERGES), "rs": ("i32",) * MERGES}
    values = {"LAST": MERGES - 1, "BLOCK": compose.BLOCK, "num_warps": compose.WARPS}
    yield Variant("compose", compose._compose, values, plans)


def compiled(variant: Variant, capability: int) -> Any:
    """What Triton makes of it. An argument that is 1 is a compile-time value, unless it is not to be specialised."""
    names = variant.kernel.arg_names
    options = {name: value for name, value in variant.values.items() if name not in names}
    values = {name: value for name, value in variant.values.items() if name in names}
    if variant.dense:
        values |= {name: 1 for name in names if name in ("stride_channel", "stride_feature")}
    types = {**dict.fromkeys(names, "i32"), **POINTERS, **variant.pointers}
    signature = {name: "constexpr" if name in values else types[name] for name in names}
    constants = {(names.index(name),): value for name, value in values.items()}
    whole = [n for n in names if n not in values and (types[n][0] == "*" or n.startswith("stride") or n == "features")]
    attributes = {(names.index(name),): [["tt.divisibility", 16]] for name in whole if variant.dense}
    source = ASTSource(fn=variant.kernel, signature=signature, constexprs=constants, attrs=attributes)
    return compile(source, target=GPUTarget("cuda", capability, 32), options=options)


def used(code: bytes) -> tuple[int, int]:
    """Registers and bytes of stack of each thread."""
    with TemporaryDirectory() as folder:
        file = Path(folder, "kernel.cubin")
        file.write_bytes(code)
        command = [knobs.nvidia.cuobjdump.path, "--dump-resource-usage", str(file)]
        found = re.search(r"REG:(\d+) STACK:(\d+)", subprocess.run(command, capture_output=True, text=True).stdout)
    assert found is not None
    return int(found[1]), int(found[2])


def main() -> None:
    wanted = sys.argv[2] if len(sys.argv) > 2 else ""
    print("registers", "stack", "shared memory", "warps", "kernel", sep="\t")
    for variant in variants():
        if variant.name.startswith(wanted):
            kernel = compiled(variant, int(sys.argv[1]))
            row = *used(kernel.asm["cubin"]), kernel.metadata.shared, kernel.metadata.num_warps, variant.name
            print(*row, sep="\t", flush=True)


if __name__ == "__main__":
    main()
