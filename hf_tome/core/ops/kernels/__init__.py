"""The Triton kernels behind `core.ops.gpu`. They import triton, so they are imported with the first GPU tensor."""
