"""The evaluation protocol: one rule for the command, the notebook and the tables."""

import math

import numpy as np
from tqdm import tqdm

from inpainting_zoo.drawing import masked
from inpainting_zoo.environment import versions
from inpainting_zoo.errors import InputError
from inpainting_zoo.metrics.bootstrap import bootstrap_intervals
from inpainting_zoo.metrics.measures import DEFAULTS, chosen_measures, finite_mean

BINS = ("0-10", "10-20", "20-30", "30-40", "40-50", "50-60", "above")
NAME = "completed_1"


def evaluate(
    pairs,
    methods: dict,
    seed: int,
    weights_sha256: str | None = None,
    strategy: str = "original",
    pictures: int = 8,
    measures: dict | None = None,
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
        measures: what is measured, see `chosen_measures`; by default its own.

    Returns:
        "protocol", "images", "methods" (name -> the measures, "intervals" of 95 % of
        their means, and "bins" by hole area in percent, each bin with its number of
        "images"), "versions", "seed", "weights_sha256", "image_size", "strategy", all
        fit for JSON; "rows", a dict per image and method; "pictures", a dict title ->
        uint8 image per kept pair.
        Infinite and undefined (nan) values are left out of the means; a mean of
        nothing is None.

    Raises:
        InputError: no pairs, no methods, or a method returned something else.
    """
    scores, shown = Scores(pairs, methods, measures or chosen_measures()), []
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
        measures: what is measured, by name; see `chosen_measures`.
    """

    def __init__(self, pairs, methods, measures: dict):
        if not len(pairs) or not methods:
            received = f"{len(pairs)} pairs and {len(methods)} methods"
            raise InputError(f"evaluate: at least one of each, received {received}")
        self.rows, self.image_size = [], None
        self.methods, self.measures = list(methods), measures

    def add(self, name: str, truth, outputs: dict, mask):
        """Measures what every method made of one picture.

        Args:
            name: of the picture.
            truth: (S, S, 3).
            outputs: method -> (S, S, 3).
            mask: (S, S), 1 in the hole.
        """
        self.image_size, area = truth.shape[0], float(np.mean(mask))
        for method, output in outputs.items():
            if output.shape != truth.shape:
                raise InputError(
                    f"{method}: output of {truth.shape}, received {output.shape}"
                )
            row = {"name": name, "hole_area": area, "method": method}
            for measure, about in self.measures.items():
                row[measure] = about.function(truth, output, mask)
            self.rows.append(row)

    def report(self, protocol: str, seed, weights_sha256, strategy) -> dict:
        """Returns what `evaluate` does, but for the pictures."""
        rows = {m: [r for r in self.rows if r["method"] == m] for m in self.methods}
        intervals = self._intervals(rows, seed)
        return {
            "protocol": protocol,
            "images": len(self.rows) // len(self.methods),
            "methods": {
                method: {
                    **self._totals(found),
                    "intervals": intervals[method],
                    "bins": self._bins(found),
                }
                for method, found in rows.items()
            },
            "versions": versions(),
            "seed": seed,
            "weights_sha256": weights_sha256,
            "image_size": self.image_size,
            "strategy": strategy,
            "rows": self.rows,
        }

    def _totals(self, rows):
        """Returns a number for each measure; None where there is none."""
        totals = {
            name: measure.total([row[name] for row in rows])
            for name, measure in self.measures.items()
        }
        return dict.fromkeys(DEFAULTS) | totals

    def _bins(self, rows):
        bins = {area: [] for area in BINS}
        for row in rows:
            bins[hole_bin(row["hole_area"])].append(row)
        return {a: {"images": len(b), **self._totals(b)} for a, b in bins.items()}

    def _intervals(self, rows, seed):
        """Returns method -> name of each mean -> ends of its interval, or None."""
        means = [n for n, m in self.measures.items() if m.total is finite_mean]
        values = [[row[n] for row in rows[m]] for m in self.methods for n in means]
        ends = iter(bootstrap_intervals(np.transpose(values), seed).T.tolist())
        return {
            method: {
                name: found if math.isfinite((found := next(ends))[0]) else None
                for name in means
            }
            for method in self.methods
        }


def hole_bin(area: float) -> str:
    """Returns the bin of a hole area in [0, 1]: "10-20" is over 10 and up to 20 %."""
    # Rounded, because 0.6 * 10 and the like may end in ...0001.
    return BINS[min(max(math.ceil(round(area * 10, 9)) - 1, 0), len(BINS) - 1)]
