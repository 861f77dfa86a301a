"""The checkerboard measure on patterns, noise, photographs and upsampling."""

import math

import numpy as np
import pytest
from skimage.data import astronaut, chelsea, coffee
from skimage.transform import downscale_local_mean, resize

from inpainting_zoo.metrics.checkerboard import checkerboard

PHOTOGRAPHS = {"astronaut": astronaut, "chelsea": chelsea, "coffee": coffee}


def rgb(plane):
    return np.repeat(plane[..., None], 3, axis=-1)


def transposed_convolution(small, rng):
    """Random 3x3 kernel, stride 2, mean gain 1: (H, W, 3) -> (2H + 1, 2W + 1, 3)."""
    kernel = rng.uniform(size=(3, 3))
    kernel *= 4 / kernel.sum()
    height, width, _ = small.shape
    large = np.zeros((2 * height + 1, 2 * width + 1, 3))
    for (dy, dx), weight in np.ndenumerate(kernel):
        large[dy : dy + 2 * height : 2, dx : dx + 2 * width : 2] += weight * small
    return large[1:, 1:]


@pytest.mark.parametrize("period", [2, 4])
def test_patterns_of_period_2_and_4_are_all_grid(period):
    y, x = np.mgrid[:96, :80]
    assert checkerboard(rgb(np.cos(2 * np.pi * x / period))) > 0.95
    both = np.cos(2 * np.pi * x / period) * np.cos(2 * np.pi * y / period)
    assert checkerboard(rgb(both)) > 0.95


@pytest.mark.parametrize("period", [3, 5, 8, 16])
def test_other_periods_are_not(period):
    _, x = np.mgrid[:96, :80]
    # Not 0: the short taper leaks a little. White noise would have 0.06.
    assert checkerboard(rgb(np.cos(2 * np.pi * x / period))) < 0.02


def test_white_noise_is_spread_evenly():
    noise = np.random.default_rng(0).normal(size=(256, 256, 3))
    assert checkerboard(noise) == pytest.approx(15 / 256, rel=0.2)


def test_one_colour_and_thin_areas():
    grey = np.full((64, 64, 3), 77, np.uint8)
    line = np.zeros((64, 64))
    line[30:32] = 1
    assert checkerboard(grey) == 0
    assert math.isnan(checkerboard(grey, line))


@pytest.mark.parametrize("photograph", PHOTOGRAPHS.values(), ids=PHOTOGRAPHS)
@pytest.mark.parametrize("seed", range(3))
def test_transposed_convolution_scores_above_resizing(photograph, seed):
    small = downscale_local_mean(photograph()[:256, :256] / 255, (4, 4, 1))
    grid = checkerboard(transposed_convolution(small, np.random.default_rng(seed)))
    nearest = small.repeat(2, axis=0).repeat(2, axis=1)
    bilinear = resize(small, (128, 128), order=1)
    assert grid > 2 * checkerboard(nearest)
    assert grid > 2 * checkerboard(bilinear)


def test_only_the_area_counts_and_the_truth_is_the_unit():
    truth = chelsea()[:128, :128]
    mask = np.zeros((128, 128), np.uint8)
    mask[32:96, 40:100] = 1
    y, x = np.mgrid[:128, :128]
    pattern = rgb(20 * (-1.0) ** (x + y))
    inside = truth + pattern * mask[..., None]
    outside = truth + pattern * (1 - mask[..., None])
    assert checkerboard(truth, mask, truth) == 1
    assert checkerboard(outside, mask, truth) == 1
    assert checkerboard(inside, mask, truth) > 10
