"""Convolution whose input channels are scaled by a style."""

import math

import keras
from keras import ops

from inpainting_zoo.engine.operations import scaled_once
from inpainting_zoo.errors import choose
from inpainting_zoo.layers.bias_activation import biased
from inpainting_zoo.layers.equalized import EqualizedDense, resampled
from inpainting_zoo.layers.initializers import Normal
from inpainting_zoo.layers.resampling import CONVOLUTIONS


@keras.saving.register_keras_serializable("inpainting")
class ModulatedConv2D(keras.layers.Layer):
    """A convolution that a style modulates, then noise, bias and activation.

    Takes a list: features (B, H, W, C), a style (B, S), and, where it is `noisy`, drawn
    noise (B, H, W, 1) and (B, 2): how much of the layer's stored noise and of the drawn
    one is added. With s = affine(style) the kernel of a picture would be w' = s w,
    divided for each filter by the norm of w' (Equations 1 and 3). For a single picture
    that kernel is made, which is smaller than the features; for several, features are
    multiplied by s before, and divided by the norm after the convolution.

    Args:
        filters: channels of the output.
        kernel_size: 1 or 3.
        resampling: None or "up"; see `layers.equalized.EqualizedConv2D`.
        activation: name in `layers.bias_activation.ACTIVATIONS`.
        demodulate: whether there is that division.
        noisy: whether noise is added.

    Reference: Karras et al., Analyzing and Improving the Image Quality of StyleGAN,
    CVPR 2020.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int = 3,
        resampling: str | None = None,
        activation: str = "lrelu",
        demodulate: bool = True,
        noisy: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters, self.kernel_size = filters, kernel_size
        self.resampling, self.activation = resampling, activation
        self.demodulate, self.noisy = demodulate, noisy
        self.convolve = choose("resampling", resampling, CONVOLUTIONS)

    def build(self, input_shape):
        features, style = input_shape[:2]
        size, inputs = self.kernel_size, features[-1]
        self.affine = EqualizedDense(
            inputs, bias_start=1.0, name="affine", dtype=self.dtype_policy
        )
        self.affine.build(style)
        self.scale = 1 / (size * math.sqrt(inputs))
        self.kernel = self.add_weight(
            shape=(size, size, inputs, self.filters),
            initializer=Normal(1.0),
            name="kernel",
        )
        self.bias = self.add_weight(
            shape=(self.filters,), initializer="zeros", name="bias"
        )
        if self.noisy:
            _, height, width, _ = resampled(features, self.resampling)
            self.noise_strength = self.add_weight(
                shape=(), initializer="zeros", name="noise_strength"
            )
            self.noise = self.add_weight(
                shape=(height, width),
                initializer=Normal(1.0),
                trainable=False,
                name="noise",
            )

    def call(self, inputs):
        x, style, *noise = inputs
        scales = self.affine(style)  # (B, C)
        kernel = scaled_once(x, self.kernel, self.scale)
        factors = 1.0
        if self.demodulate:
            squares = ops.sum(ops.square(kernel), axis=(0, 1))  # (C, filters)
            norm = ops.matmul(ops.square(scales), squares) + 1e-8
            factors = ops.rsqrt(norm)[:, None, None]  # (B, 1, 1, filters)
        if x.shape[0] == 1:
            y = self.convolve(x, kernel * scales[0, :, None] * factors)
        else:
            y = self.convolve(x * scales[:, None, None], kernel) * factors
        if self.noisy:
            drawn, (stored_share, drawn_share) = noise[0], ops.unstack(noise[1], axis=1)
            added = stored_share[:, None, None, None] * self.noise[None, :, :, None]
            added = added + drawn_share[:, None, None, None] * drawn
            y = y + self.noise_strength * added
        return biased(y, self.bias, self.activation)

    def compute_output_shape(self, input_shape):
        return (*resampled(input_shape[0], self.resampling)[:-1], self.filters)

    def get_config(self):
        names = ("filters", "kernel_size", "resampling", "activation", "demodulate")
        config = {name: getattr(self, name) for name in (*names, "noisy")}
        return {**super().get_config(), **config}
