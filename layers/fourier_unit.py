"""Convolutions of an image's spectrum: each output depends on the whole image."""

import keras
from keras import ops

from inpainting_zoo.layers.batch_normalization import BatchNormalization
from inpainting_zoo.layers.fourier_transform import irfft2, rfft2
from inpainting_zoo.layers.initializers import GlorotUniform


@keras.saving.register_keras_serializable("inpainting")
class FourierUnit(keras.layers.Layer):
    """Convolves the spectrum of features (B, H, W, C) with a 1x1 kernel.

    Real and imaginary parts are 2 C channels of one image: the real parts first. The
    official code alternates them. Transforms are in float32 under any dtype policy.

    Args:
        channels: C.

    Reference: Chi et al., Fast Fourier Convolution, NeurIPS 2020.
    """

    def __init__(self, channels: int, **kwargs):
        super().__init__(**kwargs)
        self.channels = channels
        self.conv = pointwise(2 * channels, "conv", self.dtype_policy)
        self.norm = BatchNormalization(name="norm", dtype=self.dtype_policy)

    def build(self, input_shape):
        self.conv.build((None, None, None, 2 * self.channels))
        self.norm.build((None, None, None, 2 * self.channels))

    def call(self, x, training=None):
        spectrum = self.conv(rfft2(ops.cast(x, "float32")))
        spectrum = ops.relu(self.norm(spectrum, training=training))
        y = irfft2(ops.cast(spectrum, "float32"), ops.shape(x)[2])
        return ops.cast(y, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "channels": self.channels}


@keras.saving.register_keras_serializable("inpainting")
class LocalFourierUnit(FourierUnit):
    """Convolves the spectrum of the four quarters of features together.

    Takes the first C / 4 channels, stacks the quarters of the image on the channel
    axis, and repeats the result (B, H / 2, W / 2, C) twice in height and width. H, W
    are even, C is divisible by 4.

    Args:
        channels: C.
    """

    def call(self, x, training=None):
        x = x[..., : self.channels // 4]
        for axis in (1, 2):
            x = ops.concatenate(ops.split(x, 2, axis=axis), axis=-1)
        return ops.tile(super().call(x, training), (1, 2, 2, 1))


@keras.saving.register_keras_serializable("inpainting")
class SpectralTransform(keras.layers.Layer):
    """The path of a fast Fourier convolution from global features to global ones.

    A 1x1 convolution to half of the channels, their Fourier units, and a 1x1
    convolution of the sum: (B, H, W, C) -> (B, H / strides, W / strides, channels).

    Args:
        channels: of the output.
        strides: 2 averages squares of 2x2 pixels first.
        local: whether there is a `LocalFourierUnit`, too.

    Reference: Chi et al., Fast Fourier Convolution, NeurIPS 2020.
    """

    def __init__(self, channels: int, strides: int = 1, local: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.channels, self.strides, self.local = channels, strides, local
        half, dtype = channels // 2, self.dtype_policy
        self.reduce = pointwise(half, "reduce", dtype)
        self.reduce_norm = BatchNormalization(name="reduce_norm", dtype=dtype)
        self.units = [FourierUnit(half, name="fourier", dtype=dtype)]
        if local:
            self.units += [LocalFourierUnit(half, name="local_fourier", dtype=dtype)]
        self.expand = pointwise(channels, "expand", dtype)

    def build(self, input_shape):
        half = (*input_shape[:-1], self.channels // 2)
        self.reduce.build(input_shape)
        for layer in (self.reduce_norm, *self.units, self.expand):
            layer.build(half)

    def call(self, x, training=None):
        if self.strides == 2:
            x = ops.average_pool(x, 2, 2)
        x = ops.relu(self.reduce_norm(self.reduce(x), training=training))
        return self.expand(x + sum(unit(x, training=training) for unit in self.units))

    def compute_output_shape(self, input_shape):
        batch, *sides, _ = input_shape
        sides = [side and side // self.strides for side in sides]
        return (batch, *sides, self.channels)

    def get_config(self):
        names = ("channels", "strides", "local")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def pointwise(channels: int, name: str, dtype, use_bias: bool = False):
    """Returns a 1x1 convolution."""
    return keras.layers.Conv2D(
        channels,
        1,
        use_bias=use_bias,
        kernel_initializer=GlorotUniform(),
        name=name,
        dtype=dtype,
    )
