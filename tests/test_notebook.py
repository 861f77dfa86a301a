"""The notebook, from its first cell to its last."""

import re
import time

import nbformat
from nbclient import NotebookClient

from conftest import ROOT


def test_the_notebook_runs(monkeypatch):
    for name in ("WEIGHTS", "IMAGES", "MASKS"):
        monkeypatch.delenv(name, raising=False)
    notebook = nbformat.read(ROOT / "notebooks" / "gmcnn_demo.ipynb", 4)
    resources = {"metadata": {"path": str(ROOT / "notebooks")}}
    began = time.monotonic()
    NotebookClient(notebook, timeout=60, resources=resources).execute()
    assert time.monotonic() - began < 60
    outputs = [o for cell in notebook.cells for o in cell.get("outputs", [])]
    pictures = [o for o in outputs if "image/png" in o.get("data", {})]
    assert len(pictures) == 3
    text = "".join(o.get("text", "") for o in outputs)
    assert "biharmonic" in text
    assert re.search(r"by the report's rule [\d.]+ dB, of which 6.02 dB", text)
