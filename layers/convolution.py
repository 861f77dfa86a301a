"""Convolutions of stride 1 without detours."""

import keras
from keras import ops

from inpainting_zoo.engine.operations import dilated_convolution


@keras.saving.register_keras_serializable("inpainting")
class Conv2D(keras.layers.Conv2D):
    """A `keras.layers.Conv2D` of stride 1 whose kernel itself is dilated.

    Keras on TensorFlow rearranges the pixels into a larger batch of small images and
    back instead, which makes a training step in bfloat16 a quarter longer.
    """

    def convolution_op(self, inputs, kernel):
        return dilated_convolution(inputs, kernel, self.padding, self.dilation_rate)


@keras.saving.register_keras_serializable("inpainting")
class BlockConv2D(keras.layers.Conv2D):
    """A `keras.layers.Conv2D` of stride 1 that predicts blocks of pixels at once.

    The channels of 4x4 pixels are the channels of one convolution of stride 4, whose
    kernel is 3 pixels larger. For three channels, of which CPUs compute eight or more
    at a time, that takes a quarter of the time, for gradients a sixth, although half of
    the products are with zeros. Padding is "valid"; H and W of the output must be
    divisible by `block`.

    Args:
        block: pixels of a block's side.
    """

    def __init__(self, *args, block: int = 4, **kwargs):
        super().__init__(*args, **kwargs)
        self.block = block

    def convolution_op(self, inputs, kernel):
        n, channels = self.block, kernel.shape[-1]
        shifts = [
            ops.pad(kernel, ((i, n - 1 - i), (j, n - 1 - j), (0, 0), (0, 0)))
            for i in range(n)
            for j in range(n)
        ]
        x = ops.conv(inputs, ops.concatenate(shifts, axis=-1), n)
        batch, height, width, _ = ops.shape(x)
        x = ops.reshape(x, (batch, height, width, n, n, channels))
        x = ops.transpose(x, (0, 1, 3, 2, 4, 5))
        return ops.reshape(x, (batch, height * n, width * n, channels))

    def get_config(self):
        return {**super().get_config(), "block": self.block}
