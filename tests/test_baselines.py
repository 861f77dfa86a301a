"""Classical completions: known pixels, edge cases, and one answer by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.data import chelsea

from inpainting_zoo.evaluation import baselines
from inpainting_zoo.metrics import image_quality

METHODS = pytest.mark.parametrize("name", baselines.BASELINES)


@METHODS
def test_empty_mask_gives_the_image_back(name):
    image = chelsea()[:20, :30]
    completed = baselines.BASELINES[name](image, np.zeros((20, 30), np.uint8))
    assert np.array_equal(completed, image)


@METHODS
def test_full_mask_gives_mid_grey(name):
    completed = baselines.BASELINES[name](chelsea()[:5, :4], np.ones((5, 4), np.uint8))
    assert completed.dtype == np.uint8
    assert np.all(completed == 128)


@METHODS
@settings(max_examples=25, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_known_pixels_stay(name, height, width, seed):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (height, width, 3), np.uint8)
    mask = rng.integers(0, 2, (height, width), np.uint8)
    completed = baselines.BASELINES[name](image, mask)
    assert completed.dtype == np.uint8
    assert np.array_equal(completed[mask == 0], image[mask == 0])


@METHODS
def test_the_hidden_pixels_are_not_used(name):
    image, mask = chelsea()[100:140, 100:140], np.zeros((40, 40), np.uint8)
    mask[10:20, 15:30] = 1
    spoilt = np.where(mask[..., None] == 1, np.uint8(255), image)
    complete = baselines.BASELINES[name]
    assert np.array_equal(complete(image, mask), complete(spoilt, mask))


def test_mean_colour_is_the_mean_of_the_known_pixels():
    image = np.uint8([[[10, 0, 200], [20, 1, 201], [99, 99, 99]]])
    completed = baselines.mean_colour(image, np.uint8([[0, 0, 1]]))
    assert completed[0, 2].tolist() == [15, 0, 200]  # halves round to even


@pytest.mark.parametrize("name", [n for n in baselines.BASELINES if n != "mean_colour"])
def test_neighbours_beat_the_mean_colour(name):
    image, mask = chelsea()[60:140, 100:180], np.zeros((80, 80), np.uint8)
    mask[30:50, 30:50] = 1
    mean = baselines.mean_colour(image, mask)
    completed = baselines.BASELINES[name](image, mask)
    floor = image_quality.psnr_hole(image, mean, mask)
    assert image_quality.psnr_hole(image, completed, mask) > floor
