"""Measures of image quality against answers known by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view

from inpainting_zoo.metrics import image_quality as quality


def flat(value, side=16):
    return np.full((side, side, 3), value, np.uint8)


def left_half(side=16):
    mask = np.zeros((side, side), np.uint8)
    mask[:, : side // 2] = 1
    return mask


def test_one_grey_level_is_48_decibels():
    assert quality.psnr(flat(7), flat(8)) == pytest.approx(20 * math.log10(255))


def test_data_range_2_adds_6_decibels():
    truth, image = np.zeros((4, 4, 3)), np.full((4, 4, 3), 0.1)
    assert quality.psnr(truth, image, data_range=1) == pytest.approx(20)
    assert quality.psnr(truth, image, data_range=2) == pytest.approx(26.0206, abs=1e-4)


def test_identical_images():
    image = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    assert quality.psnr(image, image) == math.inf
    assert quality.ssim(image, image) == 1
    assert quality.l1(image, image) == quality.l2(image, image) == 0


def test_black_against_white_does_not_wrap_around():
    black, white = flat(0), flat(255)
    assert quality.psnr(black, white) == quality.psnr(white, black) == 0
    assert quality.l1(black, white) == quality.l1(white, black) == 1
    assert quality.l2(black, white) == quality.l2(white, black) == 1
    assert quality.outside_max(black, white, left_half()) == 255


def test_hole_measures_see_the_hole_alone():
    mask, truth = left_half(), flat(100)
    image = np.where(mask[..., None] == 1, np.uint8(151), truth)
    assert quality.l1_hole(truth, image, mask) == pytest.approx(51 / 255)
    assert quality.l1(truth, image) == pytest.approx(51 / 255 / 2)
    assert quality.l2_hole(truth, image, mask) == pytest.approx((51 / 255) ** 2)
    assert quality.psnr_hole(truth, image, mask) == pytest.approx(-20 * math.log10(0.2))
    assert quality.outside_max(truth, image, mask) == 0
    assert quality.outside_max(truth, image, 1 - mask) == 51


def test_empty_and_full_masks():
    truth, image, empty = flat(0), flat(51), np.zeros((16, 16), np.uint8)
    assert math.isnan(quality.psnr_hole(truth, image, empty))
    assert math.isnan(quality.l1_hole(truth, image, empty))
    assert math.isnan(quality.l2_hole(truth, image, empty))
    assert quality.psnr_hole(truth, image, 1 - empty) == quality.psnr(truth, image)
    assert quality.outside_max(truth, image, 1 - empty) == 0


def test_ssim_of_flat_images():
    # No variance: (2ab + C1) / (a^2 + b^2 + C1) is left of the formula.
    c1 = (0.01 * 255) ** 2
    expected = (2 * 50 * 100 + c1) / (50**2 + 100**2 + c1)
    assert quality.ssim(flat(50), flat(100)) == pytest.approx(expected)


def test_ssim_is_the_formula_of_the_paper():
    rng = np.random.default_rng(1)
    x, y = rng.integers(0, 256, (2, 17, 14, 3), np.uint8).astype(float)
    offsets = np.arange(-5, 6)
    gauss = np.exp(-(offsets**2) / (2 * 1.5**2))
    weights = np.outer(gauss, gauss) / gauss.sum() ** 2

    def local_mean(a):  # valid positions only: (7, 4, 3)
        windows = sliding_window_view(a, (11, 11), axis=(0, 1))
        return (windows * weights).sum(axis=(-2, -1))

    mx, my = local_mean(x), local_mean(y)
    vx, vy = local_mean(x * x) - mx**2, local_mean(y * y) - my**2
    cov = local_mean(x * y) - mx * my
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    ssim = (2 * mx * my + c1) * (2 * cov + c2)
    ssim /= (mx**2 + my**2 + c1) * (vx + vy + c2)
    measured = quality.ssim(x.astype(np.uint8), y.astype(np.uint8))
    assert measured == pytest.approx(ssim.mean())


def test_ssim_is_undefined_below_its_window():
    assert math.isnan(quality.ssim(flat(1, 10), flat(2, 10)))
    assert math.isfinite(quality.ssim(flat(1, 11), flat(2, 11)))


@given(st.integers(0, 2**32 - 1))
def test_psnr_and_l2_say_the_same(seed):
    truth, image = np.random.default_rng(seed).integers(0, 256, (2, 3, 5, 3), np.uint8)
    expected = -10 * math.log10(quality.l2(truth, image))
    assert quality.psnr(truth, image) == pytest.approx(expected)
