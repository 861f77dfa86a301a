"""Distances of images in their edges."""

import numpy as np
from keras import ops

from inpainting_zoo.losses.mean_squared_error import mean_squared_error

BINOMIAL = np.float32([0.05, 0.25, 0.4, 0.25, 0.05])
SOBEL = np.float32([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 8


def laplacian_edge_loss(generated, target):
    """Returns the mean squared difference of two images' Laplacian residuals.

    Args:
        generated, target: (B, H, W, C).

    Reference: Yan et al., HVI: A New Color Space for Low-light Image Enhancement, CVPR
    2025 (the edge loss of CIDNet).
    """
    return mean_squared_error(laplacian_residual(generated), laplacian_residual(target))


def laplacian_residual(x):
    """Returns what is lost when (B, H, W, C) is halved and enlarged again.

    Halving keeps every second pixel of the blurred image; enlarging puts four times
    their value on a grid of zeros and blurs that.
    """
    height, width = ops.shape(x)[1:3]
    rows, columns = (ops.arange(n) % 2 == 0 for n in (height, width))
    kept = ops.reshape(rows, (-1, 1, 1)) & ops.reshape(columns, (1, -1, 1))
    return x - _blur(_blur(x) * (4 * ops.cast(kept, x.dtype)))


def sobel_edge_loss(generated, target):
    """Returns the mean absolute difference of the lengths of two images' gradients.

    Args:
        generated, target: (B, H, W, C).
    """
    return ops.mean(ops.abs(_steepness(generated) - _steepness(target)))


def _steepness(x):
    across, down = _filtered(x, SOBEL), _filtered(x, SOBEL.T)
    # The square root has no gradient at 0.
    return ops.sqrt(ops.square(across) + ops.square(down) + 1e-6)


def _blur(x):
    return _filtered(x, np.outer(BINOMIAL, BINOMIAL))


def _filtered(x, kernel):
    """Correlates each channel of (B, H, W, C) with a kernel; the border is repeated."""
    channels, margin = x.shape[-1], kernel.shape[0] // 2
    for axis in (1, 2):
        size = ops.shape(x)[axis]
        shown = ops.clip(ops.arange(-margin, size + margin), 0, size - 1)
        x = ops.take(x, shown, axis=axis)
    kernel = np.tile(kernel[:, :, None, None], (1, 1, channels, 1))
    return ops.depthwise_conv(x, ops.cast(kernel, x.dtype))
