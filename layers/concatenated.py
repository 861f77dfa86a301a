"""Convolution of concatenated features without the concatenation."""

import keras


@keras.saving.register_keras_serializable("inpainting")
class ConcatenatedConv2D(keras.layers.Conv2D):
    """A `keras.layers.Conv2D` of a list of features, as of one that holds all channels.

    It adds up the convolutions of each with its part of the kernel, which saves copying
    features that are wide and as large as the image.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.input_spec = None  # would allow one input alone

    def build(self, input_shape):
        super().build(_concatenated(input_shape))
        self.input_spec = None

    def call(self, inputs):
        total, start = (self.bias if self.use_bias else 0), 0
        for x in inputs:
            stop = start + x.shape[-1]
            total += self.convolution_op(x, self.kernel[:, :, start:stop])
            start = stop
        return self.activation(total)

    def compute_output_shape(self, input_shape):
        return super().compute_output_shape(_concatenated(input_shape))


def _concatenated(shapes):
    """Joins shapes (B, H, W, C) on the last axis; a single one is joined already."""
    if not isinstance(shapes, list):
        return shapes
    return (*shapes[0][:-1], sum(shape[-1] for shape in shapes))
