"""Two-dimensional transforms of real images, channels last, without complex numbers."""

import contextlib
import contextvars

import numpy as np
from keras import ops

from inpainting_zoo.engine import operations
from inpainting_zoo.engine.backend import accelerators

# Sides up to which products with matrices are faster than fast transforms, on CPUs. On
# accelerators TensorFlow's products have fewer digits than its transforms.
PRODUCTS_UP_TO = {"tensorflow": 64, "jax": 0}
_only_products = contextvars.ContextVar("only_products", default=False)


@contextlib.contextmanager
def only_products():
    """Within it every transform is made of products: for files that know no other."""
    token = _only_products.set(True)
    try:
        yield
    finally:
        _only_products.reset(token)


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
    frequencies = ops.arange(half)
    inner = (frequencies > 0) & (2 * frequencies != width)
    twice = ops.repeat(1 + ops.cast(inner, "float32"), 2)
    rows = ops.transpose(_rows(width)) * twice
    x = ops.reshape(spectrum, (batch, height, 2 * half, channels))
    x = ops.reshape(ops.matmul(rows, x), (batch, 2 * height, width * channels))
    x = ops.matmul(ops.transpose(_columns(height)), x)
    return ops.reshape(x, (batch, height, width, channels))


def _columns(size):
    """Returns (2 H, H): real and imaginary part of every frequency of a column."""
    of = _library(size)
    return of.reshape(of.stack(_fourier(size), 1), (2 * size, size))


def _rows(size):
    """Returns (2 (W // 2 + 1), 2 W): the same of rows of complex numbers."""
    of, half = _library(size), size // 2 + 1
    real, imaginary = (part[:half] for part in _fourier(size))
    parts = [(real, -imaginary), (imaginary, real)]
    parts = of.stack([of.concatenate(part, 1) for part in parts], 1)
    return of.reshape(parts, (2 * half, 2 * size))


def _fourier(size):
    """Returns the parts of exp(-2 pi i k n / size) / size^0.5, each (k, n)."""
    of = _library(size)
    positions = of.arange(size)
    # Without whole turns, beside which float32 would hold little of the rest.
    turns = of.divide(of.mod(of.outer(positions, positions), size), size)
    angles = 2 * np.pi * turns
    root = of.sqrt(size)
    return [
        of.array(x, "float32") for x in (of.cos(angles) / root, -of.sin(angles) / root)
    ]


def _library(size):
    """Returns what makes a matrix: NumPy, unless only the graph will know its size."""
    return np if isinstance(size, int) else ops


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
    most = 0 if accelerators() else PRODUCTS_UP_TO[operations.BACKEND]
    known = None not in (height, width)
    by_products = _only_products.get() or (known and max(height, width) <= most)
    return TRANSFORMS["products" if by_products else "fft"]


TRANSFORMS = {
    "products": (rfft2_by_products, irfft2_by_products),
    "fft": (rfft2_by_fft, irfft2_by_fft),
}
