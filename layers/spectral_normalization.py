"""Spectral normalization that trains the same on every engine."""

import keras
from keras import ops

from inpainting_zoo.errors import InputError


@keras.saving.register_keras_serializable("inpainting")
class SpectralNormalization(keras.layers.Wrapper):
    """Divides the kernel of a linear layer by its largest singular value.

    The kernel itself is never written: the layer's output is divided instead, which is
    the same. Each call with `training=True` takes one step of power iteration, from the
    vector `u` that the last one left.

    Args:
        layer: `Conv2D` or `Dense` without bias and activation.
        use_bias: whether a bias is added, after the division.

    Reference: Miyato et al., Spectral Normalization for Generative Adversarial
    Networks, ICLR 2018.
    """

    def __init__(self, layer, use_bias: bool = True, **kwargs):
        super().__init__(layer, **kwargs)
        if layer.use_bias or layer.activation is not keras.activations.linear:
            raise InputError(
                "layer: must have neither bias nor activation, received "
                f"use_bias={layer.use_bias}, activation={layer.activation.__name__}"
            )
        self.use_bias = use_bias

    def build(self, input_shape):
        super().build(input_shape)
        channels = self.layer.kernel.shape[-1]
        # An orthogonal matrix of one column is a random vector of length 1.
        self.u = self.add_weight(
            shape=(channels, 1), initializer="orthogonal", trainable=False, name="u"
        )
        if self.use_bias:
            self.bias = self.add_weight(
                shape=(channels,), initializer="zeros", name="bias"
            )

    def call(self, x, training=False):
        y = self.layer(x) / self._singular_value(training)
        return y + self.bias if self.use_bias else y

    def _singular_value(self, training):
        kernel = ops.reshape(self.layer.kernel, (-1, self.u.shape[0]))
        # u and v are constants for the gradient (Algorithm 1).
        frozen, u = ops.stop_gradient(kernel), ops.convert_to_tensor(self.u)
        v = _unit(ops.matmul(frozen, u))
        if training:
            u = _unit(ops.matmul(ops.transpose(frozen), v))
            self.u.assign(u)
        return ops.maximum(ops.sum(v * ops.matmul(kernel, u)), 1e-12)

    def compute_output_shape(self, input_shape):
        return self.layer.compute_output_shape(input_shape)

    def get_config(self):
        return {**super().get_config(), "use_bias": self.use_bias}


def _unit(x):
    return x / (ops.norm(x) + 1e-12)
