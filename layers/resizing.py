"""Bilinear resizing by two small matrix products, the same on every engine."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("inpainting")
class BilinearUpsampling2D(keras.layers.Layer):
    """Upsamples by an integer factor with aligned corners, as the official GMCNN does.

    The centres of corner pixels stay where they are, as in TensorFlow 1.

    Args:
        factor: how many times higher and wider the output is.
    """

    def __init__(self, factor: int, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, x):
        batch, height, width, channels = ops.shape(x)
        rows, columns = (self._interpolation(n, x.dtype) for n in (height, width))
        x = ops.reshape(x, (batch, height, width * channels))
        x = ops.matmul(rows, x)
        x = ops.reshape(x, (batch, height * self.factor, width, channels))
        return ops.matmul(columns, x)

    def _interpolation(self, old, dtype):
        """Returns the (factor * old, old) matrix of a linear interpolation."""
        new = old * self.factor
        centres = ops.cast(ops.arange(new), "float32")
        pixels = ops.cast(ops.arange(old), "float32")
        old, new = ops.cast(old, "float32"), ops.cast(new, "float32")
        centres = centres * ((old - 1) / ops.maximum(new - 1, 1))
        return ops.cast(ops.relu(1 - ops.abs(centres[:, None] - pixels)), dtype)

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        scaled = [side and side * self.factor for side in (height, width)]
        return (batch, *scaled, channels)

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}
