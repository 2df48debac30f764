"""A page on this machine to try merging on: a file goes in; prediction, speed, tokens and picture follow r."""

from hf_tome.show.app.page import launch, page

__all__ = ["launch", "page"]
