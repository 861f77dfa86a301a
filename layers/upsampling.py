"""Upsampling and reflection padding in one step; learned upsampling."""

import keras
from keras import ops

from inpainting_zoo.engine.operations import split
from inpainting_zoo.errors import choose
from inpainting_zoo.layers.padding import repeat_and_reflect
from inpainting_zoo.layers.reflection import reflected


@keras.saving.register_keras_serializable("inpainting")
class PaddedUpsampling2D(keras.layers.Layer):
    """Upsamples by an integer factor, then pads by reflection without the edge.

    In one step, since features after it are the largest that a network holds. Where the
    padding is wider than the image the reflection is reflected again, so positions
    follow a triangle wave; an axis of one pixel repeats it.

    Args:
        factor: how many times higher and wider the image becomes; 1 pads alone.
        padding: pixels added on each of the four sides.
        interpolation: "nearest", or "bilinear" with aligned corners: the centres of
            corner pixels stay where they are, as in TensorFlow 1.

    Raises:
        InputError: if the interpolation is unknown.
    """

    def __init__(
        self,
        factor: int = 1,
        padding: int = 0,
        interpolation: str = "nearest",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.factor, self.padding, self.interpolation = factor, padding, interpolation
        self.upsample = choose("interpolation", interpolation, INTERPOLATIONS)

    def call(self, x):
        return self.upsample(x, self.factor, self.padding)

    def compute_output_shape(self, input_shape):
        batch, *sides, channels = input_shape
        sides = [side and side * self.factor + 2 * self.padding for side in sides]
        return (batch, *sides, channels)

    def get_config(self):
        names = ("factor", "padding", "interpolation")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable("inpainting")
class DoublingConv2D(keras.layers.Conv2DTranspose):
    """A transposed convolution of 3x3 and stride 2 whose image doubles, as PyTorch's.

    PyTorch's padding of 1 and output padding of 1 take a row and a column off the top
    and the left; "same" takes them off the bottom and the right.
    """

    def call(self, x):
        y = super().call(x)
        for axis in (1, 2):  # the gradient of a slice takes longer
            _, y = split(y, [1, ops.shape(y)[axis] - 1], axis)
        return y

    def compute_output_shape(self, input_shape):
        batch, *sides, _ = input_shape
        return (batch, *(side and 2 * side for side in sides), self.filters)


def interpolate_and_reflect(x, factor: int, padding: int):
    """Interpolates (B, H, W, C) by two small matrix products that reflect as well."""
    batch, height, width, channels = ops.shape(x)
    rows, columns = (
        _interpolation(side, factor, padding, x.dtype) for side in (height, width)
    )
    x = ops.reshape(x, (batch, height, width * channels))
    x = ops.matmul(rows, x)
    height = height * factor + 2 * padding
    x = ops.reshape(x, (batch, height, width, channels))
    return ops.matmul(columns, x)


def _interpolation(old, factor, padding, dtype):
    """Returns the matrix that makes new pixels of old ones, a column for each."""
    new = old * factor
    centres = ops.cast(reflected(new, padding, padding), "float32")
    pixels = ops.cast(ops.arange(old), "float32")
    old, new = ops.cast(old, "float32"), ops.cast(new, "float32")
    centres = centres * ((old - 1) / ops.maximum(new - 1, 1))
    return ops.cast(ops.relu(1 - ops.abs(centres[:, None] - pixels)), dtype)


INTERPOLATIONS = {"nearest": repeat_and_reflect, "bilinear": interpolate_and_reflect}
