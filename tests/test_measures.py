"""The table of measures, and those of a set of pictures."""

import math

import numpy as np
import pytest

from inpainting_zoo.errors import InputError
from inpainting_zoo.metrics.bootstrap import bootstrap_intervals
from inpainting_zoo.metrics.measures import (
    DEFAULTS,
    HEADLINES,
    MEASURES,
    chosen_measures,
    finite_mean,
    largest,
)


def test_names_titles_and_digits_of_reports_and_tables():
    """Reports and weights/README.md have had most since the first."""
    assert [*MEASURES] == [
        *("psnr", "psnr_hole", "ssim", "l1", "l1_hole", "l2", "l2_hole"),
        *("lpips", "lpips_vgg16", "seam_colour", "seam_gradient"),
        *("kid_alexnet", "kid_vgg16", "kid", "fid"),
        *("u_ids", "p_ids", "kid_torchvision", "fid_torchvision"),
        *("u_ids_torchvision", "p_ids_torchvision", "identical", "outside_max"),
    ]
    assert [*[*MEASURES][:8], "identical", "outside_max"] == DEFAULTS
    assert [*[*MEASURES][:5], "lpips", "kid_alexnet"] == HEADLINES
    titles = [measure.title for measure in MEASURES.values()]
    assert titles[:4] == ["PSNR", "hole PSNR", "SSIM", "L1"]
    digits = [measure.digits for measure in MEASURES.values()]
    assert digits == [2, 2, *[4] * 7, 2, 2, *[4] * 3, 3, *[4] * 3, 3, 4, 4, 0, 0]


def test_measures_are_chosen_by_name():
    assert [*chosen_measures("lpips, psnr")] == [
        *("psnr", "lpips", "identical", "outside_max")
    ]
    assert [*chosen_measures()] == DEFAULTS
    with pytest.raises(InputError, match=r"metrics: one of psnr, .*'magic'"):
        chosen_measures("psnr,magic")
    with pytest.raises(InputError, match="must need no further file, received lpips_"):
        chosen_measures("lpips_vgg16")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("psnr", -10 * math.log10(0.01)),
        ("psnr_hole", -10 * math.log10(0.04)),
        ("l1", 0.05),
        ("l1_hole", 0.2),
        ("l2", 0.01),
        ("l2_hole", 0.04),
    ],
)
def test_measures_of_a_picture(name, expected):
    """A quarter is off by 51, a fifth of the range."""
    truth, mask = np.full((12, 12, 3), 7, np.uint8), np.zeros((12, 12), np.uint8)
    mask[:6, :6] = 1
    output = truth + mask[..., None] * np.uint8(51)
    found = MEASURES[name].function(truth, output, mask)
    assert found == pytest.approx(expected)


def test_numbers_of_pictures_become_one():
    truth, mask = np.full((4, 4, 3), 9, np.uint8), np.zeros((4, 4), np.uint8)
    mask[0] = 1
    in_hole, beyond = truth.copy(), truth.copy()
    in_hole[0], beyond[3, 3, 1] = 200, 2
    outputs, found = (truth, in_hole, beyond, truth), {}
    for name in ("identical", "outside_max"):
        function = MEASURES[name].function
        found[name] = [function(truth, output, mask) for output in outputs]
    assert found == {"identical": [1, 0, 0, 1], "outside_max": [0, 0, 7, 0]}
    totals = [MEASURES[name].total(numbers) for name, numbers in found.items()]
    assert totals == [2, 7]
    assert (largest([]), finite_mean([]), finite_mean([math.inf])) == (None,) * 3
    assert finite_mean([1, math.inf, 3, math.nan]) == 2


def test_intervals_of_means():
    """A mean of n numbers varies by their deviation over the root of n."""
    rng = np.random.default_rng(0)
    values = rng.normal([0, 5], [1, 3], (400, 2))
    values = np.c_[values, np.full((400, 2), np.nan)]
    values[:2, 2] = 7, np.inf  # one number says nothing of others
    values[:2, 3] = 7
    low, high = bootstrap_intervals(values, seed=0)
    half = 1.96 * values[:, :2].std(axis=0) / 20
    mean = values[:, :2].mean(axis=0)
    assert (low[:2], high[:2]) == (
        pytest.approx(mean - half, abs=0.1 * half.max()),
        pytest.approx(mean + half, abs=0.1 * half.max()),
    )
    assert np.isnan([low[2], high[2]]).all() and low[3] == high[3] == 7
    np.testing.assert_array_equal(bootstrap_intervals(values, seed=0), [low, high])
    assert (bootstrap_intervals(values, seed=1)[0, :2] != low[:2]).any()
