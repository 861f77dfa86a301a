"""The benchmark: counts by hand, and a quick run as a user would start it."""

import json
import subprocess
import sys

import keras
import pytest

from conftest import ROOT
from inpainting_zoo import presets
from inpainting_zoo.benchmarks.bench import (
    QUICK,
    Bench,
    distinct,
    exponent,
    parse,
    ratio,
)
from inpainting_zoo.benchmarks.cases import id_mrf, macs
from inpainting_zoo.benchmarks.diffusion import write_empty
from inpainting_zoo.families import Family
from inpainting_zoo.layers.channelwise_dense import ChannelwiseDense
from inpainting_zoo.storage.variables import without_memory
from inpainting_zoo.weights.read_checkpoint import read_tensors


def test_multiply_adds_by_hand():
    x = image = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(8, 5, strides=2, padding="same")(x)
    x = keras.layers.Conv2D(4, 3, dilation_rate=2, padding="same")(x)
    network = keras.Model(image, keras.layers.GlobalAveragePooling2D()(x))
    assert macs(network, 16) == 8 * 8 * (5 * 5 * 3 * 8 + 3 * 3 * 8 * 4)
    small = keras.Input((2, 2, 3))
    dense = keras.Model([small], keras.layers.Dense(7)(small))
    assert macs(dense, 2) == 2 * 2 * 3 * 7


def test_multiply_adds_of_context_encoders_by_hand():
    x = image = keras.Input((4, 4, 3))
    x = keras.layers.Conv2DTranspose(5, 4, strides=2, padding="same")(x)
    assert macs(keras.Model(image, x), 4) == 4 * 4 * (4 * 4 * 3 * 5)
    x = ChannelwiseDense()(image)
    assert macs(keras.Model(image, x), 4) == 16 * 16 * 3


@pytest.mark.parametrize(("side", "published"), [(256, 55.1), (512, 219.9)])
def test_multiply_adds_of_lama_are_the_published_ones(side, published):
    with without_memory():
        generator = presets.build("lama_big").generator
    assert macs(generator, side) / 1e9 == pytest.approx(published, abs=0.05)


def test_the_warm_up_takes_three_forward_passes():
    model = presets.build("gmcnn_small", base_channels=2)
    model.stage_name = "warm_up_generator"
    assert model.step_macs(macs) == 3 * macs(model.generator, 64)


def test_exponents_of_powers():
    assert exponent([1, 2, 8], [3, 6, 24]) == pytest.approx(1)
    assert exponent([1, 10, 100], [5, 500, 50000]) == pytest.approx(2)


def test_presets_that_differ_in_weights_alone_are_measured_once():
    plain = {"config": {"image_size": 64}, "training": {"batch_size": 8}}
    plain["family"] = Family("zoo.gmcnn.model:GMCNN")
    shipped = plain | {"weights": "shipped.npz"}
    wider = plain | {"config": {"image_size": 128}}
    two = plain | {"family": Family("zoo.ensemble.model:Ensemble")}
    found = distinct({"plain": plain, "shipped": shipped, "wider": wider, "two": two})
    assert found == ("plain", "wider")


def test_ratios_are_of_seconds_per_image():
    slow, fast = {"seconds_per_image": 3.0}, {"seconds_per_image": 1.5}
    assert ratio(slow, fast) == 2
    assert ratio(slow, {"error": "too large"}) is None


def test_data_is_compared_with_the_fastest_step_of_a_preset():
    bench = Bench(QUICK, None)
    steps = [("a", 5, {}), ("a", 7, {}), ("b", 2, {}), ("b", 90, {"image_size": 8})]
    for i, (preset, speed, overrides) in enumerate(steps):
        bench.done[i] = {
            "preset": preset,
            "images_per_second": speed,
            "overrides": overrides,
        }
    assert bench.images_per_second() == {"a": 7, "b": 2}


@pytest.mark.slow
def test_a_quick_run_is_sane(tmp_path):
    report = tmp_path / "bench.json"
    found = subprocess.run(
        [
            *(sys.executable, ROOT / "benchmarks/bench.py", "--quick"),
            *("--only", "forward,data", "--report", report, "--repeats", "2"),
        ],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert found.returncode == 0, found.stdout + found.stderr
    content = json.loads(report.read_text())
    assert content["ceiling"]["float32"] > 0 < content["ceiling"]["bfloat16"]
    (row,) = content["forward"]
    assert 0 < row["share"] < 1.2
    assert 100 < row["peak_memory_mb"] < 20_000
    assert min(content["data"]["images"]) > 0
    assert min(content["data"]["masks"].values()) > 0
    assert {"steps", "growth", "modes", "id_mrf"}.isdisjoint(content)


def test_id_mrf_is_measured():
    found = id_mrf(side=16, batch_size=2, channels=8, repeats=2)
    assert found["positions"] == 256 and found["seconds"] > 0


@pytest.mark.slow
def test_every_part_of_a_quick_run(tmp_path):
    report = tmp_path / "bench.json"
    command = [sys.executable, ROOT / "benchmarks/bench.py", "--quick"]
    command += ["--report", report, "--repeats", "1"]
    found = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert found.returncode == 0, found.stdout + found.stderr
    assert "bfloat16" in found.stdout and "Targets" in found.stdout
    content = json.loads(report.read_text())
    assert all(row["found"] for row in content["targets"])


def test_unknown_parts_are_refused(capsys):
    with pytest.raises(SystemExit) as stop:
        parse(["--only", "forwards"])
    assert stop.value.code == 2
    assert "forwards" in capsys.readouterr().err


def test_multiply_adds_of_mat_are_the_published_ones():
    """Those of 256 px are counted by hand of the published network's layers."""
    for name, side, expected in (("mat_512", 512, 287.4), ("mat_256", 256, 140.1)):
        with without_memory():
            generator = presets.build(name).generator
        assert macs(generator, side) / 1e9 == pytest.approx(expected, abs=0.2)


def test_empty_weight_files_have_the_shapes(tmp_path):
    path, shapes = tmp_path / "empty.safetensors", {"a": (3, 2000), "b.weight": (2,)}
    write_empty(path, shapes)
    arrays = read_tensors(path, "source")
    assert dict(arrays.shapes) == shapes
    assert arrays["a"].dtype == "float16" and not arrays["a"].any()
    assert arrays["b.weight"].shape == (2,)
