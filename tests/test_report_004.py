"""The rule of report 004, on pictures and networks small enough to work out by hand."""

import math

import keras
import numpy as np
import pytest
from PIL import Image
from skimage.data import chelsea

from inpainting_zoo.data.evaluation import EvaluationPairs
from inpainting_zoo.errors import InputError
from inpainting_zoo.evaluation import report_004
from inpainting_zoo.evaluation.baselines import BASELINES
from inpainting_zoo.evaluation.report import format_report, write_report
from inpainting_zoo.metrics.measures import DEFAULTS
from inpainting_zoo.models.inpainter import GeneratorInpainter
from inpainting_zoo.models.sizes import Sizes


def shifting(shift):
    """A model whose generator gives the image back, moved by a number on [-1, 1]."""
    image, mask = keras.Input((None, None, 3)), keras.Input((None, None, 1))
    generator = keras.Model([image, mask], image + shift)
    return GeneratorInpainter(generator, 32, Sizes(multiple=4))


@pytest.fixture
def pairs(tmp_path):
    files = []
    for i in range(2):
        files.append(tmp_path / f"{i}.png")
        Image.fromarray(chelsea()[i : 100 + i, :120]).save(files[-1])
    return EvaluationPairs(files, "centre", 32, seed=4)


def test_it_adds_6_decibels_to_the_uncompleted_output(pairs, tmp_path):
    """Everywhere is 0.1 too dark on [0, 1]: 20 dB, in the known pixels too."""
    report = report_004.evaluate(pairs, "net", shifting(-0.2), {}, "ab", pictures=1)
    about = {"protocol": "report_004", "images": 2, "seed": 4, "image_size": 32}
    assert report | about | {"weights_sha256": "ab", "strategy": "original"} == report
    found = report["methods"]["net"]
    assert found["psnr"] == pytest.approx(20 + 20 * math.log10(2), abs=1e-4)
    assert set(found) == {*DEFAULTS, "intervals", "bins"}
    rest = {name: found[name] for name in DEFAULTS if name != "psnr"}
    assert rest == dict.fromkeys(rest) | {"identical": 0}
    assert "26.02" in format_report(report)
    assert set(report["rows"][0]) == {
        "name",
        "hole_area",
        "method",
        "psnr",
        "identical",
    }
    assert len(report["pictures"]) == 1
    write_report(report, tmp_path / "r.json")


def test_it_softens_masks_and_squeezes_pictures():
    mask = np.zeros((64, 64), np.uint8)
    mask[:, 8] = 1  # between the sampling points of 4x4 cells: seen by averaging only
    image, soft = report_004.soften(chelsea(), mask, 16)
    assert image.shape == (16, 16, 3)
    assert image.mean() == pytest.approx(chelsea().mean() / 255, abs=0.01)
    assert soft.shape == (16, 16)
    assert np.all((soft[:, 2] > 0.1) & (soft[:, 2] < 0.5))


def test_it_scores_classical_methods_too(pairs):
    found = report_004.evaluate(pairs, "net", shifting(0.0), BASELINES)["methods"]
    assert found["biharmonic"]["psnr"] > found["mean_colour"]["psnr"] + 1
    assert found["net"]["psnr"] is None or found["net"]["psnr"] > 100


def test_numbers_that_are_none_are_refused(pairs):
    with pytest.raises(InputError, match="received nan or infinity"):
        report_004.evaluate(pairs, "net", shifting(math.nan), {})


def test_sizes_that_the_network_does_not_take_are_refused(tmp_path):
    file = tmp_path / "a.png"
    Image.fromarray(chelsea()[:40, :40]).save(file)
    pairs = EvaluationPairs([file], "centre", 30)
    with pytest.raises(InputError, match="image_size: must be a multiple of 4"):
        report_004.evaluate(pairs, "net", shifting(0), {})
