"""The evaluation protocol: one rule for the command, the notebook and the tables."""

import math

import numpy as np
from tqdm import tqdm

from inpainting_zoo.drawing import masked
from inpainting_zoo.environment import versions
from inpainting_zoo.errors import InputError
from inpainting_zoo.evaluation.progress import Progress
from inpainting_zoo.metrics.bootstrap import bootstrap_intervals
from inpainting_zoo.metrics.measures import (
    DEFAULTS,
    check_count,
    chosen_measures,
    finite_mean,
)
from inpainting_zoo.storage.vectors import remembered

BINS = ("0-10", "10-20", "20-30", "30-40", "40-50", "50-60", "above")
NAME = "completed_1"
PICTURES = 8  # in the grid of a report


def evaluate(
    pairs,
    methods: dict,
    seed: int,
    weights_sha256: str | None = None,
    strategy: str = "original",
    pictures: int = PICTURES,
    measures: dict | None = None,
    progress: Progress | None = None,
) -> dict:
    """Completes every picture by every method and measures the results.

    Args:
        pairs: sequence of (name, image uint8 (S, S, 3), mask uint8 (S, S)), 1 in the
            hole; of what else each holds, methods take it as further arguments.
        methods: name -> complete(image, mask) -> uint8 (S, S, 3); the model under its
            preset's or experiment's name, beside `**BASELINES`.
        seed: what the masks of `pairs` were drawn with; recorded.
        weights_sha256: of the model's weight file; recorded.
        strategy: by which the model takes pictures that are not of its size; recorded.
        pictures: how many of the first pairs are kept for the picture grid.
        measures: what is measured, see `chosen_measures`; by default its own.
        progress: what a former run has measured of the first pairs.

    Returns:
        "protocol", "images", "methods" (name -> the measures, "intervals" of 95 % of
        their means, and "bins" by hole area in percent, each bin with its number of
        "images"), "notes" on measures, "versions", "seed", "weights_sha256",
        "image_size", "strategy", all fit for JSON; "rows", a dict per image and method;
        "pictures", a dict title -> uint8 image per kept pair.
        Infinite and undefined (nan) values are left out of the means; a mean of
        nothing is None.

    Raises:
        InputError: no pairs, no methods, too few pairs for a measure, or a method
            returned something else.
    """
    measures, count = measures or chosen_measures(), len(pairs)
    size = pairs[0][1].shape[0] if count else 0
    scores = Scores(methods, measures, count, size, progress)
    shown = measure(pairs, methods, scores, range(count), pictures)
    report = scores.report(NAME, seed, weights_sha256, strategy)
    return report | {"pictures": [*shown.values()]}


def measure(
    pairs, methods: dict, scores: "Scores", indices: range, pictures: int = PICTURES
) -> dict:
    """Completes and measures pictures that are not measured yet.

    Args:
        pairs, methods, pictures: see `evaluate`.
        scores: takes what is measured.
        indices: of the pictures, some of which it may know.

    Returns:
        The number of each picture of the grid -> its `columns`.
    """
    done, count, shown = scores.images, len(indices), {}
    todo = [(k, i) for k, i in enumerate(indices) if i < pictures or k >= done]
    bar = {"initial": count - len(todo), "total": count, "disable": None}
    for place, index in tqdm(todo, "evaluate", unit="image", **bar):
        name, image, mask, *further = pairs[index]
        outputs = {m: _completed(m, methods[m], image, mask, *further) for m in methods}
        if place >= done:
            scores.add(name, image, outputs, mask)
        if index < pictures:
            shown[index] = columns(image, outputs, mask)
    return shown


def _completed(name, method, image, mask, *further):
    output = np.asarray(method(image.copy(), mask.copy(), *further))
    if output.dtype != np.uint8:
        raise InputError(f"{name}: completed image of uint8, received {output.dtype}")
    return output


def columns(image, outputs: dict, mask) -> dict:
    """Returns the pictures of a row of the grid, all uint8 (S, S, 3), by title."""
    shown = [masked(image, mask), *outputs.values(), image]
    return dict(zip(titles(outputs), shown))


def titles(methods) -> list:
    """Returns the titles of the columns of the grid, of the methods' names."""
    return ["input", *methods, "ground truth"]


