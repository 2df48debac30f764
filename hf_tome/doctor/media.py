"""torchvision and torchcodec: optional, and easily broken beside another build of torch."""

from __future__ import annotations

from hf_tome.doctor.attempt import Attempt, attempt_import, folder_of, stray_folder_of
from hf_tome.doctor.finding import Finding

MATCHING_BUILD = "install the build that matches your torch (https://pytorch.org/get-started/locally)"
_FFMPEG_LIBRARIES = ("libav", "libsw")


def stray_folder(module: str) -> Finding | None:
    """A folder without a package that transformers takes for an installed `module`, which then breaks its imports."""
    folder = stray_folder_of(module)
    if folder is None:
        return None
    what = f"the folder {folder} holds no package, but transformers takes it for one, and its imports fail"
    return Finding(module, "error", what, f"Delete or rename {folder}.")


def check_torchvision() -> Finding:
    """Broken is an error: transformers then cannot import its image models either."""
    if stray := stray_folder("torchvision"):
        return stray
    if folder_of("torchvision") is None:
        return Finding("torchvision", "info", "not installed; not needed: image processors work with Pillow")
    return judge_torchvision(attempt_import("torchvision"))


def judge_torchvision(tried: Attempt) -> Finding:
    """Finding for what the import showed."""
    if tried.ok:
        return Finding("torchvision", "ok", tried.value)
    # Seen with the PyPI wheel, a CUDA build, beside a CPU-only torch: "operator torchvision::nms does not exist".
    what = f"not built for the installed torch; transformers' image models fail with it: {tried.reason}"
    return Finding("torchvision", "error", what, f"pip uninstall torchvision (it is not needed), or {MATCHING_BUILD}")


def check_torchcodec() -> Finding:
    """Broken is a warning: files are not decoded, models still run."""
    if folder_of("torchcodec") is None:
        return Finding("torchcodec", "info", "not installed; optional, decodes audio and video for datasets")
    return judge_torchcodec(attempt_import("torchcodec"))


def judge_torchcodec(tried: Attempt) -> Finding:
    """Finding for what the import showed.

    torchcodec tries a library for each version of FFmpeg and lists every failure, so that some missing libav* is
    normal. Anything else that is missing tells the true cause.
    """
    if tried.ok:
        return Finding("torchcodec", "ok", tried.value)
    text, missing = "\n".join(tried.causes), tried.missing_libraries
    other = sorted(name for name in missing if not name.startswith(_FFMPEG_LIBRARIES))
    uninstall = "pip uninstall torchcodec (it is optional)"
    if tried.misses_cuda:
        why = f"this is a CUDA build, and {other[0]} is not there"
        cure = f'pip install "torchcodec==0.13.0" (known to work with torch 2.13 on a CPU), or {uninstall}'
    elif "undefined symbol" in text or "Symbol not found" in text:
        why, cure = "it was built for another torch", f"{MATCHING_BUILD[0].upper()}{MATCHING_BUILD[1:]}, or {uninstall}"
    elif missing and not other:
        why = "the shared libraries of FFmpeg are missing"
        cure = f"apt-get install ffmpeg (Debian, Ubuntu), brew install ffmpeg (macOS), or {uninstall}"
    else:
        why = tried.reason
        cure = f"Install ffmpeg; if it is there, {MATCHING_BUILD}, or {uninstall}"
    what = f"installed, but its import fails: {why}; audio and video are not decoded, audio pipelines may fail"
    return Finding("torchcodec", "warning", what, cure)
