"""Without an extra, the error says which one to install."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CALLS = {
    "soundfile": "hf_tome.data.sound.read_sound(Path('a.wav'))",
    "av": "hf_tome.data.clip.read_clip(Path('a.mp4'), 4)",
}


@pytest.mark.parametrize(("name", "module"), [("audio", "soundfile"), ("video", "av")])
def test_a_missing_package_is_told(tmp_path: Path, name: str, module: str) -> None:
    (tmp_path / f"{module}.py").write_text(f"raise ModuleNotFoundError('no {module} here')")
    code = f"""
from pathlib import Path
import hf_tome.data.sound, hf_tome.data.clip
try:
    {CALLS[module]}
except hf_tome.MissingExtraError as error:
    assert isinstance(error, (hf_tome.ToMeError, ImportError))
    print(error)
"""
    path = os.pathsep.join([str(tmp_path), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env={**os.environ, "PYTHONPATH": path}
    )
    assert f'pip install "hf_tome[{name}]"' in done.stdout, done.stderr
    assert f"no {module} here" in done.stdout
