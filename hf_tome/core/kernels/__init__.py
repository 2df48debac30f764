"""Triton kernels: the matching and the merging of `core.matching` and `core.plan` in a few launches, for GPUs.

This package imports triton, so nothing imports it before a tensor on a GPU comes; `core.fused` does then.
"""
