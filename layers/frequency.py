"""Convolution by multiplying frequencies, for large kernels that are constants.

The product of two frequencies replaces the products of a pixel with every tap of the
kernel. Images are cut into overlapping tiles ("overlap-save"), so small that their
Fourier transforms are matrix products, as is everything else.

Reference: Mathieu et al., Fast Training of Convolutional Networks through FFTs, 2014.
"""

import dataclasses
import functools
import math

import numpy as np
from keras import ops

from inpainting_zoo.engine.operations import outside

TILES = (4, 8)  # results that a tile may give, down and across


@dataclasses.dataclass(frozen=True)
class Axis:
    """Tiles along an axis of an image, for a "valid" convolution of stride 1.

    Args:
        side: of the image, in pixels.
        taps: of the kernel.
        rate: of dilation; a tile holds one of so many pixels.
        tile: results that a tile gives.
    """

    side: int
    taps: int
    rate: int
    tile: int

    @property
    def results(self):
        return self.side - self.rate * (self.taps - 1)

    @property
    def size(self):
        """Pixels that a tile holds."""
        return self.tile + self.taps - 1

    @property
    def tiles(self):
        return self.rate * math.ceil(self.results / (self.rate * self.tile))

    def pixels(self):
        """Returns where (size, tiles) are in the image."""
        block, phase = np.divmod(np.arange(self.tiles), self.rate)
        begin = block * self.rate * self.tile + phase
        pixels = begin + self.rate * np.arange(self.size)[:, None]
        return np.minimum(pixels, self.side - 1)  # beyond it no result is used

    def places(self):
        """Returns which result of which tile each result is: two arrays."""
        block, rest = np.divmod(np.arange(self.results), self.rate * self.tile)
        result, phase = np.divmod(rest, self.rate)
        return result, block * self.rate + phase


def plan(shape: tuple, kernel_shape: tuple, dilation: tuple) -> tuple | None:
    """Returns the best tiles, down and across; None if they take about as long.

    Args:
        shape: of the images, (B, H, W, C), where None is not known.
        kernel_shape: (h, w, C, filters).
        dilation: pixels from one tap of the kernel to the next, down and across.
    """
    if None in shape[1:3]:
        return None
    *taps, channels, filters = kernel_shape
    plans = [
        [Axis(*axis, tile) for axis in zip(shape[1:3], taps, dilation)]
        for tile in TILES
    ]

    def multiplications(axes):
        numbers = math.prod(axis.size for axis in axes)  # two a frequency
        results = math.prod(axis.tile for axis in axes)
        transforms = numbers * (numbers * channels + results * filters)
        each = transforms + 2 * numbers * channels * filters
        return each * math.prod(axis.tiles for axis in axes)

    best = min(plans, key=multiplications)
    direct = math.prod(axis.results for axis in best) * math.prod(kernel_shape)
    return best if 2 * multiplications(best) < direct else None


def convolve(x, kernel, axes: tuple):
    """Returns images (B, H, W, C) convolved with a constant kernel, "valid".

    Args:
        x: images; H and W are static.
        kernel: NumPy array (h, w, C, filters).
        axes: what `plan` returned.
    """
    *taps, channels, filters = kernel.shape
    rows, columns = axes
    batch, tiles = ops.shape(x)[0], rows.tiles * columns.tiles
    waves, weights = _waves(rows.size, columns.size)
    spectrum = np.tensordot(waves[:, : taps[0], : taps[1]].conj(), kernel, 2)
    inverse = waves[:, : rows.tile, : columns.tile].conj() * weights

    x = ops.reshape(x, (batch, rows.side * columns.side, channels))
    down, across = rows.pixels()[:, None, :, None], columns.pixels()[:, None]
    x = ops.take(x, np.ravel(down * columns.side + across), axis=1)
    # From (pixels of a tile, tiles) to (frequencies, tiles), real and imaginary.
    x = ops.reshape(x, (batch, rows.size * columns.size, tiles * channels))
    parts = [
        ops.reshape(ops.matmul(part, x), (batch, len(waves), tiles, channels))
        for part in _parts(waves.reshape(len(waves), -1))
    ]
    (a, b), (c, d) = parts, _parts(spectrum)
    products = [a @ c - b @ d, a @ d + b @ c]  # (a + bi)(c + di)
    # And to (results of a tile, tiles).
    real, imaginary = (
        ops.matmul(part, ops.reshape(y, (batch, len(waves), tiles * filters)))
        for part, y in zip(_parts(inverse.reshape(len(waves), -1).T), products)
    )
    x = ops.reshape(real - imaginary, (batch, -1, filters))
    (i, down), (j, across) = rows.places(), columns.places()
    places = (i * columns.tile)[:, None] + j, (down * columns.tiles)[:, None] + across
    x = ops.take(x, np.ravel(places[0] * tiles + places[1]), axis=1)
    return ops.reshape(x, (batch, rows.results, columns.results, filters))


def _parts(x):
    """Returns the real and the imaginary part as tensors."""
    return [outside(part.astype("float32")) for part in (x.real, x.imag)]


@functools.cache
def _waves(height, width):
    """Returns waves (frequencies, height, width), one of each two that are conjugates.

    Also their weights in the sum that gives the pixels back.
    """
    shape, count = (height, width), height * width
    waves = np.fft.fft2(np.eye(count).reshape(count, *shape)).reshape(-1, *shape)
    frequencies = np.arange(count)
    negative = frequencies.reshape(shape)[::-1, ::-1]
    conjugate = np.ravel(np.roll(negative, 1, axis=(0, 1)))
    kept = frequencies <= conjugate
    weights = np.where(frequencies == conjugate, 1, 2)[kept] / count
    return waves[kept], weights[:, None, None]
