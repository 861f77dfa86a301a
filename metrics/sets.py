"""How near a set of completed pictures is to the set of true ones.

Pictures are vectors here, features of a network. Arrays may be larger than memory, as
NumPy's of files are: they are read in blocks.
"""

import numpy as np

from inpainting_zoo.errors import InputError

BLOCK = 1000  # pictures


def fid(real, fake) -> float:
    """Returns the Fréchet distance of two sets, taken for normal distributions.

    It is biased upwards, the more the fewer pictures there are.

    Args:
        real: (N, D), N > 1.
        fake: (M, D).

    Returns:
        |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)), at least 0, and 0 for equal sets.

    Reference:
        Heusel et al., GANs trained by a two time-scale update rule converge to a local
        Nash equilibrium, NeurIPS 2017, Equation 6.
    """
    (mean1, covariance1), (mean2, covariance2) = map(_moments, (real, fake))
    # The eigenvalues of S1 S2 are those of the symmetric S1^(1/2) S2 S1^(1/2).
    values, axes = np.linalg.eigh(covariance1)
    root = axes * np.sqrt(values.clip(0)) @ axes.T
    values = np.linalg.eigvalsh(root @ covariance2 @ root)
    traces = np.trace(covariance1) + np.trace(covariance2)
    distance = ((mean1 - mean2) ** 2).sum() + traces - 2 * np.sqrt(values.clip(0)).sum()
    return float(max(distance, 0))


def kid(real, fake) -> float:
    """Returns the squared maximum mean discrepancy of two sets, without bias.

    The kernel is (x y / D + 1)^3. A picture is compared neither with itself nor with
    its own completion, since these depend on each other: the U-statistic of pairs. Sets
    of over 1,000 pictures are compared in parts of at most so many, whose mean this is;
    no part has a bias.

    Args:
        real: (N, D), N > 1.
        fake: (N, D), the same pictures, completed.

    Raises:
        InputError: if there are not as many of both.

    Returns:
        Around 0, also below, for sets of one distribution; 0 for equal ones.

    Reference:
        Binkowski et al., Demystifying MMD GANs, ICLR 2018.
        Gretton et al., A kernel two-sample test, JMLR 13, 2012, Equation 4.
    """
    if len(real) != len(fake):
        raise InputError(
            f"kid: must be of as many true as completed pictures, received {len(real)} "
            f"and {len(fake)}"
        )
    parts = np.array_split(np.arange(len(real)), -(-len(real) // BLOCK))
    found = [
        _discrepancy(real[p[0] : p[-1] + 1], fake[p[0] : p[-1] + 1]) for p in parts
    ]
    return float(np.average(found, weights=[len(part) for part in parts]))


def _discrepancy(x, y):
    x, y = np.float64(x), np.float64(y)
    count, dimensions = x.shape

    def of_others(a, b):
        kernel = (a @ b.T / dimensions + 1) ** 3
        return (kernel.sum() - np.trace(kernel)) / (count * (count - 1))

    return of_others(x, x) + of_others(y, y) - 2 * of_others(x, y)


def _moments(vectors):
    """Returns the mean (D,) and the covariance (D, D) of vectors (N, D)."""
    # Differences to the first block's mean, so that squares lose no digits.
    origin = np.float64(vectors[:BLOCK]).mean(axis=0)
    total, squares = np.zeros_like(origin), np.zeros((len(origin),) * 2)
    for block in blocks(vectors):
        block = block - origin
        total += block.sum(axis=0)
        squares += block.T @ block
    mean = total / len(vectors)
    covariance = (squares - len(vectors) * np.outer(mean, mean)) / (len(vectors) - 1)
    return origin + mean, covariance


def blocks(vectors):
    """Yields vectors (N, D) as float64 (up to 1000, D), in order."""
    for start in range(0, len(vectors), BLOCK):
        yield np.float64(vectors[start : start + BLOCK])
