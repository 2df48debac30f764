"""The Triton kernels behind `core.ops.gpu`. They import triton, so nothing imports them before the first tensor comes."""
