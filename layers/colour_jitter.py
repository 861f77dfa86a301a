"""Other colours for a picture."""

import math

import keras
import numpy as np
from keras import ops

# Luma and the two axes of colour of YIQ, by which hues turn.
TO_YIQ = np.array(
    [[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]], "float32"
)
FROM_YIQ = np.linalg.inv(TO_YIQ)


def jitter_colours(colours, strength: float, seed):
    """Changes brightness, contrast, saturation and hue of each picture at random.

    Args:
        colours: (B, H, W, 3) in [0, 1].
        strength: from 0, nothing, to 1: brightness, contrast and saturation are
            multiplied by 1 - strength to 1 + strength, hues turn by up to a quarter of
            the strength of a full turn.
        seed: a `keras.random.SeedGenerator`.

    Returns:
        (B, H, W, 3) in [0, 1].
    """
    shape = (ops.shape(colours)[0], 4)
    drawn = strength * keras.random.uniform(shape, -1, 1, seed=seed)
    return change_colours(colours, *ops.split(drawn[:, None, None], 4, axis=-1))


def change_colours(colours, brightness, contrast, saturation, hue):
    """Multiplies each of the first three by one more than given, and turns hues.

    Args:
        colours: (B, H, W, 3) in [0, 1].
        brightness, contrast, saturation: (B, 1, 1, 1); 0 changes nothing, -1 takes all.
        hue: (B, 1, 1, 1), of a quarter turn.

    Returns:
        (B, H, W, 3) in [0, 1].
    """
    x = ops.clip(colours * (1 + brightness), 0, 1)
    luma = ops.sum(x * TO_YIQ[0], axis=-1, keepdims=True)
    mean = ops.mean(luma, axis=(1, 2), keepdims=True)
    x = ops.clip(mean + (1 + contrast) * (x - mean), 0, 1)
    y, i, q = ops.split(ops.matmul(x, TO_YIQ.T), 3, axis=-1)
    angle = hue * (math.pi / 2)
    cos, sin = (1 + saturation) * ops.cos(angle), (1 + saturation) * ops.sin(angle)
    turned = ops.concatenate([y, cos * i - sin * q, sin * i + cos * q], axis=-1)
    return ops.clip(ops.matmul(turned, FROM_YIQ.T), 0, 1)
