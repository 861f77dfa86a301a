"""Reflection that may be wider than the image: positions follow a triangle wave."""

from keras import ops

from inpainting_zoo.engine.operations import split
from inpainting_zoo.layers.reflection import reflected


def pad_to_multiple(x, multiple: int, least: int = 1, padding: str = "reflect"):
    """Pads images (B, H, W, C) below and to the right to a multiple of pixels.

    Args:
        x: images.
        multiple: of heights and widths.
        least: height and width, in pixels.
        padding: "reflect", or "symmetric", which repeats the edge.
    """
    edge = int(padding == "symmetric")
    for axis in (1, 2):
        size = ops.shape(x)[axis]
        larger = max if isinstance(size, int) else ops.maximum
        wanted = larger(size, least) if least > 1 else size
        missing = (wanted + multiple - 1) // multiple * multiple - size
        if not (isinstance(size, int) and missing == 0):
            x = ops.take(x, reflected(size, 0, missing, edge), axis=axis)
    return x


def repeat_and_reflect(x, factor: int, padding: int):
    """Repeats the pixels of (B, H, W, C) and pads them, with a gradient in slices.

    The engines' own (of a mirrored pad or of a gather) take as long as the convolutions
    between them. One gather for both axes would be a little faster, but a file that is
    exported would hold an index of every pixel.
    """
    batch, height, width, channels = ops.shape(x)
    sizes = {1: height * factor, 2: width * factor}

    @ops.custom_gradient
    def pad(x):
        def gradient(*arguments, upstream=None):
            dx = arguments[0] if upstream is None else upstream
            for axis, size in sizes.items():
                dx = _reflect_gradient(dx, padding, axis, size)
            if factor == 1:
                return dx
            repeated = (batch, height, factor, width, factor, channels)
            return ops.sum(ops.reshape(dx, repeated), axis=(2, 4))

        for axis, size in sizes.items():
            indices = reflected(size, padding, padding) // factor
            x = ops.take(x, indices, axis=axis)
        return x, gradient

    return pad(x)


def _reflect_gradient(dy, padding, axis, size):
    """Adds each padded pixel to the one that it repeats."""
    if not isinstance(size, int) or size <= padding:
        matrix = ops.one_hot(reflected(size, padding, padding), size, dtype=dy.dtype)
        dy = ops.moveaxis(dy, axis, -1)
        return ops.moveaxis(ops.matmul(dy, matrix), -1, axis)

    p = padding
    if size < 2 * p + 2:  # both edges repeat some of the same pixels
        before, inner, after = split(dy, [p, size, p], axis)

        def shift(x, start):
            margins = [(0, 0)] * 4
            margins[axis] = (start, size - p - start)
            return ops.pad(x, margins)

        before, after = ops.flip(before, axis), ops.flip(after, axis)
        return inner + shift(before, 1) + shift(after, size - p - 1)
    # Neither edge repeats the first and the last pixel, nor what lies between.
    sizes = [p, 1, p, size - 2 * p - 2, p, 1, p]
    before, first, left, middle, right, last, after = split(dy, sizes, axis)
    left, right = left + ops.flip(before, axis), right + ops.flip(after, axis)
    return ops.concatenate([first, left, middle, right, last], axis)
