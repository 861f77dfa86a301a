"""Squared error that weighs more where the prediction meets what is known."""

from keras import ops


def ring_weights(mask, ring: int, weight: float = 10.0):
    """Returns the weight of each pixel: high where it is known or nearly so, else 1.

    A network that predicts known pixels as well is held to them by a ring of 0; one
    that predicts the hole alone is held to what continues it by a ring within the hole.

    Args:
        mask: (B, H, W, 1), 1 in the hole.
        ring: pixels from the known ones, also diagonally, that weigh more as well.
        weight: of known pixels and the ring.

    Returns:
        (B, H, W, 1).

    Reference: Pathak et al., Context Encoders: Feature Learning by Inpainting, CVPR
    2016, section 3.2.
    """
    near = 1 - mask
    if ring:
        near = ops.max_pool(near, 2 * ring + 1, 1, "same")
    return 1 + (weight - 1) * near


def weighted_squared_error(target, prediction, weight):
    """Returns the mean of weight * (prediction - target)^2 over all pixels.

    The mean divides by the number of pixels, not by the sum of the weights: a ring
    does not make the rest count less.

    Args:
        target, prediction: images (B, H, W, 3).
        weight: (B, H, W, 1).
    """
    return ops.mean(weight * ops.square(prediction - target))
