"""Partial convolution: what is known counts for what is not."""

import keras
from keras import ops

from inpainting_zoo.layers.equalized import EqualizedConv2D


@keras.saving.register_keras_serializable("inpainting")
class PartialConv2D(EqualizedConv2D):
    """An `EqualizedConv2D` of features and a mask, which grows.

    Takes and returns lists: features (B, H, W, C) and, where there is one, the mask of
    what is known, (B, H, W, 1), 1 if so. Where the k x k window sees u known pixels,
    the output, bias and activation included, is multiplied by k^2 / u, and known if u
    is not 0. What is unknown is not taken out of the features before.

    Reference: Liu et al., Image Inpainting for Irregular Holes Using Partial
    Convolutions, ECCV 2018.
    """

    def build(self, input_shape):
        super().build(input_shape[0])

    def call(self, inputs):
        x, *mask = inputs
        y = super().call(x)
        if not mask:
            return [y]
        (known,) = mask
        size, stride = self.kernel_size, 2 if self.resampling == "down" else 1
        ones = ops.ones((size, size, 1, 1), known.dtype)
        margin = (size // 2, size // 2)
        seen = ops.pad(known, [(0, 0), margin, margin, (0, 0)])
        seen = ops.conv(seen, ones, stride, "valid")
        known = ops.clip(seen, 0, 1)
        return [y * (size**2 / (seen + 1e-8) * known), known]

    def compute_output_shape(self, input_shape):
        shape = super().compute_output_shape(input_shape[0])
        return [shape, *[(*shape[:-1], 1) for _ in input_shape[1:]]]
