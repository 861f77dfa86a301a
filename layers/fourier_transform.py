"""Two-dimensional transforms of real images, channels last, without complex numbers."""

import functools

import numpy as np
from keras import ops

from inpainting_zoo.engine import operations

# Sides up to which products with matrices are faster than fast transforms, on CPUs.
PRODUCTS_UP_TO = {"tensorflow": 32, "jax": 0}


def rfft2(x):
    """Returns the spectrum of real images, divided by the root of H W.

    Args:
        x: float32 (B, H, W, C).

    Returns:
        (B, H, W // 2 + 1, 2 C): the real parts of all channels, then the imaginary.
    """
    forward, _ = transforms(*x.shape[1:3])
    return forward(x)


def irfft2(spectrum, width):
    """Returns the real images (B, H, W, C) of a spectrum as `rfft2` returns it.

    What the spectrum of a real image cannot hold is ignored: imaginary parts of the
    first column, and of the last if W is even, once the columns are transformed.

    Args:
        spectrum: float32 (B, H, W // 2 + 1, 2 C).
        width: W, a number or a tensor; the spectrum does not tell whether it is odd.
    """
    known = width if isinstance(width, int) else None
    _, backward = transforms(spectrum.shape[1], known)
    return backward(spectrum, width)


def rfft2_by_products(x):
    """See `rfft2`; two products, between which nothing has to be moved."""
    batch, height, width, channels = ops.shape(x)
    columns, rows = _columns(height), _rows(width)
    x = ops.matmul(columns, ops.reshape(x, (batch, height, width * channels)))
    # (B, 2 H, W C) is (B, H, 2 W, C): the real parts of a row, then the imaginary.
    x = ops.matmul(rows, ops.reshape(x, (batch, height, 2 * width, channels)))
    return ops.reshape(x, (batch, height, width // 2 + 1, 2 * channels))


def irfft2_by_products(spectrum, width):
    """See `irfft2`; the transposed matrices, in reverse order."""
    batch, height, half, channels = ops.shape(spectrum)
    channels = channels // 2
    # Frequencies between the first and W / 2 stand for their negatives as well.
    twice = 1.0 + ((np.arange(half) > 0) & (2 * np.arange(half) != width))
    rows = (_rows(width) * np.repeat(twice, 2)[:, None]).T.astype("float32")
    x = ops.reshape(spectrum, (batch, height, 2 * half, channels))
    x = ops.reshape(ops.matmul(rows, x), (batch, 2 * height, width * channels))
    x = ops.matmul(_columns(height).T, x)
    return ops.reshape(x, (batch, height, width, channels))


@functools.cache
def _columns(size):
    """Returns (2 H, H): real and imaginary part of every frequency of a column."""
    matrix = _fourier(size)
    return np.stack([matrix.real, matrix.imag], 1).reshape(2 * size, size)


@functools.cache
def _rows(size):
    """Returns (2 (W // 2 + 1), 2 W): the same of rows of complex numbers."""
    matrix = _fourier(size)[: size // 2 + 1]
    real = np.concatenate([matrix.real, -matrix.imag], 1)
    imaginary = np.concatenate([matrix.imag, matrix.real], 1)
    return np.stack([real, imaginary], 1).reshape(-1, 2 * size)


def _fourier(size):
    """Returns exp(-2 pi i k n / size) / size^0.5 of frequencies k and positions n."""
    turns = np.outer(np.arange(size), np.arange(size)) / size
    return (np.exp(-2j * np.pi * turns) / size**0.5).astype("complex64")


def rfft2_by_fft(x):
    """See `rfft2`; the engine's fast transform."""
    return ops.concatenate(operations.rfft2(x), -1) / _root(ops.shape(x))


def irfft2_by_fft(spectrum, width):
    """See `irfft2`; the engine's fast transform."""
    real, imaginary = ops.split(spectrum, 2, axis=-1)
    x = operations.irfft2(real, imaginary, width)
    return x * _root(ops.shape(x))


def _root(shape):
    """Returns the root of H W, which the engine's transforms leave out."""
    return ops.sqrt(ops.cast(shape[1] * shape[2], "float32"))


def transforms(height: int | None, width: int | None):
    """Chooses (forward, backward) for images of a size, None where it is not known."""
    most = PRODUCTS_UP_TO[operations.BACKEND]
    by_products = None not in (height, width) and max(height, width) <= most
    return TRANSFORMS["products" if by_products else "fft"]


TRANSFORMS = {
    "products": (rfft2_by_products, irfft2_by_products),
    "fft": (rfft2_by_fft, irfft2_by_fft),
}
