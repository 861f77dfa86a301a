"""Attention within features: squeeze-and-excitation, double attention.

References: Hu et al., Squeeze-and-Excitation Networks, CVPR 2018; Chen et al.,
A^2-Nets: Double Attention Networks, NeurIPS 2018.
"""

import keras
from keras import ops

from inpainting_zoo.errors import InputError


@keras.saving.register_keras_serializable("inpainting")
class SqueezeExcitation(keras.layers.Layer):
    """Multiplies each channel by a gate that sees the means of all channels.

    Args:
        reduction: how many times fewer hidden units than channels there are.
        gate: Keras activation of the gate; a sigmoid in the paper.
    """

    def __init__(self, reduction: int = 16, gate: str = "sigmoid", **kwargs):
        super().__init__(**kwargs)
        if reduction < 1:
            raise InputError(f"reduction: must be at least 1, received {reduction}")
        self.reduction, self.gate = reduction, gate

    def build(self, input_shape):
        channels = input_shape[-1]
        hidden = max(1, channels // self.reduction)
        # The gate is computed in float32: a mean over all pixels needs it.
        self.squeeze = keras.layers.Dense(
            hidden, activation="relu", name="squeeze", dtype="float32"
        )
        self.excite = keras.layers.Dense(
            channels, activation=self.gate, name="excite", dtype="float32"
        )
        self.squeeze.build((None, channels))
        self.excite.build((None, hidden))

    def call(self, x):
        mean = ops.mean(ops.cast(x, "float32"), axis=(1, 2))
        gate = self.excite(self.squeeze(mean))
        return x * ops.cast(gate, x.dtype)[:, None, None]

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        config = {"reduction": self.reduction, "gate": self.gate}
        return {**super().get_config(), **config}


@keras.saving.register_keras_serializable("inpainting")
class DoubleAttention(keras.layers.Layer):
    """Gathers features of the whole map, then hands to each pixel those it asks for.

    A softmax over positions weighs what each of n global descriptors collects (bilinear
    pooling of features and attention maps); a softmax over the descriptors weighs what
    each position gets of them. The result is added to the input. No map of pixels
    against pixels is made, so time and memory are linear in the number of pixels.

    Args:
        reduction: how many times fewer features, and descriptors, than channels.
    """

    def __init__(self, reduction: int = 4, **kwargs):
        super().__init__(**kwargs)
        if reduction < 1:
            raise InputError(f"reduction: must be at least 1, received {reduction}")
        self.reduction = reduction

    def build(self, input_shape):
        channels = input_shape[-1]
        inner = max(1, channels // self.reduction)
        # Dense layers on the last axis are 1x1 convolutions.
        self.features, self.maps, self.vectors, self.expand = (
            keras.layers.Dense(units, name=name, dtype=self.dtype_policy)
            for name, units in (
                ("features", inner),  # theta in the paper
                ("maps", inner),  # phi
                ("vectors", inner),  # rho
                ("expand", channels),
            )
        )
        for layer in (self.features, self.maps, self.vectors):
            layer.build((None, None, channels))
        self.expand.build((None, None, inner))

    def call(self, x):
        _, height, width, channels = shape = ops.shape(x)
        pixels = ops.reshape(x, (-1, height * width, channels))  # (B, P, C)
        maps = _softmax(self.maps(pixels), axis=1)
        vectors = _softmax(self.vectors(pixels), axis=2)
        gathered = ops.matmul(ops.swapaxes(maps, 1, 2), self.features(pixels))
        received = ops.matmul(vectors, gathered)  # (B, P, n) (B, n, m)
        return x + ops.reshape(self.expand(received), shape)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "reduction": self.reduction}


def _softmax(x, axis):
    return ops.cast(ops.softmax(ops.cast(x, "float32"), axis=axis), x.dtype)