class Scores:
    """What methods reach: a row for each picture, and a summary of all.

    Args:
        methods: their names; at least one.
        measures: what is measured, by name; see `chosen_measures`.
        count: pictures that there will be; at least one.
        image_size: side of the pictures in pixels; recorded.
        progress: where it is kept; in a temporary folder by default.
    """

    def __init__(
        self, methods, measures: dict, count: int, image_size: int, progress=None
    ):
        if not count or not methods:
            received = f"{count} pairs and {len(methods)} methods"
            raise InputError(f"evaluate: at least one of each, received {received}")
        check_count(measures, count)
        self.methods, self.image_size = list(methods), image_size
        self.of_picture = {n: m for n, m in measures.items() if m.of == "picture"}
        self.of_set = {n: m for n, m in measures.items() if m.of == "set"}
        self.networks = {m.network: m.look for m in self.of_set.values()}
        self.progress = progress or Progress()

    @property
    def images(self) -> int:
        """How many pictures are measured."""
        return len(self.progress.pictures)

    def add(self, name: str, truth, outputs: dict, mask):
        """Measures what every method made of one picture.

        Args:
            name: of the picture.
            truth: (S, S, 3).
            outputs: method -> (S, S, 3).
            mask: (S, S), 1 in the hole.
        """
        area, rows, vectors = float(np.mean(mask)), [], {}
        for network, look in self.networks.items():
            vectors[f"{network}-truth"] = remembered(look.key, truth, look.vector)
        for number, (method, output) in enumerate(outputs.items()):
            if output.shape != truth.shape:
                raise InputError(
                    f"{method}: output of {truth.shape}, received {output.shape}"
                )
            row = {"name": name, "hole_area": area, "method": method}
            for measure, about in self.of_picture.items():
                row[measure] = about.function(truth, output, mask)
            for network, look in self.networks.items():
                vectors[f"{network}-{number}"] = look.vector(output)
            rows.append(row)
        self.progress.add(rows, vectors)

    def report(self, protocol: str, seed, weights_sha256, strategy) -> dict:
        """Returns what `evaluate` does, but for the pictures."""
        pictures = self.progress.pictures
        rows = dict(zip(self.methods, map(list, zip(*pictures)), strict=True))
        intervals = self._intervals(rows, seed)
        return {
            "protocol": protocol,
            "images": self.images,
            "methods": {
                method: {
                    **self._totals(found),
                    **self._of_set(method),
                    "intervals": intervals[method],
                    "bins": self._bins(found),
                }
                for method, found in rows.items()
            },
            "notes": self._notes(),
            "versions": versions(),
            "seed": seed,
            "weights_sha256": weights_sha256,
            "image_size": self.image_size,
            "strategy": strategy,
            "rows": [row for rows in pictures for row in rows],
        }

    def _of_set(self, method):
        """Returns the measures of a set: not of a bin, which holds too few pictures."""
        found = {}
        for name, measure in self.of_set.items():
            sides = "truth", self.methods.index(method)
            vectors = (self.progress.vectors(f"{measure.network}-{s}") for s in sides)
            found[name] = measure.function(*vectors)
        return found

    def _notes(self):
        areas = [rows[0]["hole_area"] for rows in self.progress.pictures]
        kinds = {"no hole": 0.0, "nothing but a hole": 1.0}
        notes = [
            f"masks: {areas.count(area)} of {len(areas)} have {what}"
            for what, area in kinds.items()
            if area in areas
        ]
        return notes + [
            f"{measure.title}: of {self.images} pictures, under {measure.enough}; "
            "compare it with that of the same pictures alone"
            for measure in self.of_set.values()
            if self.images < measure.enough
        ]

    def _totals(self, rows):
        """Returns a number for each measure; None where there is none."""
        totals = {
            name: measure.total([row[name] for row in rows])
            for name, measure in self.of_picture.items()
        }
        return dict.fromkeys(DEFAULTS) | totals

    def _bins(self, rows):
        bins = {area: [] for area in BINS}
        for row in rows:
            bins[hole_bin(row["hole_area"])].append(row)
        return {a: {"images": len(b), **self._totals(b)} for a, b in bins.items()}

    def _intervals(self, rows, seed):
        """Returns method -> name of each mean -> ends of its interval, or None."""
        means = [n for n, m in self.of_picture.items() if m.total is finite_mean]
        if not means:
            return {method: {} for method in self.methods}
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
