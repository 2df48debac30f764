"""Whatever ToMeConfig is given, only ToMeErrors come out."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from nasty import any_r, anything, json_like, names, quick
from one_model import refused

from hf_tome import ToMeConfig


@quick
@given(any_r, anything, anything)
def test_tome_config(r: Any, prop_attn: Any, restore: Any) -> None:
    made: list[ToMeConfig] = []
    if not refused(lambda: made.append(ToMeConfig(r, prop_attn, restore))):
        check_config(made[0])


@quick
@given(any_r, st.dictionaries(names, anything, max_size=2))
def test_tome_config_replace(r: Any, changes: dict[str, Any]) -> None:
    made: list[ToMeConfig] = []
    if not refused(lambda: made.append(ToMeConfig(4).replace(**{"r": r, **changes}))):
        check_config(made[0])


@quick
@given(anything | json_like | st.fixed_dictionaries({"r": any_r}, optional={"prop_attn": anything, "x": anything}))
def test_tome_config_from_dict(values: Any) -> None:
    made: list[ToMeConfig] = []
    if not refused(lambda: made.append(ToMeConfig.from_dict(values))):
        check_config(made[0])


def check_config(config: ToMeConfig) -> None:
    saved = json.loads(json.dumps(config.to_dict()))
    assert saved == config.to_dict()
    assert ToMeConfig.from_dict(saved).schedule == config.schedule
