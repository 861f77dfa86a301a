"""How sure a mean over pictures is."""

import numpy as np

RESAMPLES = 1000
LARGEST = 2**20  # pictures drawn at once


def bootstrap_intervals(values, seed: int, level: float = 0.95):
    """Returns the intervals in which means over other pictures would lie.

    The pictures are drawn again and again, with replacement, as many as there are; the
    interval holds the middle `level` of the means. All columns are of the same draws.

    Args:
        values: (N, M), M numbers of each picture; those that are not finite are left
            out of the means.
        seed: of the draws.
        level: in (0, 1).

    Returns:
        The lower and upper ends (2, M); nan for a column of fewer than two finite
        numbers.

    Reference:
        Efron and Tibshirani, An introduction to the bootstrap, 1993, Section 13.3.
    """
    values = np.asarray(values, "float64")
    rng, pictures = np.random.default_rng(seed), len(values)
    finite = np.isfinite(values)
    numbers, counted, means = np.where(finite, values, 0), np.float64(finite), []
    at_once = max(1, LARGEST // pictures)
    for start in range(0, RESAMPLES, at_once):
        count = min(at_once, RESAMPLES - start)
        drawn = rng.integers(pictures, size=(count, pictures))
        drawn += pictures * np.arange(count)[:, None]
        times = np.bincount(drawn.ravel(), minlength=drawn.size).reshape(drawn.shape)
        with np.errstate(invalid="ignore"):
            means.extend(times @ numbers / (times @ counted))
    ends = np.full((2, values.shape[1]), np.nan)
    some = finite.sum(axis=0) > 1
    outside = (1 - level) / 2
    ends[:, some] = np.nanquantile(
        np.array(means)[:, some], [outside, 1 - outside], axis=0
    )
    return ends
