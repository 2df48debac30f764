"""The matching and the merging of `core.matching` and `core.plan`, compiled.

For GPUs in a few launches of Triton's, behind `core.fused`; for small inputs on a CPU in a few loops of numba's, behind
`core.small`. These import triton and numba, so nothing imports them before the first such tensor comes.
"""
