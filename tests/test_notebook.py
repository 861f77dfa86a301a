"""The notebook, from its first cell to its last."""

import re
import time

import nbformat
import pytest
from nbclient import NotebookClient

from conftest import ROOT


@pytest.mark.parametrize(
    "own", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["samples", "own"]
)
def test_the_notebook_runs(own, pictures, monkeypatch):
    monkeypatch.delenv("WEIGHTS", raising=False)
    monkeypatch.delenv("PAIRS", raising=False)
    if own:
        monkeypatch.setenv("PAIRS", str(pictures))
    notebook = nbformat.read(ROOT / "notebooks" / "gmcnn_demo.ipynb", 4)
    resources = {"metadata": {"path": str(ROOT / "notebooks")}}
    began = time.monotonic()
    NotebookClient(notebook, timeout=60, resources=resources).execute()
    assert time.monotonic() - began < 60
    outputs = [o for cell in notebook.cells for o in cell.get("outputs", [])]
    pictures = [o for o in outputs if "image/png" in o.get("data", {})]
    assert len(pictures) == 3
    text = "".join(o.get("text", "") for o in outputs)
    assert f"{8 if own else 4} pictures of 128 px" in text
    assert "biharmonic" in text
    assert re.search(r"by the report's rule [\d.]+ dB, of which 6.02 dB", text)
