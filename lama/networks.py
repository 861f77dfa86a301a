"""The generator of LaMa.

Reference: Suvorov et al., Resolution-robust Large Mask Inpainting with Fourier
Convolutions, WACV 2022.
"""

import functools

import keras
from keras import layers as keras_layers
from keras import ops

from inpainting_zoo.errors import InputError, choose
from inpainting_zoo.lama import architectures
from inpainting_zoo.layers.batch_normalization import BatchNormalization
from inpainting_zoo.layers.convolution import BlockConv2D
from inpainting_zoo.layers.fourier_convolution import FourierConvolution
from inpainting_zoo.layers.initializers import GlorotUniform
from inpainting_zoo.layers.pull_push import HOLE_FILLS
from inpainting_zoo.layers.upsampling import DoublingConv2D, PaddedUpsampling2D

MAX_CHANNELS = 1024


def build_generator(
    topology: str = "fourier",
    base_channels: int = 64,
    blocks: int = 9,
    downsamplings: int = 3,
    local_fourier: bool = False,
    gated: bool = False,
    hole_fill: str = "zero",
    dtype: str = "float32",
):
    """Builds the generator: (image, mask) -> prediction.

    Inputs are an image (B, H, W, 3) in [-1, 1], whose hole the network empties itself,
    and a mask (B, H, W, 1), 1 in the hole; H and W are divisible by
    2**downsamplings, with local_fourier by twice that. The prediction (B, H, W, 3) is
    float32 in [-1, 1] and covers known pixels as well. In between, as officially,
    colours are in [0, 1].

    Args:
        topology: name in `lama.architectures.TOPOLOGIES`.
        base_channels: width of the first convolution.
        blocks: residual blocks of two convolutions.
        downsamplings: how often height and width are halved.
        local_fourier: see `layers.fourier_unit.SpectralTransform`; the widest
            convolutions must have a multiple of 32 channels.
        gated: see `layers.fourier_convolution.FourierConvolution`.
        hole_fill: name in `layers.pull_push.HOLE_FILLS`: "zero" shows a black hole, as
            officially; the others a smooth fill, to whose logits the network then adds
            its own inside the hole.
        dtype: Keras dtype policy of the inner layers, such as "mixed_bfloat16".

    Raises:
        InputError: if an argument is unknown or breaks its rule.
    """
    table = choose("topology", topology, architectures.TOPOLOGIES)
    fill = choose("hole_fill", hole_fill, HOLE_FILLS)
    if base_channels < 2:
        raise InputError(f"base_channels: must be at least 2, received {base_channels}")
    widths = [min(MAX_CHANNELS, base_channels * 2**i) for i in range(downsamplings + 1)]
    # Half of three quarters of them, the global ones, are made from quarters of it.
    if local_fourier and table.ratio and widths[-1] % 32:
        raise InputError(
            f"base_channels: 2**downsamplings ({2**downsamplings}) times it must be a "
            f"multiple of 32 with local_fourier, received {base_channels}"
        )

    def convolve(x, channels, kernel, name, stride=1, ratio=0.0, activation="relu"):
        """Convolves, normalizes, activates lists of (local, global) features."""
        if not table.use_bias:
            return FourierConvolution(
                channels,
                kernel,
                stride,
                ratio,
                local_fourier,
                gated,
                activation=activation,
                name=name,
                dtype=dtype,
            )(x)
        x = pad(x[0], kernel // 2, name, table.reflect or stride == 1)
        x = conv(x, channels, kernel, name, stride)
        return [normalize(x, name, activation)]

    blockwise = functools.partial(BlockConv2D, block=min(4, 2**downsamplings))

    def pad(x, margin, name, reflect=True):
        if not reflect:
            return keras_layers.ZeroPadding2D(margin, name=f"{name}_pad")(x)
        return PaddedUpsampling2D(1, margin, name=f"{name}_pad", dtype=dtype)(x)

    def conv(x, channels, kernel, name, stride=1, layer=keras_layers.Conv2D):
        return layer(
            channels,
            kernel,
            strides=stride,
            kernel_initializer=GlorotUniform(),
            name=name,
            dtype=dtype,
        )(x)

    def normalize(x, name, activation="relu"):
        x = BatchNormalization(name=f"{name}_norm", dtype=dtype)(x)
        return ops.relu(x) if activation == "relu" else x

    image = keras.Input((None, None, 3), name="image")
    mask = keras.Input((None, None, 1), name="mask")
    known = 1 - mask
    colours = (image + 1) / 2
    if fill:
        filled = (fill(name=hole_fill, dtype="float32")(image, mask) + 1) / 2
        colours = colours * known + filled * mask
    else:
        colours = colours * known
    x = [ops.concatenate([colours, mask], axis=-1)]

    x = convolve(x, widths[0], 7, "entry")
    for i, channels in enumerate(widths[1:], start=1):
        ratio = table.ratio if i == downsamplings else 0.0
        x = convolve(x, channels, 3, f"down{i - 1}", 2, ratio)
    for i in range(blocks):
        y = convolve(x, widths[-1], 3, f"block{i}_conv0", 1, table.ratio)
        # Only the official FFC blocks activate what is added.
        last = "relu" if table.ratio else None
        y = convolve(y, widths[-1], 3, f"block{i}_conv1", 1, table.ratio, last)
        x = [a + b for a, b in zip(x, y)]
    x = ops.concatenate(x, axis=-1) if len(x) > 1 else x[0]
    for i, channels in enumerate(reversed(widths[:-1])):
        name = f"up{i}"
        x = normalize(conv(x, channels, 3, name, 2, DoublingConv2D), name)
    x = conv(pad(x, 3, "exit"), 3, 7, "exit", layer=blockwise)

    logits = ops.cast(x, "float32")
    if fill:
        logits = logits + mask * _logit(filled)
    prediction = 2 * ops.sigmoid(logits) - 1
    return keras.Model([image, mask], prediction, name="generator")


def split_generator(generator):
    """Returns the generator in two parts, before and from its residual blocks on.

    The first is a Keras model of [image, mask] -> list of features, of which there are
    local and global ones in networks with Fourier transforms; the second one of
    [*features, image, mask] -> prediction.
    """
    layers = {layer.name: layer for layer in generator.layers}
    first = layers.get("block0_conv0_pad") or layers["block0_conv0"]
    features = first.input if isinstance(first.input, list) else [first.input]
    front = keras.Model(generator.inputs, features, name="front")
    rear = [*features, *generator.inputs]
    return front, keras.Model(rear, generator.output, name="rear")


def _logit(x, least=1 / 255):
    """Returns the inverse of the sigmoid, of x kept away from 0 and 1."""
    x = ops.clip(x, least, 1 - least)
    return ops.log(x) - ops.log(1 - x)
