"""Reflection padding that may be wider than the image."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("inpainting")
class ReflectionPadding2D(keras.layers.Layer):
    """Pads by reflection without repeating the edge, at any image size.

    Where the padding is wider than the image the reflection is reflected again, so
    positions follow a triangle wave; an axis of one pixel repeats it.

    Args:
        padding: pixels added on each of the four sides.
    """

    def __init__(self, padding: int, **kwargs):
        super().__init__(**kwargs)
        self.padding = padding

    def call(self, x):
        height, width = x.shape[1:3]
        if height and width and self.padding < min(height, width):
            margin = (self.padding, self.padding)
            return ops.pad(x, ((0, 0), margin, margin, (0, 0)), mode="reflect")
        for axis in (1, 2):
            x = ops.take(x, self._indices(ops.shape(x)[axis]), axis=axis)
        return x

    def _indices(self, size):
        positions = ops.arange(-self.padding, size + self.padding)
        last = size - 1
        return last - ops.abs(positions % ops.maximum(2 * last, 1) - last)

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        padded = [side and side + 2 * self.padding for side in (height, width)]
        return (batch, *padded, channels)

    def get_config(self):
        return {**super().get_config(), "padding": self.padding}
