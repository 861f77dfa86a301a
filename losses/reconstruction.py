"""Confidence-weighted reconstruction in the hole, plain L1 outside it."""

import numpy as np
from keras import ops
from scipy.stats import norm

from inpainting_zoo.errors import choose
from inpainting_zoo.layers.reflection import reflected


def confidence_mask(
    mask,
    kernel: str = "gaussian",
    size: int | None = None,
    scale: float | None = None,
    iterations: int = 7,
    padding: str = "reflect",
):
    """Returns the weight M_w of each hole pixel, which falls away from known pixels.

    Confidence starts as 1 on known pixels, and each iteration blurs it into the hole:
    M_w <- (g * (1 - M + M_w)) . M (Equation 4 of the paper). It is 0 outside the hole.

    Args:
        mask: (B, H, W, 1), 1 in the hole.
        kernel: name in `KERNELS`; with "none" each hole pixel weighs 1.
        size: pixels of the kernel's side; by default a quarter of the image's width,
            made odd, which is 65 at 256 pixels.
        scale: spread of the kernel in pixels; by default 40 at 256 pixels, in
            proportion at other widths. The flat kernel has none.
        iterations: how often confidence is propagated.
        padding: "reflect" or "zeros" beyond the image.
    """
    make_taps = choose("confidence_kernel", kernel, KERNELS)
    if make_taps is None:
        return mask
    side = mask.shape[2]
    size = size or 2 * (side // 8) + 1
    taps = make_taps(size, scale or 40 * side / 256)
    known = 1 - mask
    confidence = ops.zeros_like(mask)
    for _ in range(iterations):
        blurred = _blur(known + confidence, taps, padding)
        confidence = blurred * mask
    return confidence


def _blur(x, taps, padding):
    """Convolves (B, H, W, 1) with the outer product of `taps` with itself."""
    size = len(taps)
    before, after = (size - 1) // 2, size // 2
    if padding == "reflect":
        rows = reflected(x.shape[1], before, after)
        columns = reflected(x.shape[2], before, after)
        x = ops.take(ops.take(x, rows, axis=1), columns, axis=2)
    else:
        x = ops.pad(x, ((0, 0), (before, after), (before, after), (0, 0)))
    taps = ops.cast(taps, x.dtype)
    x = ops.conv(x, ops.reshape(taps, (size, 1, 1, 1)))
    return ops.conv(x, ops.reshape(taps, (1, size, 1, 1)))


def reconstruction_loss(target, completed, weight, mask):
    """Returns the weighted L1 distance per hole pixel and channel (Equation 5).

    The official PyTorch code divides by the hole's share in the same way; with one mask
    per sample each hole pixel of the batch counts the same. Without a hole it is 0.

    Args:
        target, completed: images (B, H, W, 3).
        weight: confidence (B, H, W, 1).
        mask: (B, H, W, 1), 1 in the hole.
    """
    return _mean_where(mask, absolute(completed - target) * weight)


def known_loss(target, prediction, mask):
    """Returns the L1 distance per known pixel and channel; 0 without known pixels."""
    return _mean_where(1 - mask, absolute(prediction - target))


def weighted_absolute_error(target, prediction, weight):
    """Returns the mean of weight * |prediction - target| over all pixels.

    Args:
        target, prediction: images (B, H, W, 3).
        weight: (B, H, W, 1).
    """
    return ops.mean(weight * absolute(prediction - target))


def _mean_where(region, x):
    """Mean of x over the pixels where `region` (B, H, W, 1) is 1, and all channels."""
    pixels = ops.maximum(ops.sum(region), 1)
    return ops.sum(x * region) / (pixels * x.shape[-1])


def absolute(x):
    """|x|, of derivative 0 at 0 on every engine; JAX's own has 1 there."""
    return x * ops.stop_gradient(ops.sign(x))


def gaussian(size: int, scale: float):
    """Samples a normal density of standard deviation `scale` pixels; sums to 1."""
    return _normalized(norm.pdf(_offsets(size), scale=scale))


def laplacian(size: int, scale: float):
    """Samples exp(-|x| / scale), as report-era forks do; sums to 1."""
    return _normalized(np.exp(-np.abs(_offsets(size)) / scale))


def flat(size: int, scale: float | None = None):
    """The kernel that the official code computes for its sigma of 1/40; sums to 1.

    Differences of the normal distribution over a grid a few hundredths wide, so nearly
    a box: the largest tap is 1.0003 times the smallest.
    """
    sigma = 1 / 40
    interval = (2 * sigma + 1) / size
    edges = np.linspace(-sigma - interval / 2, sigma + interval / 2, size + 1)
    return _normalized(np.sqrt(np.diff(norm.cdf(edges))))


def _offsets(size):
    return np.arange(size) - (size - 1) / 2


def _normalized(taps):
    return (taps / taps.sum()).astype("float32")


KERNELS = {"gaussian": gaussian, "flat": flat, "laplacian": laplacian, "none": None}
