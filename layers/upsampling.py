"""Bilinear resizing by two small matrix products, the same on every engine."""

import keras
from keras import ops

from inpainting_zoo.layers.padding import reflected, upsampled_and_padded


@keras.saving.register_keras_serializable("inpainting")
class BilinearUpsampling2D(keras.layers.Layer):
    """Upsamples by an integer factor with aligned corners, as the official GMCNN does.

    The centres of corner pixels stay where they are, as in TensorFlow 1.

    Args:
        factor: how many times higher and wider the output is.
        padding: pixels added by reflection on each of the four sides, by the same
            products.
    """

    def __init__(self, factor: int, padding: int = 0, **kwargs):
        super().__init__(**kwargs)
        self.factor, self.padding = factor, padding

    def call(self, x):
        batch, height, width, channels = ops.shape(x)
        rows, columns = (self._interpolation(n, x.dtype) for n in (height, width))
        x = ops.reshape(x, (batch, height, width * channels))
        x = ops.matmul(rows, x)
        height = height * self.factor + 2 * self.padding
        x = ops.reshape(x, (batch, height, width, channels))
        return ops.matmul(columns, x)

    def _interpolation(self, old, dtype):
        """Returns the matrix that makes new pixels of old ones, a column for each."""
        new = old * self.factor
        centres = ops.cast(reflected(new, self.padding, self.padding), "float32")
        pixels = ops.cast(ops.arange(old), "float32")
        old, new = ops.cast(old, "float32"), ops.cast(new, "float32")
        centres = centres * ((old - 1) / ops.maximum(new - 1, 1))
        return ops.cast(ops.relu(1 - ops.abs(centres[:, None] - pixels)), dtype)

    def compute_output_shape(self, input_shape):
        return upsampled_and_padded(input_shape, self.factor, self.padding)

    def get_config(self):
        own = {"factor": self.factor, "padding": self.padding}
        return {**super().get_config(), **own}
