"""The table of measures, and those of a set of pictures."""

import math

import numpy as np
import pytest

from inpainting_zoo.metrics.measures import (
    HEADLINES,
    MEASURES,
    OF_PICTURES,
    Identical,
    OutsideMax,
)


def test_names_titles_and_digits_of_reports_and_tables():
    """Reports and weights/README.md have had them since the first."""
    assert [*MEASURES] == [
        *("psnr", "psnr_hole", "ssim", "l1", "l1_hole", "l2", "l2_hole"),
        *("identical", "outside_max"),
    ]
    assert [*MEASURES][:7] == OF_PICTURES
    assert [*MEASURES][:5] == HEADLINES
    titles = [measure.title for measure in MEASURES.values()]
    assert titles[:4] == ["PSNR", "hole PSNR", "SSIM", "L1"]
    digits = [measure.digits for measure in MEASURES.values()]
    assert digits == [2, 2, 4, 4, 4, 4, 4, 0, 0]


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


def test_measures_of_a_set():
    identical, outside = Identical(), OutsideMax()
    assert (identical.result(), outside.result()) == (0, None)
    truth, mask = np.full((4, 4, 3), 9, np.uint8), np.zeros((4, 4), np.uint8)
    mask[0] = 1
    in_hole, beyond = truth.copy(), truth.copy()
    in_hole[0], beyond[3, 3, 1] = 200, 2
    for output, largest in ((truth, 0), (in_hole, 0), (beyond, 7), (truth, 0)):
        assert identical.update(truth, output, mask) is None
        assert outside.update(truth, output, mask) == largest
    assert (identical.result(), outside.result()) == (2, 7)
