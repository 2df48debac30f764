"""`hf-tome run`: a script that knows nothing of token merging, with merged models."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import Annotated

import typer

from hf_tome.cli import options


def run(
    context: typer.Context,
    script: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Python script; its arguments follow.")],
    r: Annotated[str | None, options.r("what each model was saved with", several=False)] = None,
) -> None:
    """Run a script in which from_pretrained merges every model that can be merged."""
    from hf_tome import auto
    from hf_tome.config import ToMeConfig
    from hf_tome.measure.variants import read_one_r

    if r is not None:
        auto.merge_all(ToMeConfig(read_one_r(r)))
    sys.argv[:] = [str(script), *context.args]
    sys.path.insert(0, str(script.absolute().parent))
    runpy.run_path(str(script), run_name="__main__")
