"""U-IDS and P-IDS: whether a linear classifier tells completed from true pictures."""

import functools
import logging

import numpy as np

from inpainting_zoo.metrics.sets import blocks

log = logging.getLogger(__name__)
COST, STEPS = 1.0, 50  # of the SVM's errors; at most so many of Newton's method


def u_ids(real, fake) -> float:
    """Returns the share of pictures that a linear SVM takes for the other kind.

    Args:
        real: vectors (N, D) of true pictures.
        fake: vectors (N, D) of completed ones.

    Returns:
        Of [0, 0.5] by and large, and the more the better; near 0 where the sets can be
        separated, as any can, mostly, where N is under D.

    Reference:
        Zhao et al., Large scale image completion via co-modulated generative
        adversarial networks, ICLR 2021, Section 3.3.
    """
    of_real, of_fake = decisions(real, fake)
    return float(((of_real <= 0).mean() + (of_fake > 0).mean()) / 2)


def p_ids(real, fake) -> float:
    """Returns the share of completed pictures that look truer than the truth.

    Args:
        real: vectors (N, D) of true pictures.
        fake: vectors (N, D) of the same pictures, completed.

    Returns:
        Of [0, 1]; 0.5 where a linear SVM cannot tell which is which.
    """
    of_real, of_fake = decisions(real, fake)
    return float((of_fake > of_real).mean())


def decisions(real, fake) -> tuple:
    """Returns how true a linear SVM finds pictures (N,) that it has learned from.

    Over 0 are those that it takes for true.

    Args:
        real: vectors (N, D) of true pictures.
        fake: vectors (M, D) of completed ones.
    """
    weights = linear_svm(real, fake)
    return tuple(_values(vectors, weights) for vectors in (real, fake))


def linear_svm(real, fake):
    """Fits a linear support vector machine of squared hinge loss by Newton's method.

    It minimizes |w|^2 / 2 + sum max(0, 1 - y f(x))^2, y = 1 for true pictures and -1
    for completed ones, f(x) = w (x, 1): the intercept is one of the weights. This is
    smooth and piecewise quadratic, so that Newton's steps end at the minimum.

    Args:
        real: vectors (N, D).
        fake: vectors (M, D).

    Returns:
        The weights (D + 1,), the intercept last.

    Reference:
        Keerthi and DeCoste, A modified finite Newton method for fast solution of large
        scale linear SVMs, JMLR 6, 2005.
    """
    sides = ((1, real), (-1, fake))
    weights = np.zeros(real.shape[1] + 1)
    values = [_values(vectors, weights) for _, vectors in sides]
    for _ in range(STEPS):
        gradient, hessian = weights.copy(), np.eye(len(weights))
        for (sign, vectors), found in zip(sides, values):
            margins = 1 - sign * found
            for block, rest in zip(blocks(vectors), _pieces(margins)):
                block = _with_one(block[rest > 0])
                gradient -= 2 * COST * sign * rest[rest > 0] @ block
                hessian += 2 * COST * block.T @ block
        step = -np.linalg.solve(hessian, gradient)
        if np.abs(gradient).max() < 1e-7 * max(1, np.abs(weights).max()):
            break
        changes = [_values(vectors, step) for _, vectors in sides]
        objective = functools.partial(_objective, weights, step, values, changes)
        slope, now = gradient @ step, objective(0.0)
        length = 1.0
        while objective(length) > now + 1e-4 * length * slope and length > 1e-9:
            length /= 2
        weights = weights + length * step
        values = [v + length * change for v, change in zip(values, changes)]
    else:
        log.warning(
            "u_ids, p_ids: the linear SVM was not at its minimum after %d steps", STEPS
        )
    return weights


def _objective(weights, step, values, changes, length):
    (real, fake), (of_real, of_fake) = values, changes
    margins = 1 - real - length * of_real, 1 + fake + length * of_fake
    errors = sum((m.clip(0) ** 2).sum() for m in margins)
    return ((weights + length * step) ** 2).sum() / 2 + COST * errors


def _values(vectors, weights):
    """Returns w (x, 1) for each of the vectors (N, D)."""
    return np.concatenate([_with_one(block) @ weights for block in blocks(vectors)])


def _with_one(block):
    return np.c_[block, np.ones(len(block))]


def _pieces(values):
    """Yields numbers (N,) in the blocks of their vectors."""
    yield from (np.ravel(block) for block in blocks(values[:, None]))
