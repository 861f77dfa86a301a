"""Measures of the seam, on pictures whose numbers are known by hand."""

import numpy as np
import pytest
from skimage.color import rgb2lab

from inpainting_zoo.metrics.seam import seam_colour, seam_gradient

TRUTH = np.full((32, 32, 3), 100, np.uint8)
HOLE = np.zeros((32, 32), np.uint8)
HOLE[8:24, 8:24] = 1


def filled(colour, hole=HOLE):
    return np.where(hole[..., None] == 1, np.uint8(colour), TRUTH)


def test_the_same_picture_has_no_seam():
    assert seam_gradient(TRUTH, TRUTH, HOLE) == 0
    assert seam_colour(TRUTH, TRUTH, HOLE) == 0


def test_a_step_of_ten():
    """Of half a picture; Sobel's filter weighs a straight edge four times."""
    half = np.zeros((32, 32), np.uint8)
    half[:, 16:] = 1
    assert seam_gradient(TRUTH, filled(110, half), half) == pytest.approx(40)
    assert seam_gradient(TRUTH, filled([110, 100, 100], half), half) == pytest.approx(
        40 / 3
    )


def test_a_shift_is_its_distance_in_lab():
    found = seam_colour(TRUTH, filled([120, 100, 100]), HOLE)
    colours = np.array([[[120, 100, 100]], [[100, 100, 100]]], np.uint8)
    shift = np.linalg.norm(np.subtract(*rgb2lab(colours)))
    assert found == pytest.approx(shift, rel=1e-6)


def test_texture_is_no_shift():
    """Squares of one pixel, brighter and darker by turns, nearly cancel out."""
    board = np.indices((32, 32)).sum(axis=0) % 2
    texture = filled((100 + 20 * (2 * board[..., None] - 1)) * np.ones(3, int))
    assert seam_colour(TRUTH, texture, HOLE) < 0.1 * seam_colour(
        TRUTH, filled(120), HOLE
    )


def test_the_inside_does_not_count():
    hole = np.ones((64, 64), np.uint8)
    hole[:4] = 0
    truth = np.full((64, 64, 3), 100, np.uint8)
    inside = truth.copy()
    inside[30:] = 200
    assert seam_colour(truth, inside, hole) == 0


def test_nothing_to_measure():
    for mask in (0 * HOLE, 0 * HOLE + 1):
        assert np.isnan(seam_gradient(TRUTH, TRUTH, mask))
        assert np.isnan(seam_colour(TRUTH, TRUTH, mask))
