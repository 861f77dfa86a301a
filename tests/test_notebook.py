"""The notebooks, each from its first cell to its last."""

import json
import re

import nbformat
import pytest
from nbclient import NotebookClient

from conftest import ROOT

pytestmark = pytest.mark.long


def execute(name):
    """Runs a notebook; returns its pictures and what it printed."""
    notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", 4)
    assert not any("sys.path" in cell.source for cell in notebook.cells)
    resources = {"metadata": {"path": str(ROOT / "notebooks")}}
    NotebookClient(notebook, timeout=120, resources=resources).execute()
    outputs = [o for cell in notebook.cells for o in cell.get("outputs", [])]
    pictures = [o for o in outputs if "image/png" in o.get("data", {})]
    return pictures, "".join(o.get("text", "") for o in outputs)


@pytest.mark.parametrize(
    "own", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["samples", "own"]
)
def test_the_notebook_runs(own, pictures, monkeypatch):
    monkeypatch.delenv("WEIGHTS", raising=False)
    monkeypatch.delenv("PAIRS", raising=False)
    if own:
        monkeypatch.setenv("PAIRS", str(pictures))
    pictures, text = execute("gmcnn_demo")
    assert len(pictures) == 3
    assert f"{8 if own else 4} pictures of 128 px" in text
    assert "biharmonic" in text
    assert re.search(r"by the report's rule [\d.]+ dB, of which 6.02 dB", text)


def test_training_on_ones_own_pictures(pictures, tmp_path, monkeypatch):
    for name, value in {
        "PICTURES": pictures / "images",
        "HELD_OUT": "embedded:test",
        "STEPS": 3,
        "OUTPUTS": tmp_path,
    }.items():
        monkeypatch.setenv(name, str(value))
    shown, text = execute("train_your_own")
    assert len(shown) == 3
    assert "8 pictures to train on, 4 held out" in text
    assert re.search(r"PSNR in the hole after 3 steps: \d+\.\d\d dB", text)
    assert "the largest difference is 0" in text
    assert (tmp_path / "mine.safetensors").is_file()


@pytest.mark.slow
def test_lama_used_refined_and_trained(tmp_path, monkeypatch):
    tiny = {"base_channels": 4, "blocks": 1, "downsamplings": 2}
    values = {"STEPS": 1, "SIDE": 736, "OVERRIDES": json.dumps(tiny)}
    for name, value in {**values, "OUTPUTS": tmp_path}.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.delenv("WEIGHTS", raising=False)
    shown, text = execute("lama")
    assert len(shown) == 2
    plain, refined = map(float, re.findall(r"around the hole (\d+\.\d\d)", text))
    assert refined <= plain


@pytest.mark.slow
def test_stable_diffusion_by_every_sampler_and_option(monkeypatch):
    monkeypatch.delenv("WEIGHTS", raising=False)
    monkeypatch.setenv("STEPS", "2")
    shown, text = execute("stable_diffusion")
    assert len(shown) == 2
    assert text.count("known: True") == 5 and "pndm: 3 steps" in text
    assert len(re.findall(r"'[\w .]+': '\d+% of the hole'", text)) == 5
