"""Reflection padding that may be wider than the image."""

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable("inpainting")
class ReflectionPadding2D(keras.layers.Layer):
    """Pads by reflection without repeating the edge, at any image size.

    Where the padding is wider than the image the reflection is reflected again, so
    positions follow a triangle wave; an axis of one pixel repeats it.

    Args:
        padding: pixels added on each of the four sides.
        factor: how many times higher and wider the image becomes before that, by
            repeating pixels in the same gathers.
    """

    def __init__(self, padding: int, factor: int = 1, **kwargs):
        super().__init__(**kwargs)
        self.padding, self.factor = padding, factor

    def call(self, x):
        return _reflect(x, self.padding, self.factor)

    def compute_output_shape(self, input_shape):
        return upsampled_and_padded(input_shape, self.factor, self.padding)

    def get_config(self):
        own = {"padding": self.padding, "factor": self.factor}
        return {**super().get_config(), **own}


def upsampled_and_padded(shape: tuple, factor: int, padding: int) -> tuple:
    """Returns the shape of images (B, H, W, C) after both; None stays None."""
    batch, *sides, channels = shape
    sides = [side and side * factor + 2 * padding for side in sides]
    return (batch, *sides, channels)


def pad_to_multiple(x, multiple: int):
    """Reflects images (B, H, W, C) below and to the right to a multiple of pixels."""
    for axis in (1, 2):
        size = ops.shape(x)[axis]
        missing = (size + multiple - 1) // multiple * multiple - size
        if not (isinstance(size, int) and missing == 0):
            x = ops.take(x, reflected(size, 0, missing), axis=axis)
    return x


def _reflect(x, padding, factor):
    """Repeats pixels and pads; the gradient adds up by two matrix products.

    The engines' own (of a mirrored pad or of a gather) take as long as the convolutions
    between them. One gather for both axes would be a little faster, but a file that is
    exported would hold an index of every pixel.
    """
    batch, height, width, channels = ops.shape(x)
    down, across = (
        reflected(size * factor, padding, padding) // factor for size in (height, width)
    )

    @ops.custom_gradient
    def pad(x):
        def gradient(*arguments, upstream=None):
            dy = arguments[0] if upstream is None else upstream
            dy = ops.matmul(_shows(width, across, dy.dtype), dy)
            dy = ops.reshape(dy, (batch, -1, width * channels))
            dx = ops.matmul(_shows(height, down, dy.dtype), dy)
            return ops.reshape(dx, (batch, height, width, channels))

        return ops.take(ops.take(x, down, axis=1), across, axis=2), gradient

    return pad(x)


def _shows(size, indices, dtype):
    """Returns a matrix of which pixel is shown where: 1, and 0 elsewhere."""
    xp = np if isinstance(size, int) else ops
    return ops.cast(xp.arange(size)[:, None] == indices, dtype)


def reflected(size, before: int, after: int):
    """Returns the indices of the pixels that an axis shows when padded by reflection.

    Args:
        size: of the axis, in pixels; an integer, for a NumPy array, or a tensor.
        before, after: pixels to add.
    """
    xp = np if isinstance(size, int) else ops  # far fewer operations to trace
    last = size - 1
    # The wave is even, and ONNX has no remainder of negative numbers as engines have.
    positions = xp.abs(xp.arange(-before, size + after))
    return last - xp.abs(positions % xp.maximum(2 * last, 1) - last)
