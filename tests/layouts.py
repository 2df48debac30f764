"""The two layouts that a mechanism meets, for tests of what depends on no family: with a class token, and without.

A ViT has its layers at the top of its tower; a VideoMAE, without a class token, has them in an encoder.
"""

from __future__ import annotations

import pytest
from cases import SMALL_VIDEO, SMALL_VIT

each_layout = pytest.mark.parametrize("case", [SMALL_VIT, SMALL_VIDEO], ids=lambda case: case.name)
