"""The Python packages: those that hf_tome does not run without, and the optional ones."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.util import find_spec

from hf_tome.doctor.attempt import Attempt, attempt, attempt_import, folder_of
from hf_tome.doctor.finding import Finding, Status

OLDEST_TRANSFORMERS = (5, 10)
NEWEST_TRANSFORMERS = (5, 23)  # the newest that the tests have seen
MATCHING_BUILD = "install the build that matches your torch (https://pytorch.org/get-started/locally)"

TORCH_FACTS = """
import torch
build = torch.version.cuda and f"CUDA {torch.version.cuda}" or getattr(torch.version, "hip", None) and "ROCm"
build = build or getattr(torch.version, "xpu", None) and "XPU"
value = {"version": str(torch.__version__), "build": build}
value["mps"] = torch.backends.mps.is_available()
value["gpu"] = torch.cuda.get_device_name(0) if torch.cuda.is_available() else None
"""

# What transformers gives up on when torchaudio or torchvision is broken, in one import.
TRANSFORMERS_USE = """
import transformers
value = str(transformers.__version__)
if not transformers.is_torch_available():
    raise ImportError("transformers does not accept this torch: it is missing, broken or too old")
from transformers import ASTFeatureExtractor, Trainer, ViTModel, pipeline
"""


EXTRAS = (  # package, the module that it brings, the extra that installs it, what it is for
    ("soundfile", "soundfile", "audio", "reads audio files"),
    ("av", "av", "video", "reads video files"),
    ("datasets", "datasets", "train", "loads data sets"),
    ("accelerate", "accelerate", "train", "is needed by Trainer"),
    ("tensorboard", "tensorboard", "train", "shows training curves"),
    ("evaluate", "evaluate", "eval", "computes metrics"),
    ("scikit-learn", "sklearn", "eval", "computes metrics"),
    ("optuna", "optuna", "tune", "searches schedules"),
    ("matplotlib", "matplotlib", "viz", "draws figures"),
    ("onnx", "onnx", "export", "writes ONNX files"),
    ("onnxscript", "onnxscript", "export", "writes ONNX files"),
    ("onnxruntime", "onnxruntime", "export", "runs ONNX files"),
    ("openvino", "openvino", "export", "writes and runs OpenVINO files"),
    ("gradio", "gradio", "app", "serves the page of hf-tome app"),
)


def judged(module: str, absent: Finding, judge: Callable[[Attempt], Finding], code: str | None = None) -> Finding:
    """`absent` where a module is not installed, else what `judge` says of its import, or of running `code`."""
    if folder_of(module) is None:
        return absent
    return judge(attempt(code) if code else attempt_import(module))


def importable(absent: Finding, broken: Status, cure: str, module: str | None = None) -> Finding:
    """`absent` where a package is not installed; of the status `broken`, with its cure, where its import fails."""

    def judge(tried: Attempt) -> Finding:
        if tried.ok:
            return Finding(absent.name, "ok", tried.value or "installed")
        return Finding(absent.name, broken, f"installed, but its import fails: {tried.reason}", cure)

    return judged(module or absent.name, absent, judge)


def check_required(package: str, module: str) -> Finding:
    absent = Finding(package, "error", "not installed", f"pip install {package}")
    return importable(absent, "error", f"pip install --force-reinstall {package}", module)


def check_extra(package: str, module: str, extra: str, use: str) -> Finding:
    absent = Finding(package, "info", f"not installed; optional, {use}", f'pip install "hf_tome[{extra}]"')
    return importable(absent, "warning", f"pip install --force-reinstall --no-deps {package}", module)


def check_triton() -> Finding:
    """Triton compiles kernels for GPUs."""
    what = "not installed; optional, used by torch.compile on a GPU"
    absent = Finding("triton", "info", what, "On Linux a CUDA build of torch brings it. A CPU needs none.")
    return importable(absent, "warning", "pip uninstall triton, or install the version that your torch asks for")


def check_torchvision() -> Finding:
    """Broken is an error: transformers then cannot import its image models either.

    Seen with the PyPI wheel, a CUDA build, beside a CPU-only torch: "operator torchvision::nms does not exist".
    """
    absent = Finding("torchvision", "info", "not installed; not needed: image processors work with Pillow")
    cure = "transformers' image models fail with it: pip uninstall torchvision (it is not needed), or"
    return stray("torchvision") or importable(absent, "error", f"{cure} {MATCHING_BUILD}")


def stray(module: str) -> Finding | None:
    """A folder without `__init__.py`, as an uninstall can leave it: transformers takes it for the package."""
    spec = find_spec(module)
    if spec is None or spec.origin or not spec.submodule_search_locations:
        return None
    folder = next(iter(spec.submodule_search_locations))
    what = f"the folder {folder} holds no package, but transformers takes it for one, and its imports fail"
    return Finding(module, "error", what, f"Delete or rename {folder}.")


def check_torch() -> Finding:
    """Version, kind of build, and whether a GPU is visible."""
    return judged("torch", Finding("torch", "error", "not installed", "pip install torch"), judge_torch, TORCH_FACTS)


def judge_torch(tried: Attempt) -> Finding:
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


def check_transformers() -> Finding:
    """Version, and whether the classes that hf_tome users need can be imported."""
    absent = Finding("transformers", "error", "not installed", 'pip install "transformers>=5.10"')
    return judged("transformers", absent, judge_transformers, TRANSFORMERS_USE)


def judge_transformers(tried: Attempt) -> Finding:
    """The value of `tried` is the version, or None if even that was not reached."""
    name, said = "transformers", tried.value or "installed"
    number = tuple(int(part) for part in re.findall(r"\d+", tried.value or "")[:2])
    if number and number < OLDEST_TRANSFORMERS:
        return Finding(name, "error", f"{said} is too old", 'pip install "transformers>=5.10"')
    if not tried.ok:
        what = f"{said}, but ViTModel, Trainer or pipeline cannot be imported: {tried.reason}"
        first = "First cure torch, torchaudio and torchvision, where this list has an error for them."
        again = "pip install --upgrade --force-reinstall transformers"
        return Finding(name, "error", what, f"{first} If that does not help: {again}")
    if number > NEWEST_TRANSFORMERS:
        newest = ".".join(map(str, NEWEST_TRANSFORMERS))
        cure = f'If something fails: pip install "transformers=={newest}.*"'
        return Finding(name, "warning", f"{said} is newer than the newest tested, {newest}", cure)
    return Finding(name, "ok", said)


def check_torchcodec() -> Finding:
    """Broken is a warning: files are not decoded, models still run."""
    absent = Finding("torchcodec", "info", "not installed; optional, decodes audio and video for datasets")
    return judged("torchcodec", absent, judge_torchcodec)


def judge_torchcodec(tried: Attempt) -> Finding:
    """torchcodec tries a library for each version of FFmpeg and lists every failure, so that some missing libav* is
    normal. Anything else that is missing tells the true cause."""
    if tried.ok:
        return Finding("torchcodec", "ok", tried.value)
    other = sorted(name for name in tried.missing_libraries if not name.startswith(("libav", "libsw")))
    if tried.misses_cuda:
        why = f"this is a CUDA build, and {other[0]} is not there"
        cure = 'pip install "torchcodec==0.13.0" (known to work with torch 2.13 on a CPU)'
    elif "undefined symbol" in tried.text or "Symbol not found" in tried.text:
        why, cure = "it was built for another torch", MATCHING_BUILD
    elif tried.missing_libraries and not other:
        why = "the shared libraries of FFmpeg are missing"
        cure = "apt-get install ffmpeg (Debian, Ubuntu), brew install ffmpeg (macOS)"
    else:
        why, cure = tried.reason, f"Install ffmpeg; if it is there, {MATCHING_BUILD}"
    what = f"installed, but its import fails: {why}; audio and video are not decoded, audio pipelines may fail"
    return Finding("torchcodec", "warning", what, f"{cure}, or pip uninstall torchcodec (it is optional)")
