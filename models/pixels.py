"""Ranges of pixels, and what happens where a prediction meets a picture."""

import math
import numbers

import cv2
import numpy as np

from inpainting_zoo.errors import InputError


def as_floats(image, mask):
    """Turns uint8 images into [-1, 1] and masks of 0 and 1 into floats."""
    from keras import ops  # so that the rest takes no engine

    return ops.cast(image, "float32") / 127.5 - 1, ops.cast(mask, "float32")


def as_colours(image):
    """Turns images in [-1, 1] into colours in [0, 1]."""
    return (image + 1) / 2


def to_uint8(image):
    """Rounds images in [-1, 1] to 0..255."""
    return np.clip(np.rint((np.asarray(image) + 1) * 127.5), 0, 255).astype("uint8")


def paste(prediction, image, mask):
    """Returns the prediction in the hole and the image elsewhere."""
    return prediction * mask + image * (1 - mask)


def dilate(hole, pixels: float, feathering: float = 0):
    """Widens a hole by a distance in pixels, diagonally as well.

    Args:
        hole: (H, W), nonzero in the hole.
        pixels: at least 0.
        feathering: that `blend` will be asked for.

    Returns:
        uint8 (H, W), 1 in the hole.

    Raises:
        InputError: if the distance is negative, or the feathering not within it.
    """
    if not isinstance(pixels, numbers.Real) or not 0 <= pixels < math.inf:
        raise InputError(f"mask_dilation: at least 0 pixels, received {pixels!r}")
    if not 0 <= feathering <= pixels:
        raise InputError(
            f"feathering: 0 to mask_dilation ({pixels}), within which known pixels may "
            f"change, received {feathering}"
        )
    hole = (np.asarray(hole) != 0).astype(np.uint8)
    if not pixels or not hole.any():
        return hole
    distance = cv2.distanceTransform(1 - hole, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return (distance <= pixels).astype(np.uint8)


def blend(prediction, image, hole, dilated, feathering: float = 0):
    """Puts a prediction into a dilated hole, faded in within the ring around the hole.

    In the hole itself the prediction stands alone; outside of the dilated hole the
    image comes back bit for bit. In the ring, at a distance d from the known pixels,
    the prediction has the weight d / (feathering + 1), at most 1.

    Args:
        prediction, image: uint8 (H, W, 3).
        hole: (H, W), nonzero in the hole.
        dilated: what `dilate` made of it.
        feathering: pixels over which the prediction fades in; no more than the hole was
            dilated by.
    """
    completed = np.where(dilated[..., None] != 0, prediction, image)
    if feathering:
        ring = (dilated != 0) & (np.asarray(hole) == 0)
        distance = cv2.distanceTransform(dilated, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        weight = np.minimum(distance[ring] / (feathering + 1), 1)[:, None]
        outside = image[ring].astype("float32")
        completed[ring] = np.rint(outside + weight * (prediction[ring] - outside))
    return completed
