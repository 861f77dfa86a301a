"""Bilinear resizing by two small matrix products, with or without aligned corners."""

import keras
from keras import ops


def resize_bilinear(x, height, width, align_corners: bool = False):
    """Resizes by bilinear interpolation, the same on every engine and at any size.

    Args:
        x: tensor (B, H, W, C).
        height, width: the new size in pixels; integers or scalar tensors.
        align_corners: whether corner pixels' centres stay where they are (as in
            TensorFlow 1 and the official GMCNN); otherwise pixels are squares.
    """
    shape = ops.shape(x)
    rows = _interpolation_matrix(shape[1], height, align_corners, x.dtype)
    columns = _interpolation_matrix(shape[2], width, align_corners, x.dtype)
    x = ops.reshape(x, (shape[0], shape[1], shape[2] * shape[3]))
    x = ops.matmul(rows, x)  # (B, height, W * C)
    x = ops.reshape(x, (shape[0], height, shape[2], shape[3]))
    return ops.matmul(columns, x)  # (B, height, width, C)


def _interpolation_matrix(old, new, align_corners, dtype):
    """Returns the (new, old) matrix of a one-dimensional linear interpolation."""
    centres = ops.cast(ops.arange(new), "float32")
    pixels = ops.cast(ops.arange(old), "float32")
    old, new = ops.cast(old, "float32"), ops.cast(new, "float32")
    if align_corners:
        centres = centres * ((old - 1) / ops.maximum(new - 1, 1))
    else:
        centres = ops.clip((centres + 0.5) * (old / new) - 0.5, 0, old - 1)
    return ops.cast(ops.relu(1 - ops.abs(centres[:, None] - pixels)), dtype)


@keras.saving.register_keras_serializable("inpainting")
class BilinearUpsampling2D(keras.layers.Layer):
    """Upsamples by an integer factor with aligned corners, as the official GMCNN does.

    Args:
        factor: how many times higher and wider the output is.
    """

    def __init__(self, factor: int, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, x):
        height, width = ops.shape(x)[1:3]
        return resize_bilinear(
            x, height * self.factor, width * self.factor, align_corners=True
        )

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        scaled = [side and side * self.factor for side in (height, width)]
        return (batch, *scaled, channels)

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}
