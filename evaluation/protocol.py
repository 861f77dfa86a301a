"""The evaluation protocol: one rule for the command, the notebook and the tables."""

import math
from collections import defaultdict

import numpy as np
from tqdm import tqdm

from inpainting_zoo.drawing import masked
from inpainting_zoo.environment import versions
from inpainting_zoo.errors import InputError
from inpainting_zoo.metrics.measures import MEASURES

BINS = ("0-10", "10-20", "20-30", "30-40", "40-50", "50-60", "above")
NAME = "completed_1"


def evaluate(
    pairs,
    methods: dict,
    seed: int,
    weights_sha256: str | None = None,
    strategy: str = "original",
    pictures: int = 8,
) -> dict:
    """Completes every picture by every method and measures the results.

    Args:
        pairs: sequence of (name, image uint8 (S, S, 3), mask uint8 (S, S)), 1 in the
            hole.
        methods: name -> complete(image, mask) -> uint8 (S, S, 3); the model under its
            preset's or experiment's name, beside `**BASELINES`.
        seed: what the masks of `pairs` were drawn with; recorded.
        weights_sha256: of the model's weight file; recorded.
        strategy: by which the model takes pictures that are not of its size; recorded.
        pictures: how many of the first pairs are kept for the picture grid.

    Returns:
        "protocol", "images", "methods" (name -> `MEASURES` and "bins" by hole area in
        percent, each bin with its number of "images"), "versions", "seed",
        "weights_sha256", "image_size", "strategy", all fit for JSON; "rows", a dict per
        image and method; "pictures", a dict title -> uint8 image per kept pair.
        Infinite and undefined (nan) values are left out of the means; a mean of
        nothing is None.

    Raises:
        InputError: no pairs, no methods, or a method returned something else.
    """
    scores, shown = Scores(pairs, methods), []
    for name, image, mask in tqdm(pairs, "evaluate", unit="image", disable=None):
        outputs = {m: _completed(m, methods[m], image, mask) for m in methods}
        scores.add(name, image, outputs, mask)
        if len(shown) < pictures:
            shown.append(columns(image, outputs, mask))
    return scores.report(NAME, seed, weights_sha256, strategy) | {"pictures": shown}


def _completed(name, method, image, mask):
    output = np.asarray(method(image.copy(), mask.copy()))
    if output.dtype != np.uint8:
        raise InputError(f"{name}: completed image of uint8, received {output.dtype}")
    return output


def columns(image, outputs: dict, mask) -> dict:
    """Returns the pictures of a row of the grid, all uint8 (S, S, 3), by title."""
    return {"input": masked(image, mask), **outputs, "ground truth": image}


class Scores:
    """What methods reach: a row for each picture, and a summary of all.

    Args:
        pairs: of image and mask; at least one.
        methods: their names; at least one.
        measures: what is measured, of the names in `MEASURES`.
    """

    def __init__(self, pairs, methods, measures: dict = MEASURES):
        if not len(pairs) or not methods:
            received = f"{len(pairs)} pairs and {len(methods)} methods"
            raise InputError(f"evaluate: at least one of each, received {received}")
        self.rows, self.images, self.image_size = [], 0, None
        self.of_picture = [(n, m) for n, m in measures.items() if m.of == "picture"]
        of_set = {n: m.function for n, m in measures.items() if m.of == "set"}
        self.totals = {method: Summary(of_set) for method in methods}
        self.bins = {m: {area: Summary(of_set) for area in BINS} for m in methods}

    def add(self, name: str, truth, outputs: dict, mask):
        """Measures what every method made of one picture.

        Args:
            name: of the picture.
            truth: (S, S, 3).
            outputs: method -> (S, S, 3).
            mask: (S, S), 1 in the hole.
        """
        self.images, self.image_size = self.images + 1, truth.shape[0]
        area = float(np.mean(mask))
        for method, output in outputs.items():
            if output.shape != truth.shape:
                raise InputError(
                    f"{method}: output of {truth.shape}, received {output.shape}"
                )
            found = {n: m.function(truth, output, mask) for n, m in self.of_picture}
            for summary in (self.bins[method][hole_bin(area)], self.totals[method]):
                own = summary.update(found, truth, output, mask)
            row = {"name": name, "hole_area": area, "method": method}
            self.rows.append(row | found | own)

    def report(self, protocol: str, seed, weights_sha256, strategy) -> dict:
        """Returns what `evaluate` does, but for the pictures."""
        return {
            "protocol": protocol,
            "images": self.images,
            "methods": {
                method: {**total.result(), "bins": self._bins(method)}
                for method, total in self.totals.items()
            },
            "versions": versions(),
            "seed": seed,
            "weights_sha256": weights_sha256,
            "image_size": self.image_size,
            "strategy": strategy,
            "rows": self.rows,
        }

    def _bins(self, method):
        return {
            area: {"images": summary.images, **summary.result()}
            for area, summary in self.bins[method].items()
        }


class Summary:
    """Measures of some pictures, which are seen one by one.

    Args:
        of_set: name -> what makes a measure of a set, see `Measure`.
    """

    def __init__(self, of_set: dict):
        self.images, self.values = 0, defaultdict(list)
        self.of_set = {name: make() for name, make in of_set.items()}

    def update(self, found: dict, truth, output, mask) -> dict:
        """Takes in a picture; returns its own numbers by the measures of a set.

        Args:
            found: what measures of a picture gave, by name.
            truth, output, mask: see `Scores.add`.
        """
        self.images += 1
        for name, value in found.items():
            self.values[name].append(value)
        own = {n: m.update(truth, output, mask) for n, m in self.of_set.items()}
        return {name: value for name, value in own.items() if value is not None}

    def result(self) -> dict:
        """Returns a number for each of `MEASURES`; None where there is none."""
        means = {name: finite_mean(values) for name, values in self.values.items()}
        sets = {name: measure.result() for name, measure in self.of_set.items()}
        return dict.fromkeys(MEASURES) | means | sets


def finite_mean(values: list) -> float | None:
    """Returns the mean of the finite values, None if there are none."""
    finite = [value for value in values if math.isfinite(value)]
    return float(np.mean(finite)) if finite else None


def hole_bin(area: float) -> str:
    """Returns the bin of a hole area in [0, 1]: "10-20" is over 10 and up to 20 %."""
    # Rounded, because 0.6 * 10 and the like may end in ...0001.
    return BINS[min(max(math.ceil(round(area * 10, 9)) - 1, 0), len(BINS) - 1)]
