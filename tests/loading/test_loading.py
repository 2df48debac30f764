"""A model that was saved with merging merges in a new process, by `import hf_tome.auto` or by `hf-tome run`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from cases import SMALL_VIT
from comparison import apart
from transformers import BertConfig, BertModel, ViTImageProcessorPil

from hf_tome import apply_tome, remove_tome
from hf_tome.train import add_tome_to_card

SETTINGS = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "TRANSFORMERS_VERBOSITY": "error"}
PLAIN = """
import sys, torch
from transformers import AutoModelForImageClassification, pipeline
inputs = torch.load("inputs.pt")
model = AutoModelForImageClassification.from_pretrained("saved").eval()
piped = pipeline("image-classification", "saved", device="cpu").model
with torch.no_grad():
    torch.save([model(inputs).logits, piped(inputs).logits], "logits.pt")
print(*sys.argv[1:])
"""


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A folder with a model that merges by r=4, its inputs, and a script that knows nothing of merging."""
    apply_tome(SMALL_VIT.build(), r=4).save_pretrained(tmp_path / "saved")
    ViTImageProcessorPil(size={"height": 24, "width": 24}).save_pretrained(tmp_path / "saved")
    torch.save(SMALL_VIT.inputs()["pixel_values"], tmp_path / "inputs.pt")
    (tmp_path / "plain.py").write_text(PLAIN)
    (tmp_path / "merging.py").write_text(f"import hf_tome.auto\n{PLAIN}")
    return tmp_path


def new_process(folder: Path, *arguments: str) -> tuple[list[torch.Tensor], str]:
    """The logits that a script in a process of its own gives, and what it prints."""
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=folder, env=SETTINGS, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    return torch.load(folder / "logits.pt"), done.stdout


@torch.no_grad()
def expected(r: int) -> torch.Tensor:
    model = SMALL_VIT.build()
    return (apply_tome(model, r=r) if r else model)(**SMALL_VIT.inputs()).logits


def test_one_import_merges_what_was_saved_with_merging(saved: Path) -> None:
    logits, _ = new_process(saved, "merging.py")
    assert max(apart(each, expected(4)) for each in logits) <= 1e-6


@pytest.mark.slow
def test_the_lines_in_its_card_load_it_merged(saved: Path) -> None:
    card = saved / "saved/README.md"
    add_tome_to_card(card, apply_tome(SMALL_VIT.build(), r=4), name="saved")
    lines = card.read_text().split("```python\n")[1].split("```")[0]
    (saved / "card.py").write_text(f"{lines}import torch\ntorch.save([hf_tome.is_merged(model)], 'logits.pt')")
    assert new_process(saved, "card.py")[0] == [True]


@pytest.mark.slow
def test_without_it_nothing_merges(saved: Path) -> None:
    logits, _ = new_process(saved, "plain.py")
    assert max(apart(each, expected(0)) for each in logits) <= 1e-6


@pytest.mark.slow
@pytest.mark.parametrize(("options", "r"), [([], 4), (["--r", "6"], 6)])
def test_run_merges_in_a_script_that_cannot_be_changed(saved: Path, options: list[str], r: int) -> None:
    pytest.importorskip("typer")
    logits, said = new_process(saved, "-m", "hf_tome", "run", *options, "plain.py", "--own", "5")
    assert said.split() == ["--own", "5"]
    assert max(apart(each, expected(r)) for each in logits) <= 1e-6


@torch.no_grad()
def test_an_adapter_on_a_saved_model_keeps_the_merge(saved: Path) -> None:
    peft = pytest.importorskip("peft", reason="adapters need peft")
    base = apply_tome(SMALL_VIT.build(), r=4)
    settings = peft.LoraConfig(target_modules=["q_proj", "v_proj"], r=2, init_lora_weights=False)
    adapted = peft.get_peft_model(base, settings).eval()
    adapted.save_pretrained(saved / "adapter")
    loaded = SMALL_VIT.head.from_pretrained(saved / "saved")
    apply_tome(loaded)
    again = peft.PeftModel.from_pretrained(loaded, saved / "adapter").eval()
    assert apart(again(**SMALL_VIT.inputs()).logits, adapted(**SMALL_VIT.inputs()).logits) <= 1e-6
    assert apart(remove_tome(again)(**SMALL_VIT.inputs()).logits, adapted(**SMALL_VIT.inputs()).logits) > 1e-3


@pytest.mark.slow
def test_a_model_that_cannot_be_merged_is_loaded_with_a_warning(tmp_path: Path) -> None:
    config = BertConfig(vocab_size=8, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8)
    config.tome = {"r": 4}
    BertModel(config).save_pretrained(tmp_path / "saved")
    script = "import hf_tome.auto, transformers; transformers.AutoModel.from_pretrained('saved')"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=tmp_path, env=SETTINGS, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    assert "UserWarning: Loaded without token merging. A model needs a tower" in done.stderr
