"""What is measured of completed pictures: one table of names, titles and functions.

Reading it takes no engine; the networks that some measures look through load theirs.
"""

import dataclasses
import functools
import math
import os
import pkgutil
from collections.abc import Callable
from typing import Any

import numpy as np

from inpainting_zoo.errors import InputError, choose
from inpainting_zoo.metrics import image_quality as quality
from inpainting_zoo.metrics.seam import seam_colour, seam_gradient
from inpainting_zoo.metrics.separability import p_ids, u_ids
from inpainting_zoo.metrics.sets import fid, kid


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
        function: of a picture, fn(truth, output, mask) that returns a number: truth and
            output are uint8 (H, W, 3), the mask is (H, W), 1 in the hole. Of a set,
            fn(truths, outputs) of what a network sees of all pictures, (N, D) each.
        of: "picture" or "set".
        total: takes the numbers of all pictures, returns that of the set.
        network: name in `NETWORKS`. Measures of a picture take it before the others.
        least: pictures without which a measure of a set means nothing.
        enough: pictures from which it can be compared with that of other numbers.
        headline: also in tables that have room for few measures.
        default: measured where no measures are chosen.
        look: the network of a measure of a set, once it is loaded; see
            `chosen_measures`. It has `vector(image)` and `key`.
    """

    title: str
    digits: int
    function: Callable
    total: Callable = finite_mean
    of: str = "picture"
    network: str | None = None
    least: int = 1
    enough: int = 1
    headline: bool = False
    default: bool = True
    look: Any = None


def whole(function: Callable) -> Callable:
    """Makes a measure of two pictures one that takes a mask, too."""
    return lambda truth, output, mask: function(truth, output)


def chosen_measures(
    names: str | None = None, files: dict | None = None, pictures: int | None = None
) -> dict:
    """Returns measures by name, in the order of `MEASURES`, ready to be called.

    Args:
        names: separated by commas, "psnr,lpips"; None for those by default. Whether
            known pixels are the truth's is always measured.
        files: network -> its weight file, for those that are not shipped or downloaded.
        pictures: how many there are, to be told before a download if they are too few.

    Raises:
        InputError: see `wanted_measures`.
        WeightsError: if a file is damaged or does not fit.
    """
    measures = wanted_measures(names, files, pictures)
    return {name: _with_network(m, files or {}) for name, m in measures.items()}


def wanted_measures(
    names: str | None = None, files: dict | None = None, pictures: int | None = None
) -> dict:
    """Returns measures by name without their networks, so that no engine is loaded.

    Args:
        names, files, pictures: see `chosen_measures`.

    Raises:
        InputError: if a name is unknown, or a network has no file; see `check_count`.
    """
    chosen = {*listed(names)} | {"identical", "outside_max"}
    measures = {name: m for name, m in MEASURES.items() if name in chosen}
    if pictures is not None:
        check_count(measures, pictures)
    check_networks(measures, files)
    return measures


def listed(names: str | None) -> list:
    """Returns the names of a list such as "psnr,lpips"; those by default of None.

    Raises:
        InputError: if one is unknown.
    """
    if names is None:
        return DEFAULTS
    found = [name.strip() for name in names.split(",")]
    for name in found:
        choose("metrics", name, MEASURES)
    return found


def check_count(measures: dict, pictures: int):
    """Checks that there are enough pictures for the measures of a set.

    Raises:
        InputError: names the first for which there are not.
    """
    for name, measure in measures.items():
        if pictures < measure.least:
            raise InputError(
                f"metrics: {name} needs at least {measure.least} pictures, received "
                f"{pictures}"
            )


def check_networks(measures: dict, files: dict | None):
    """Checks that there is a file of every network that needs one.

    Args:
        measures: by name.
        files: network -> its file; None where none can be named.

    Raises:
        InputError: names the setting of the first that there is not.
    """
    for name, measure in measures.items():
        network = measure.network
        if files is None and network in UNSHIPPED:
            raise InputError(
                f"metrics: must need no further file, received {name}; `evaluate "
                f"-{FILES[network]}` takes one"
            )
        path = (files or {}).get(network)
        if (path or network in UNSHIPPED) and not (path and os.path.isfile(path)):
            raise InputError(
                f"{FILES[network]}: must be a file of {network}, received {path!r}"
            )


def _with_network(measure, files):
    if not measure.network:
        return measure
    load = pkgutil.resolve_name(NETWORKS[measure.network])
    network = load(measure.network, files.get(measure.network))
    if measure.of == "set":
        return dataclasses.replace(measure, look=network)
    bound = functools.partial(measure.function, network)
    return dataclasses.replace(measure, function=bound)


def distance(network, truth, output, mask) -> float:
    """Returns how far apart a network sees two pictures."""
    return network.distance(truth, output, mask)


def of_set(title: str, digits: int, function: Callable, network: str, **rules):
    """Returns a measure of a set, as the table has them."""
    return Measure(
        title, digits, function, of="set", network=network, default=False, **rules
    )


# Where what loads a network is: it takes its name here and its weight file, or None.
NETWORKS = {
    "alexnet": "inpainting_zoo.metrics.lpips:lpips",
    "vgg16": "inpainting_zoo.metrics.lpips:lpips",
    "inception": "inpainting_zoo.metrics.inception:inception",
    "inception_torchvision": "inpainting_zoo.metrics.inception:inception",
}
# The settings that name their files, and those that nothing else comes with.
FILES = dict.fromkeys(NETWORKS, "inception_weights")
FILES |= dict.fromkeys(("alexnet", "vgg16"), "lpips_weights")
UNSHIPPED = ("vgg16", "inception_torchvision")
# FID needs as many pictures as features; a plane separates as many true and completed
# ones of any kind as often as not (Cover, 1965).
MANY = {"least": 2048, "enough": 5000}
MEASURES = {
    "psnr": Measure("PSNR", 2, whole(quality.psnr), headline=True),
    "psnr_hole": Measure("hole PSNR", 2, quality.psnr_hole, headline=True),
    "ssim": Measure("SSIM", 4, whole(quality.ssim), headline=True),
    "l1": Measure("L1", 4, whole(quality.l1), headline=True),
    "l1_hole": Measure("hole L1", 4, quality.l1_hole, headline=True),
    "l2": Measure("L2", 4, whole(quality.l2)),
    "l2_hole": Measure("hole L2", 4, quality.l2_hole),
    "lpips": Measure("LPIPS", 4, distance, network="alexnet", headline=True),
    "lpips_vgg16": Measure("LPIPS VGG16", 4, distance, network="vgg16", default=False),
    "seam_colour": Measure("seam colour", 2, seam_colour, default=False),
    "seam_gradient": Measure("seam gradient", 2, seam_gradient, default=False),
    "kid_alexnet": of_set("KID AlexNet", 4, kid, "alexnet", least=2, headline=True),
    "kid_vgg16": of_set("KID VGG16", 4, kid, "vgg16", least=2),
    "kid": of_set("KID", 4, kid, "inception", least=2),
    "fid": of_set("FID", 3, fid, "inception", **MANY),
    "u_ids": of_set("U-IDS", 4, u_ids, "inception", **MANY),
    "p_ids": of_set("P-IDS", 4, p_ids, "inception", **MANY),
    "kid_torchvision": of_set(
        "KID torchvision", 4, kid, "inception_torchvision", least=2
    ),
    "fid_torchvision": of_set(
        "FID torchvision", 3, fid, "inception_torchvision", **MANY
    ),
    "u_ids_torchvision": of_set(
        "U-IDS torchvision", 4, u_ids, "inception_torchvision", **MANY
    ),
    "p_ids_torchvision": of_set(
        "P-IDS torchvision", 4, p_ids, "inception_torchvision", **MANY
    ),
    "identical": Measure("identical", 0, quality.identical, sum),
    "outside_max": Measure("outside", 0, quality.outside_max, largest),
}
DEFAULTS = [name for name, measure in MEASURES.items() if measure.default]
MEANS = [n for n in DEFAULTS if MEASURES[n].total is finite_mean]
HEADLINES = [name for name, measure in MEASURES.items() if measure.headline]
