"""The Triton kernels behind `core.ops.gpu`. They import triton, so nothing imports them before a first tensor comes."""
