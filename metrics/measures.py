"""What is measured of completed pictures: one table of names, titles and functions."""

import dataclasses
from collections.abc import Callable

import numpy as np

from inpainting_zoo.metrics import image_quality as quality


@dataclasses.dataclass(frozen=True)
class Measure:
    """One measure of completed pictures.

    Args:
        title: in tables.
        digits: after the point, in tables.
        function: of a picture, fn(truth, output, mask) that returns a number; of a set,
            what makes an object with `update(truth, output, mask)`, which may return
            the picture's own number, and `result()`, a number or None. Truth and output
            are uint8 (H, W, 3), the mask is (H, W), 1 in the hole.
        of: "picture", reported as the mean of all that are finite, or "set".
        headline: also in tables that have room for few measures.
    """

    title: str
    digits: int
    function: Callable
    of: str = "picture"
    headline: bool = False


class Identical:
    """Counts pictures that are the truth itself, whose PSNR is infinite."""

    def __init__(self):
        self.count = 0

    def update(self, truth, output, mask):
        self.count += int(np.array_equal(truth, output))

    def result(self):
        return self.count


class OutsideMax:
    """The largest difference at a known pixel of any picture; None without pictures."""

    def __init__(self):
        self.largest = None

    def update(self, truth, output, mask):
        found = quality.outside_max(truth, output, mask)
        self.largest = max(found, self.largest or 0)
        return found

    def result(self):
        return self.largest


def whole(function: Callable) -> Callable:
    """Makes a measure of two pictures one that takes a mask, too."""
    return lambda truth, output, mask: function(truth, output)


MEASURES = {
    "psnr": Measure("PSNR", 2, whole(quality.psnr), headline=True),
    "psnr_hole": Measure("hole PSNR", 2, quality.psnr_hole, headline=True),
    "ssim": Measure("SSIM", 4, whole(quality.ssim), headline=True),
    "l1": Measure("L1", 4, whole(quality.l1), headline=True),
    "l1_hole": Measure("hole L1", 4, quality.l1_hole, headline=True),
    "l2": Measure("L2", 4, whole(quality.l2)),
    "l2_hole": Measure("hole L2", 4, quality.l2_hole),
    "identical": Measure("identical", 0, Identical, of="set"),
    "outside_max": Measure("outside", 0, OutsideMax, of="set"),
}
OF_PICTURES = [name for name, measure in MEASURES.items() if measure.of == "picture"]
HEADLINES = [name for name, measure in MEASURES.items() if measure.headline]
