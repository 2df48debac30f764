"""The packages that the extras of hf_tome bring. All are optional."""

from __future__ import annotations

from dataclasses import dataclass

from hf_tome.doctor.attempt import attempt_import, folder_of
from hf_tome.doctor.finding import Finding


@dataclass(frozen=True)
class Extra:
    """A package on PyPI, the module it brings, the extra that installs it, and what it is for."""

    package: str
    module: str
    extra: str
    use: str


EXTRAS = (
    Extra("numba", "numba", "cpu", "speeds up single inputs on a CPU"),
    Extra("soundfile", "soundfile", "audio", "reads audio files"),
    Extra("soxr", "soxr", "audio", "resamples sound"),
    Extra("av", "av", "video", "reads video files"),
    Extra("datasets", "datasets", "train", "loads data sets"),
    Extra("accelerate", "accelerate", "train", "is needed by Trainer"),
    Extra("tensorboard", "tensorboard", "train", "shows training curves"),
    Extra("evaluate", "evaluate", "eval", "computes metrics"),
    Extra("scikit-learn", "sklearn", "eval", "computes metrics"),
    Extra("optuna", "optuna", "tune", "searches schedules"),
    Extra("matplotlib", "matplotlib", "viz", "draws figures"),
    Extra("gradio", "gradio", "app", "serves the page of hf-tome app"),
)


def check_extra(extra: Extra) -> Finding:
    """Absent is fine and said; present must be importable."""
    if folder_of(extra.module) is None:
        what = f"not installed; optional, {extra.use}"
        return Finding(extra.package, "info", what, f'pip install "hf_tome[{extra.extra}]"')
    tried = attempt_import(extra.module)
    if not tried.ok:
        cure = f"pip install --force-reinstall --no-deps {extra.package}"
        return Finding(extra.package, "warning", f"installed, but its import fails: {tried.reason}", cure)
    return Finding(extra.package, "ok", tried.value or "installed")
