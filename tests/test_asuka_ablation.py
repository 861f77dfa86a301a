"""The table of ASUKA's decoder, row by row."""

import itertools

import pytest

from inpainting_zoo.tools import asuka_ablation
from inpainting_zoo.tools.asuka_ablation import MEASURED, page, summary


def table(*values):
    """The lines of a CSV file whose pictures have one number in all measures."""
    return [{name: str(value) for name in MEASURED} for value in values]


def test_means_and_paired_differences():
    """Of two seeds; the second row is better by 0.1 in each picture, by no chance."""
    found = summary(
        {
            ("VAE", 0): table(0.4, 0.6),
            ("VAE", 1): table(0.5, 0.7),
            ("+ cond.", 0): table(0.3, 0.5),
            ("+ cond.", 1): table(0.4, 0.6),
        },
        dict.fromkeys(itertools.product(("VAE", "+ cond."), (0, 1)), 60.0),
    )
    assert (found["seeds"], found["pictures"]) == ([0, 1], 2)
    assert found["rows"]["VAE"]["means"]["lpips"] == pytest.approx(0.55)
    change = found["rows"]["+ cond."]["changes"]["lpips"]
    assert change["mean"] == pytest.approx(-0.1)
    assert change["interval"] == pytest.approx([-0.1, -0.1])
    assert change["seeds"] == pytest.approx([-0.1, -0.1])
    row = "| 0.4500 (-0.1000 to -0.1000; -0.1000, -0.1000) |"
    assert row in page(found) and page(found).splitlines()[3].endswith("| 2 |")
    assert page(found).splitlines()[2].startswith("| VAE | 0.5500 |")


def test_what_is_not_its_own_is_for_the_training():
    given = ["-train_path", "a", "-test_path", "b", "-from_weights", "c"]
    options = asuka_ablation.parse([*given, "-steps", "5", "-vgg_weights", "v.npz"])
    assert options.further == ["-steps", "5", "-vgg_weights", "v.npz"]
    assert options.seeds == [0, 1, 2] and options.limit == 200
