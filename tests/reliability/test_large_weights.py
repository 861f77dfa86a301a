"""Files of the published size are read in hardly more memory than the model takes."""

import json
import subprocess
import sys

import pytest

from conftest import ROOT


@pytest.mark.slow
@pytest.mark.row("L3")
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_stable_diffusion_of_float16(tmp_path, dtype, record_property):
    """A folder of diffusers, 2.1 GB of zeros in files that take no space."""
    report = tmp_path / "report.json"
    command = [sys.executable, ROOT / "benchmarks" / "diffusion.py", "loading"]
    command += ["--dtype", dtype, "--folder", tmp_path, "--save_to", report]
    subprocess.run([*map(str, command)], check=True, timeout=500)
    found = json.loads(report.read_text())
    taken = found["peak_mb"] - found["before_mb"]
    record_property("weights", dtype)
    record_property("file in MB", round(found["file_mb"]))
    record_property("seconds", found["seconds"])
    record_property("memory taken in MB", round(taken))
    record_property("weights in MB", round(found["weights_mb"]))
    assert found["file_mb"] > 2000
    assert taken <= 1.1 * found["weights_mb"]
