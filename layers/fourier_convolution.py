"""Fast Fourier convolutions: local features and global ones, side by side."""

import keras
from keras import ops

from inpainting_zoo.layers.batch_normalization import BatchNormalization
from inpainting_zoo.layers.fourier_unit import SpectralTransform, pointwise
from inpainting_zoo.layers.initializers import GlorotUniform
from inpainting_zoo.layers.padding import repeat_and_reflect


@keras.saving.register_keras_serializable("inpainting")
class FourierConvolution(keras.layers.Layer):
    """Fast Fourier convolution, its batch normalization and activation.

    Takes and returns lists: local features (B, H, W, C_l) and, unless their share is 0,
    global ones (B, H, W, C_g). Every pair has a path of its own: convolutions padded by
    reflection, and from global to global a `SpectralTransform`.

    Args:
        channels: of all outputs together.
        kernel_size: odd.
        strides: 1 or 2.
        ratio: share of the channels that are global ones.
        local_fourier: see `SpectralTransform.local`.
        gated: whether the paths between local and global features are multiplied by
            numbers from 0 to 1 that a 1x1 convolution of all features predicts.
        activation: of both outputs.

    Reference: Chi et al., Fast Fourier Convolution, NeurIPS 2020.
    """

    def __init__(
        self,
        channels: int,
        kernel_size: int = 3,
        strides: int = 1,
        ratio: float = 0.0,
        local_fourier: bool = False,
        gated: bool = False,
        activation: str | None = "relu",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.channels, self.kernel_size, self.strides = channels, kernel_size, strides
        self.ratio, self.local_fourier, self.gated = ratio, local_fourier, gated
        self.activation = keras.activations.get(activation)
        self.global_channels = int(channels * ratio)
        self.local_channels = channels - self.global_channels

    def build(self, input_shape):
        (local, *rest), dtype = input_shape, self.dtype_policy
        shares = {"local": self.local_channels, "global": self.global_channels}
        shares = {name: n for name, n in shares.items() if n}

        def conv(source, target, shape):
            return self._built(
                keras.layers.Conv2D(
                    shares[target],
                    self.kernel_size,
                    strides=self.strides,
                    use_bias=False,
                    kernel_initializer=GlorotUniform(),
                    name=f"{source}_to_{target}",
                    dtype=dtype,
                ),
                shape,
            )

        self.from_local = [conv("local", target, local) for target in shares]
        self.global_to_local = self.spectral = self.gate = None
        if rest:
            self.global_to_local = conv("global", "local", rest[0])
        if rest and self.global_channels:
            self.spectral = self._built(
                SpectralTransform(
                    self.global_channels,
                    self.strides,
                    self.local_fourier,
                    name="global_to_global",
                    dtype=dtype,
                ),
                rest[0],
            )
            if self.gated:
                both = (*local[:-1], local[-1] + rest[0][-1])
                self.gate = self._built(pointwise(2, "gate", dtype, True), both)
        self.norms = [
            self._built(
                BatchNormalization(name=f"{name}_norm", dtype=dtype),
                (None, None, None, n),
            )
            for name, n in shares.items()
        ]

    def _built(self, layer, shape):
        layer.build(shape)
        return layer

    def call(self, inputs, training=None):
        margin = self.kernel_size // 2
        local, *rest = [repeat_and_reflect(x, 1, margin) for x in inputs]
        outputs = [conv(local) for conv in self.from_local]
        if rest:
            to_local = self.global_to_local(rest[0])
            if self.gate:
                gates = ops.sigmoid(self.gate(ops.concatenate(inputs, axis=-1)))
                to_local = to_local * gates[..., :1]
                outputs[1] = outputs[1] * gates[..., 1:]
            outputs[0] = outputs[0] + to_local
        if self.spectral:
            outputs[1] = outputs[1] + self.spectral(inputs[1], training=training)
        return [
            self.activation(norm(y, training=training))
            for norm, y in zip(self.norms, outputs)
        ]

    def compute_output_shape(self, input_shape):
        batch, *sides, _ = input_shape[0]
        sides = [side and -(-side // self.strides) for side in sides]
        widths = filter(None, (self.local_channels, self.global_channels))
        return [(batch, *sides, width) for width in widths]

    def get_config(self):
        names = ("channels", "kernel_size", "strides", "ratio")
        names = (*names, "local_fourier", "gated")
        activation = keras.activations.serialize(self.activation)
        own = {name: getattr(self, name) for name in names}
        return {**super().get_config(), **own, "activation": activation}
