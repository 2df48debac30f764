"""The commands as real processes."""

import json

from command import hf_tome


def test_families(tmp_path):
    out = hf_tome("families", cwd=tmp_path)
    for name in ("vit", "deit", "videomae", "audio-spectrogram-transformer", "swin"):
        assert name in out


def test_doctor_as_json(tmp_path):
    findings = json.loads(hf_tome("doctor", "--json", cwd=tmp_path).split("\n}")[0] + "\n}")
    assert {"torch", "transformers"} <= {finding["name"].lower() for finding in findings["findings"]}


def test_help(tmp_path):
    out = hf_tome("--help", cwd=tmp_path)
    assert all(command in out for command in ("demo", "families", "doctor"))
