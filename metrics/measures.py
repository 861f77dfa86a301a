"""What is measured of completed pictures: one table of names, titles and functions."""

import dataclasses
import functools
import math
from collections.abc import Callable

import numpy as np

from inpainting_zoo.errors import choose
from inpainting_zoo.metrics import image_quality as quality
from inpainting_zoo.metrics.lpips import Lpips, lpips


def finite_mean(values: list) -> float | None:
    """Returns the mean of the finite values, None if there are none."""
    finite = [value for value in values if math.isfinite(value)]
    return float(np.mean(finite)) if finite else None


def largest(values: list) -> float | None:
    """Returns the largest value, None if there are none."""
    return max(values, default=None)


@dataclasses.dataclass(frozen=True)
class Measure:
    """One measure of completed pictures.

    Args:
        title: in tables.
        digits: after the point, in tables.
        function: fn(truth, output, mask) that returns the number of a picture. Truth
            and output are uint8 (H, W, 3), the mask is (H, W), 1 in the hole.
        total: takes the numbers of all pictures, returns that of the set.
        network: in `NETWORKS`, which `function` takes before the others.
        headline: also in tables that have room for few measures.
        default: measured where no measures are chosen.
    """

    title: str
    digits: int
    function: Callable
    total: Callable = finite_mean
    network: str | None = None
    headline: bool = False
    default: bool = True


def whole(function: Callable) -> Callable:
    """Makes a measure of two pictures one that takes a mask, too."""
    return lambda truth, output, mask: function(truth, output)


def chosen_measures(names: str | None = None, files: dict | None = None) -> dict:
    """Returns measures by name, in the order of `MEASURES`, ready to be called.

    Args:
        names: separated by commas, "psnr,lpips"; None for those by default. Whether
            known pixels are the truth's is always measured.
        files: network -> its weight file, for those that are not shipped.

    Raises:
        InputError: if a name is unknown, or a network has no file.
        WeightsError: if a file is damaged or does not fit.
    """
    chosen = {*DEFAULTS} if names is None else {n.strip() for n in names.split(",")}
    for name in sorted(chosen):
        choose("metrics", name, MEASURES)
    chosen |= {"identical", "outside_max"}
    return {
        name: _with_network(measure, files or {})
        for name, measure in MEASURES.items()
        if name in chosen
    }


def _with_network(measure, files):
    if not measure.network:
        return measure
    network = NETWORKS[measure.network](measure.network, files.get(measure.network))
    bound = functools.partial(measure.function, network)
    return dataclasses.replace(measure, function=bound)


NETWORKS = {"alexnet": lpips, "vgg16": lpips}
MEASURES = {
    "psnr": Measure("PSNR", 2, whole(quality.psnr), headline=True),
    "psnr_hole": Measure("hole PSNR", 2, quality.psnr_hole, headline=True),
    "ssim": Measure("SSIM", 4, whole(quality.ssim), headline=True),
    "l1": Measure("L1", 4, whole(quality.l1), headline=True),
    "l1_hole": Measure("hole L1", 4, quality.l1_hole, headline=True),
    "l2": Measure("L2", 4, whole(quality.l2)),
    "l2_hole": Measure("hole L2", 4, quality.l2_hole),
    "lpips": Measure("LPIPS", 4, Lpips.distance, network="alexnet", headline=True),
    "lpips_vgg16": Measure(
        "LPIPS VGG16", 4, Lpips.distance, network="vgg16", default=False
    ),
    "identical": Measure("identical", 0, quality.identical, sum),
    "outside_max": Measure("outside", 0, quality.outside_max, largest),
}
DEFAULTS = [name for name, measure in MEASURES.items() if measure.default]
MEANS = [n for n in DEFAULTS if MEASURES[n].total is finite_mean]
HEADLINES = [name for name, measure in MEASURES.items() if measure.headline]
