"""The way of report 000, by models whose output is known."""

import json

import keras
import numpy as np
import pytest

from inpainting_zoo import cli
from inpainting_zoo.data.masks import circle
from inpainting_zoo.errors import InputError
from inpainting_zoo.evaluation.report_000 import enlarging
from inpainting_zoo.models.inpainter import GeneratorInpainter
from inpainting_zoo.models.sizes import Sizes


def model_of(predict):
    image, mask = keras.Input((None, None, 3)), keras.Input((None, None, 1))
    generator = keras.Model([image, mask], predict(image, mask))
    return GeneratorInpainter(generator, 32, Sizes(multiple=4))


def test_the_model_sees_four_times_the_pixels_and_known_ones_may_change():
    """A flat picture that it darkens by 0.1 of [0, 1] comes back darker everywhere."""
    image, mask = np.full((8, 8, 3), 128, np.uint8), np.zeros((8, 8), np.uint8)
    mask[2:6, 2:6] = 1
    seen = []

    class Watched(GeneratorInpainter):
        def predict_images(self, images, masks, seed=0, **options):
            seen.append((images.shape, masks.mean()))
            return super().predict_images(images, masks, seed, **options)

    model = Watched(model_of(lambda x, m: x - 0.2).generator, 32, Sizes(multiple=4))
    found = enlarging(model, 8)(image, mask)
    assert seen == [((1, 32, 32, 3), 0.25)]
    assert found.dtype == np.uint8
    assert set(np.unique(found)) <= {102, 103}


def test_the_hole_stays_in_its_place():
    """What a model paints white, the hole, is the hole again at the picture's size."""
    model = model_of(lambda x, m: 0 * x + 2 * m - 1)
    mask = circle(np.random.default_rng(0), 8, 8).astype("uint8")
    found = enlarging(model, 8)(np.zeros((8, 8, 3), np.uint8), mask)
    np.testing.assert_array_equal(found, 255 * np.repeat(mask[..., None], 3, -1))


def test_pictures_must_be_smaller():
    with pytest.raises(InputError, match="image_size: must be below the model's 32"):
        enlarging(model_of(lambda x, m: x), 32)


def test_by_the_command(pictures, tmp_path, capsys):
    report = tmp_path / "report.json"
    words = ["evaluate", "-preset", "patchmatch", "-test_path", pictures / "images"]
    words += ["-masks", "centre", "-protocol", "report_000", "-report", report]
    words += ["-methods", "telea", "-metrics", "psnr,l1,l2", "-limit", 1]
    words = [str(word) for word in words]
    assert cli.main([*words, "-image_size", "32"]) == 0
    found = json.loads(report.read_text())
    assert found["protocol"] == "report_000"
    assert found["image_size"] == 32
    assert set(found["methods"]) == {"patchmatch", "telea"}
    assert found["methods"]["patchmatch"]["psnr"] > 5
    assert cli.main([*words, "-strategy", "crop"]) == 4
    assert "strategy: original in report_000" in capsys.readouterr().err
