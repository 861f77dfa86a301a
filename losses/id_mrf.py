"""Implicit diversified Markov random field: every real patch should be matched.

Reference: Wang et al., Image Inpainting via Generative Multi-column Convolutional
Neural Networks, NeurIPS 2018, section 3.2; after the contextual loss of Mechrez et al.,
ECCV 2018.
"""

import dataclasses

import keras
import numpy as np
from keras import ops

from inpainting_zoo.engine.operations import fold
from inpainting_zoo.errors import choose

MAX_POSITIONS = 65 * 65
MAX_CHUNK = 2**21  # similarities held at once, batch included; 8 MB in float32


@dataclasses.dataclass(frozen=True)
class Formula:
    """What differs between this formula and the two official programs.

    Args:
        centre_axes: axes of (B, H, W, C) over which the filters' mean is taken.
        filters: which features act as filters, "target" or "generated".
        reduction: over the batch, "mean" or "sum".
    """

    centre_axes: tuple
    filters: str = "target"
    reduction: str = "mean"


def id_mrf_loss(generated, target, formula: str = "paper", seed=None):
    """Returns -log of how well the best matches cover the target's patches.

    Patches are single positions of a feature map. With T the filters and I the searched
    features, centred and normalized: d = (1 - cos(T_p, I_q)) / 2, relative to its least
    value over p, w = exp((1 - d) / 0.5), normalized over p (Equations 1 and 2); the
    loss is -log mean_p max_q (Equation 3). Only a chunk of the similarities is held at
    once.

    Args:
        generated, target: features (B, H, W, C) of static shape.
        formula: name in `FORMULAS`.
        seed: a `SeedGenerator`; draws the positions where there are more than 65 * 65.
    """
    formula = choose("id_mrf_formula", formula, FORMULAS)
    filters, searched = target, generated
    if formula.filters == "generated":
        filters, searched = generated, target
    centre = ops.mean(filters, axis=formula.centre_axes, keepdims=True)
    filters, searched = _unit(filters - centre), _unit(searched - centre)
    positions = filters.shape[1]
    if positions > MAX_POSITIONS:
        chosen = keras.random.shuffle(ops.arange(positions), seed=seed)[:MAX_POSITIONS]
        filters = ops.take(filters, chosen, axis=1)
        searched = ops.take(searched, chosen, axis=1)
        positions = MAX_POSITIONS
    coverage = _coverage(filters, searched)
    loss = -ops.log(ops.mean(coverage, axis=1))
    return ops.sum(loss) if formula.reduction == "sum" else ops.mean(loss)


def _unit(features):
    """Flattens to (B, P, C) and scales each position to length 1; dead ones stay 0."""
    _, height, width, channels = features.shape
    features = ops.reshape(features, (-1, height * width, channels))
    square = ops.sum(ops.square(features), axis=-1, keepdims=True)
    return features * ops.rsqrt(ops.maximum(square, 1e-12))


def _coverage(filters, searched):
    """Returns max_q of the normalized similarities: (B, P, C), (B, Q, C) -> (B, P).

    A loop, for an engine may compute unrolled chunks, or their gradients, all at once.
    """
    batch, positions, channels = searched.shape
    step = max(1, MAX_CHUNK // (batch * filters.shape[1]))
    if step >= positions:
        return _best_match(filters, searched)
    # The last chunk is filled up by repetition, which no maximum notices.
    order = np.minimum(np.arange(-(-positions // step) * step), positions - 1)
    chunks = ops.take(ops.swapaxes(searched, 0, 1), order, axis=0)
    chunks = ops.reshape(chunks, (-1, step, batch, channels))
    match = keras.remat(_best_match)

    def widen(coverage, chunk):
        best = match(filters, ops.swapaxes(chunk, 0, 1))
        return ops.maximum(coverage, best)

    return fold(widen, ops.zeros(filters.shape[:2]), chunks)


def _best_match(filters, searched):
    """Returns max_q of the normalized similarities: (B, P, C), (B, Q, C) -> (B, P)."""
    cosine = ops.matmul(filters, ops.swapaxes(searched, 1, 2))  # (B, P, Q)
    distance = ops.maximum((1 - cosine) / 2, 0)
    relative = distance / (ops.min(distance, axis=1, keepdims=True) + 1e-5)
    similarity = ops.exp((1 - relative) / 0.5)
    similarity = similarity / ops.sum(similarity, axis=1, keepdims=True)
    return ops.max(similarity, axis=2)


FORMULAS = {
    "paper": Formula(centre_axes=(1, 2)),
    "pytorch": Formula(centre_axes=(3,), reduction="sum"),
    "tf1": Formula(centre_axes=(0, 1, 2), filters="generated"),
}
