"""torchaudio: optional, and the one break that the doctor mends itself."""

from __future__ import annotations

import re
from pathlib import Path

from hf_tome.doctor.attempt import Attempt, attempt_import, folder_of
from hf_tome.doctor.finding import Finding
from hf_tome.doctor.media import MATCHING_BUILD, stray_folder
from hf_tome.doctor.required import torch_is_cpu_build
from hf_tome.doctor.torchaudio_mend import SUFFIX, disable

# Not `_torchaudio_sox.so`: that one is loaded only when it is used.
_EXTENSION = re.compile(r"_torchaudio(\.abi3)?\.(so|pyd)")


def check_torchaudio() -> Finding:
    """Broken is an error: transformers then cannot import ViT, Trainer and pipeline either."""
    if stray := stray_folder("torchaudio"):
        return stray
    folder = folder_of("torchaudio")
    if folder is None:
        return Finding("torchaudio", "info", "not installed; not needed: AST's features are the same without it")
    tried = attempt_import("torchaudio")
    if tried.ok:
        return _works(tried.value, folder / "lib")
    return judge_broken(tried, extension_in(folder / "lib"), torch_is_cpu_build())


def extension_in(lib: Path) -> Path | None:
    """torchaudio's compiled extension, whose presence alone makes `import torchaudio` load it."""
    return next((path for path in sorted(lib.glob("_torchaudio*")) if _EXTENSION.fullmatch(path.name)), None)


def judge_broken(tried: Attempt, extension: Path | None, cpu_torch: bool) -> Finding:
    """Finding for a failed import; it offers the mend only if the extension is a CUDA build beside a CPU torch."""
    uninstall = "pip uninstall torchaudio (it is not needed)"
    broken = "transformers' ViT, Trainer and pipeline fail with it"
    # torchaudio up to 2.10 fails one library earlier, on libtorchaudio, which only the extension needs.
    text = "\n".join(tried.causes)
    blamed = extension is not None and any(
        f"{extension.parent.name}{bar}{stem}" in text for bar in "/\\" for stem in ("_torchaudio", "libtorchaudio")
    )
    if extension is None or not (blamed and cpu_torch and tried.misses_cuda):
        what = f"its import fails: {tried.reason}; {broken}"
        return Finding("torchaudio", "error", what, f"{uninstall}, or {MATCHING_BUILD}")
    what = f"a CUDA build beside a CPU-only torch; its import fails ({tried.reason}); {broken}"
    cure = (
        f"hf-tome doctor --fix (renames {extension.name}; features, resampling and masks work without), or {uninstall}"
    )
    return Finding("torchaudio", "error", what, cure, fix=lambda: disable(extension))


def _works(version: str, lib: Path) -> Finding:
    disabled = next(lib.glob(f"_torchaudio*{SUFFIX}"), None)
    if disabled is None or extension_in(lib):
        return Finding("torchaudio", "ok", version)
    undo = f"To undo, rename {disabled} to {disabled.name.removesuffix(SUFFIX)}."
    return Finding("torchaudio", "ok", f"{version}, its CUDA extension disabled by hf-tome", undo)
