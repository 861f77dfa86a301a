"""The sweep of loss weights and its variants, as it is typed, at the smallest size."""

import json
import subprocess
import sys

import pytest
from PIL import Image

from conftest import ROOT


def sweep(*words):
    script = ROOT / "tools" / "lambda_ratios.py"
    return subprocess.run(
        [sys.executable, str(script), *map(str, words)], capture_output=True, text=True
    )


@pytest.mark.slow
def test_ratios_and_variants_are_trained_measured_and_not_done_again(
    pictures, tmp_path
):
    images = pictures / "images"
    words = ["-train_path", images, "-test_path", images, "-output_path", tmp_path]
    words += ["-data_set", "noise", "-ratios", 1, "-variants", "from_64", "noise"]
    words += ["-set", "base_channels=4", "bottleneck=8", "discriminator_channels=4"]
    words += ["-steps", 1, "-batch_size", 2, "-pictures", 1]
    found = sweep(*words)
    assert found.returncode == 0, found.stderr
    written = json.loads((tmp_path / "ratios.json").read_text())
    assert (written["data_set"], written["images"]) == ("noise", 8)
    assert [*written["ratios"], *written["variants"]] == ["1", "from_64", "noise"]
    assert all(row["psnr"] > 6 for row in written["variants"].values())
    shrunk = sorted((tmp_path / "pictures_64" / "test").iterdir())
    assert [Image.open(path).size for path in shrunk] == [(64, 64)] * 8
    config = json.loads((tmp_path / "noise" / "config.json").read_text())
    assert config["settings"]["set"]["noise"] == 0.1
    assert config["settings"]["lambda_ratio"] == 1000
    assert (tmp_path / "ratios.png").is_file()
    again = sweep(*words)
    assert again.returncode == 0, again.stderr
    assert "$ " not in again.stdout  # no command was run
    assert json.loads((tmp_path / "ratios.json").read_text()) == written
