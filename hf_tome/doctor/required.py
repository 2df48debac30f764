"""The packages that hf_tome does not run without."""

from __future__ import annotations

import re

from hf_tome.doctor.attempt import Attempt, attempt, attempt_import, folder_of
from hf_tome.doctor.finding import Finding

OLDEST_TRANSFORMERS = (5, 10)
NEWEST_TRANSFORMERS = (5, 23)  # the newest that the tests have seen

_TORCH_FACTS = """
import torch
build = torch.version.cuda and f"CUDA {torch.version.cuda}" or getattr(torch.version, "hip", None) and "ROCm"
build = build or getattr(torch.version, "xpu", None) and "XPU"
value = {"version": str(torch.__version__), "build": build}
value["mps"] = torch.backends.mps.is_available()
value["gpu"] = torch.cuda.get_device_name(0) if torch.cuda.is_available() else None
"""

# What transformers gives up on when torchaudio or torchvision is broken, in one import.
_TRANSFORMERS_USE = """
import transformers
value = str(transformers.__version__)
if not transformers.is_torch_available():
    raise ImportError("transformers does not accept this torch: it is missing, broken or too old")
from transformers import ASTFeatureExtractor, Trainer, ViTModel, pipeline
"""


def check_torch() -> Finding:
    """Version, kind of build, and whether a GPU is visible."""
    if folder_of("torch") is None:
        return Finding("torch", "error", "not installed", "pip install torch")
    return judge_torch(attempt(_TORCH_FACTS))


def judge_torch(tried: Attempt) -> Finding:
    """Finding for what the import of torch showed."""
    if not tried.ok:
        return Finding("torch", "error", f"its import fails: {tried.reason}", "pip install --force-reinstall torch")
    facts = tried.value
    if facts["build"] is None:
        return Finding("torch", "ok", f"{facts['version']}, CPU build" + (", MPS available" if facts["mps"] else ""))
    said = f"{facts['version']}, {facts['build']} build"
    if facts["gpu"]:
        return Finding("torch", "ok", f"{said}, {facts['gpu']}")
    cure = "Nothing to do if this machine has no GPU; else check its driver (nvidia-smi, rocminfo)."
    return Finding("torch", "info", f"{said}, but no GPU is visible: it runs on the CPU", cure)


def torch_is_cpu_build() -> bool:
    """True only if torch can be imported and was built for the CPU alone."""
    tried = attempt(_TORCH_FACTS)
    return tried.ok and tried.value["build"] is None


def check_transformers() -> Finding:
    """Version, and whether the classes that hf_tome users need can be imported."""
    if folder_of("transformers") is None:
        return Finding("transformers", "error", "not installed", 'pip install "transformers>=5.10"')
    return judge_transformers(attempt(_TRANSFORMERS_USE))


def judge_transformers(tried: Attempt) -> Finding:
    """Finding for what the import showed; the value is the version, or None if even that was not reached."""
    version = tried.value or ""
    number = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    said = version or "installed"
    if version and number < OLDEST_TRANSFORMERS:
        return Finding("transformers", "error", f"{said} is too old", 'pip install "transformers>=5.10"')
    if not tried.ok:
        cure = (
            "First cure torch, torchaudio and torchvision, where this list has an error for them. "
            "If that does not help: pip install --upgrade --force-reinstall transformers"
        )
        what = f"{said}, but ViTModel, Trainer or pipeline cannot be imported: {tried.reason}"
        return Finding("transformers", "error", what, cure)
    if number > NEWEST_TRANSFORMERS:
        newest = f"{NEWEST_TRANSFORMERS[0]}.{NEWEST_TRANSFORMERS[1]}"
        cure = f'If something fails: pip install "transformers=={newest}.*"'
        return Finding("transformers", "warning", f"{said} is newer than the newest tested, {newest}", cure)
    return Finding("transformers", "ok", said)


def check_numpy() -> Finding:
    return _check_plain("numpy", "numpy", "numpy")


def check_pillow() -> Finding:
    return _check_plain("pillow", "PIL", "pillow")


def _check_plain(name: str, module: str, wheel: str) -> Finding:
    if folder_of(module) is None:
        return Finding(name, "error", "not installed", f"pip install {wheel}")
    tried = attempt_import(module)
    if not tried.ok:
        return Finding(name, "error", f"its import fails: {tried.reason}", f"pip install --force-reinstall {wheel}")
    return Finding(name, "ok", tried.value)
