"""Bias and activation, after which the variance is again what it was before."""

import math

from keras import ops

from inpainting_zoo.errors import choose


def leaky_relu(x):
    """Returns the leaky ReLU of slope 0.2 times sqrt(2)."""
    return ops.leaky_relu(x, 0.2) * math.sqrt(2)


def biased(x, bias=None, activation: str = "linear", gain: float = 1.0):
    """Returns gain * activation(x + bias).

    Args:
        x: features (..., C).
        bias: (C,); None for none.
        activation: name in `ACTIVATIONS`.
        gain: of the result.

    Reference: Karras et al., Analyzing and Improving the Image Quality of StyleGAN,
    CVPR 2020.
    """
    x = x if bias is None else x + ops.cast(bias, x.dtype)
    x = choose("activation", activation, ACTIVATIONS)(x)
    return x if gain == 1 else x * gain


ACTIVATIONS = {"linear": lambda x: x, "lrelu": leaky_relu}
