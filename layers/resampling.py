"""Resampling by a small filter, so that no frequency stands for another.

References: Zhang, Making Convolutional Networks Shift-Invariant Again, ICML 2019;
Karras et al., Analyzing and Improving the Image Quality of StyleGAN, CVPR 2020.
"""

import keras
import numpy as np
from keras import ops

from inpainting_zoo.engine.operations import convolve_channels

TAPS = np.outer((1, 3, 3, 1), (1, 3, 3, 1)).astype("float32") / 64  # sum to 1


def filtered(x, margins=(2, 1), gain: float = 1.0, stride: int = 1, taps=TAPS):
    """Returns the convolution of each channel of (B, H, W, C) with a filter.

    Args:
        x: features.
        margins: zeros before and after each axis.
        gain: factor of the filter.
        stride: of the positions that are kept.
        taps: of the filter, (h, w).
    """
    return convolve_channels(x, gain * taps[::-1, ::-1], margins, stride)


def upsample(x, taps=TAPS):
    """Returns features (B, 2 H, 2 W, C): zeros between pixels, filtered.

    Args:
        x: features (B, H, W, C).
        taps: of a filter of 4x4.
    """
    _, height, width, channels = x.shape
    # One axis after the other: LiteRT pads four at most.
    for shape in ((-1, height, 1, width * channels), (-1, width, 1, channels)):
        x = ops.pad(ops.reshape(x, shape), [(0, 0), (0, 0), (0, 1), (0, 0)])
    x = ops.reshape(x, (-1, 2 * height, 2 * width, channels))
    return filtered(x, (2, 1), 4, taps=taps)


@keras.saving.register_keras_serializable("inpainting")
class FilteredUpsampling2D(keras.layers.Layer):
    """Doubles height and width of (B, H, W, C) as `upsample` does."""

    def call(self, x):
        return upsample(x)

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        return (batch, 2 * height, 2 * width, channels)


def downsample(x, taps=TAPS):
    """Returns features (B, H // 2, W // 2, C): filtered, every second pixel kept.

    Args:
        x: features (B, H, W, C).
        taps: of a filter of 4x4.
    """
    return filtered(x, (1, 1), stride=2, taps=taps)


def convolve_down(x, kernel):
    """Returns the filtered features' convolution of stride 2: (B, H / 2, W / 2, D).

    Args:
        x: features (B, H, W, C); H and W are even.
        kernel: (1, 1, C, D) or (3, 3, C, D).
    """
    if kernel.shape[0] == 1:
        return ops.conv(downsample(x), kernel)
    return ops.conv(filtered(x, (2, 2)), kernel, 2, "valid")


def convolve_up(x, kernel):
    """Returns the filtered convolution of features between zeros: (B, 2 H, 2 W, D).

    The zeros are never multiplied: correlation with a kernel is the transposed
    convolution with the same kernel turned round.

    Args:
        x: features (B, H, W, C).
        kernel: (1, 1, C, D) or (3, 3, C, D).
    """
    if kernel.shape[0] == 1:
        return upsample(ops.conv(x, kernel))
    kernel = ops.transpose(ops.flip(kernel, (0, 1)), (0, 1, 3, 2))
    y = ops.conv_transpose(x, kernel, 2, "valid")  # (B, 2 H + 1, 2 W + 1, D)
    return filtered(y, (1, 1), 4)


def convolve(x, kernel):
    """Returns the convolution with zeros around: (B, H, W, D).

    Args:
        x: features (B, H, W, C).
        kernel: (k, k, C, D) of an odd k.
    """
    return ops.conv(x, kernel, padding="same")


CONVOLUTIONS = {None: convolve, "down": convolve_down, "up": convolve_up}
