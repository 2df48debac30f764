"""Fewer visual tokens for the language model of a vision-language model."""

from hf_tome.vlm.context import shortened
from hf_tome.vlm.inputs import shorten
from hf_tome.vlm.methods import METHODS

__all__ = ["METHODS", "shorten", "shortened"]
