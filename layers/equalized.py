"""Dense layers and convolutions of an equalized learning rate.

Weights are drawn from N(0, 1) and scaled when they are used, so that optimizers such as
Adam move them all at one pace.

Reference: Karras et al., Progressive Growing of GANs for Improved Quality, Stability,
and Variation, ICLR 2018, section 4.1.
"""

import math

import keras
from keras import ops

from inpainting_zoo.engine.operations import scaled_once
from inpainting_zoo.errors import choose
from inpainting_zoo.layers.bias_activation import biased
from inpainting_zoo.layers.initializers import Normal
from inpainting_zoo.layers.resampling import CONVOLUTIONS


@keras.saving.register_keras_serializable("inpainting")
class EqualizedDense(keras.layers.Layer):
    """A dense layer of (..., C) whose kernel is scaled by rate / sqrt(C).

    Args:
        units: of the output.
        activation: name in `layers.bias_activation.ACTIVATIONS`.
        rate: of learning, relative to other layers.
        bias_start: that biases begin with.
    """

    def __init__(
        self,
        units: int,
        activation: str = "linear",
        rate: float = 1.0,
        bias_start: float = 0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.units, self.activation = units, activation
        self.rate, self.bias_start = rate, bias_start

    def build(self, input_shape):
        inputs = input_shape[-1]
        self.scale = self.rate / math.sqrt(inputs)
        self.kernel = self.add_weight(
            shape=(inputs, self.units), initializer=Normal(1 / self.rate), name="kernel"
        )
        start = keras.initializers.Constant(self.bias_start / self.rate)
        self.bias = self.add_weight(shape=(self.units,), initializer=start, name="bias")

    def call(self, x):
        bias = self.bias if self.rate == 1 else self.bias * self.rate
        kernel = scaled_once(x, self.kernel, self.scale)
        return biased(ops.matmul(x, kernel), bias, self.activation)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)

    def get_config(self):
        names = ("units", "activation", "rate", "bias_start")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable("inpainting")
class EqualizedConv2D(keras.layers.Layer):
    """A convolution of (B, H, W, C) whose kernel is scaled by 1 / (k sqrt(C)).

    Args:
        filters: channels of the output.
        kernel_size: k, 1 or 3.
        resampling: "down" halves height and width, "up" doubles them, both through a
            filter (`layers.resampling`); None keeps them.
        activation: name in `layers.bias_activation.ACTIVATIONS`.
        gain: of the output.
        use_bias: whether there is a bias.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int = 3,
        resampling: str | None = None,
        activation: str = "lrelu",
        gain: float = 1.0,
        use_bias: bool = True,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters, self.kernel_size = filters, kernel_size
        self.resampling, self.activation = resampling, activation
        self.gain, self.use_bias = gain, use_bias
        self.convolve = choose("resampling", resampling, CONVOLUTIONS)

    def build(self, input_shape):
        size, inputs = self.kernel_size, input_shape[-1]
        self.scale = 1 / (size * math.sqrt(inputs))
        self.kernel = self.add_weight(
            shape=(size, size, inputs, self.filters),
            initializer=Normal(1.0),
            name="kernel",
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                shape=(self.filters,), initializer="zeros", name="bias"
            )

    def call(self, x):
        y = self.convolve(x, scaled_once(x, self.kernel, self.scale))
        return biased(y, self.bias, self.activation, self.gain)

    def compute_output_shape(self, input_shape):
        return (*resampled(input_shape, self.resampling)[:-1], self.filters)

    def get_config(self):
        names = ("filters", "kernel_size", "resampling", "activation", "gain")
        config = {name: getattr(self, name) for name in (*names, "use_bias")}
        return {**super().get_config(), **config}


def resampled(shape, resampling):
    """Returns the shape (B, H, W, C) of features once they are resampled."""
    batch, *sides, channels = shape
    if resampling == "up":
        sides = [side and 2 * side for side in sides]
    elif resampling == "down":
        sides = [side and side // 2 for side in sides]
    return (batch, *sides, channels)
