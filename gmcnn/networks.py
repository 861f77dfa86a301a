"""Networks of GMCNN: the three-column generator and the global and local critics.

Reference: Wang et al., Image Inpainting via Generative Multi-column Convolutional
Neural Networks, NeurIPS 2018.
"""

import keras
from keras import layers as keras_layers
from keras import ops

from inpainting_zoo.errors import InputError, choose
from inpainting_zoo.gmcnn import architectures
from inpainting_zoo.gmcnn.attention import ATTENTION
from inpainting_zoo.layers.concatenated import ConcatenatedConv2D
from inpainting_zoo.layers.convolution import Conv2D
from inpainting_zoo.layers.initializers import GlorotUniform
from inpainting_zoo.layers.pull_push import HOLE_FILLS, fill_hole
from inpainting_zoo.layers.spectral_normalization import SpectralNormalization
from inpainting_zoo.layers.upsampling import INTERPOLATIONS, PaddedUpsampling2D

PADDINGS = ("reflect", "same")
CLIP_GRADIENTS = ("zero", "straight")


def build_generator(
    base_channels: int = 32,
    topology: str = "pytorch",
    padding: str = "reflect",
    hole_fill: str = "zero",
    attention: str = "none",
    clip_gradient: str = "zero",
    dtype: str = "float32",
):
    """Builds the generator: (image, mask) -> prediction, of any size divisible by 4.

    Inputs are an image (B, H, W, 3) in [-1, 1], whose hole the network zeroes itself,
    and a mask (B, H, W, 1), 1 in the hole. The prediction (B, H, W, 3) is float32,
    clipped to [-1, 1], and covers known pixels as well.

    Args:
        base_channels: width of the first convolutions; even.
        topology: name in `gmcnn.architectures.TOPOLOGIES`.
        padding: "reflect" (by index, at any size) or "same" (zeros).
        hole_fill: name in `layers.pull_push.HOLE_FILLS`: "zero" shows the columns an
            empty hole; the others a smooth fill, to which the network then predicts the
            difference inside the hole.
        attention: name in `gmcnn.attention.ATTENTION`.
        clip_gradient: "zero" beyond [-1, 1], as officially, where a network that has
            overshot everywhere learns no more; "straight" lets it through.
        dtype: Keras dtype policy of the inner layers, such as "mixed_bfloat16".

    Raises:
        InputError: if an argument is unknown.
    """
    if base_channels < 2 or base_channels % 2:
        raise InputError(
            f"base_channels: must be even and positive, received {base_channels}"
        )
    choose("padding", padding, dict.fromkeys(PADDINGS))
    choose("hole_fill", hole_fill, HOLE_FILLS)
    choose("clip_gradient", clip_gradient, dict.fromkeys(CLIP_GRADIENTS))
    topology = choose("topology", topology, architectures.TOPOLOGIES)
    attention = choose("attention", attention, ATTENTION)

    def convolve(
        inputs, channels, kernel, name, stride=1, dilation=1, activation="elu"
    ):
        """Convolves (features, upsampling or None), several as if concatenated."""
        reflect = padding == "reflect"
        pixels = dilation * (kernel // 2) if reflect else 0
        padded = []
        for i, (x, upsampling) in enumerate(inputs):
            way, factor = upsampling or ("nearest", 1)
            if pixels or factor > 1:
                x = PaddedUpsampling2D(
                    factor, pixels, way, name=f"{name}_pad{i}", dtype=dtype
                )(x)
            padded.append(x)
        layer = ConcatenatedConv2D
        if len(padded) == 1:
            (padded,) = padded
            layer = Conv2D if stride == 1 else keras_layers.Conv2D
        return layer(
            round(channels * base_channels),
            kernel,
            strides=stride,
            dilation_rate=dilation,
            padding="valid" if reflect else "same",
            activation=activation,
            kernel_initializer=GlorotUniform(),
            name=name,
            dtype=dtype,
        )(padded)

    image = keras.Input((None, None, 3), name="image")
    mask = keras.Input((None, None, 1), name="mask")
    filled = fill_hole(hole_fill, image, mask)
    parts = {"image": filled, "ones": ops.ones_like(mask), "mask": mask}
    if topology.bgr:
        parts["image"] = ops.flip(filled, axis=-1)
    x = ops.concatenate([parts[name] for name in topology.inputs], axis=-1)

    merged = []  # features of each column, and how they are upsampled
    for c, (_, _, tail) in enumerate(topology.columns, start=1):
        outputs, upsampling = [x], None
        for k, channels, stride, dilation in topology.encoder(c - 1, base_channels):
            i = len(outputs) - 1
            activation = None if (c, i) in topology.linear else "elu"
            y = [(outputs[-1], None)]
            y = convolve(
                y, channels, k, f"column{c}_conv{i}", stride, dilation, activation
            )
            outputs.append(y)
        if c == 3 and attention.encoded:
            attend = attention.encoded(name="column3_attention", dtype=dtype)
            outputs[-1] = attend(outputs[-1])
        for step, value in tail:
            i, y = len(outputs) - 1, outputs[-1]
            if step in INTERPOLATIONS:
                upsampling = (step, value)  # by the next convolution, which pads, too
            else:
                y = convolve([(y, upsampling)], value, step, f"column{c}_conv{i}")
                upsampling = None
            outputs.append(y)
        merged.append((outputs[-1], upsampling))
    if attention.skip:
        merged.insert(0, (attention.skip(outputs[1], outputs[-2], dtype), None))

    x = convolve(merged, 0.5, 3, "decoder_conv0")
    x = convolve([(x, None)], 3 / base_channels, 3, "decoder_conv1", activation=None)
    x = ops.cast(x, "float32")
    if topology.bgr:
        x = ops.flip(x, axis=-1)
    if hole_fill != "zero":
        x = filled + x * mask
    prediction = ops.clip(x, -1.0, 1.0)
    if clip_gradient == "straight":
        # x + (clip(x) - x): clipped values, with the gradient of x.
        prediction = x + ops.stop_gradient(prediction - x)
    return keras.Model([image, mask], prediction, name="generator")


def build_critic(
    side: int,
    base_channels: int = 64,
    name: str = "critic",
    topology: str = "wgan",
):
    """Builds a critic: images (B, side, side, 3) -> scores (B, 1).

    5x5 convolutions of stride 2 and a dense layer, without batch statistics, always in
    float32 because a gradient penalty differentiates them twice.

    Args:
        side: height and width of the image or of the window around the hole, in pixels.
        base_channels: width of the first convolution.
        name: of the model; its layers' names start with it.
        topology: name in `gmcnn.architectures.CRITICS`. With spectral normalization,
            call the critic with `training=True` in its own step, and only there.
    """
    topology = choose("critic", topology, architectures.CRITICS)

    def linear(layer, *arguments, name, **options):
        options = {"kernel_initializer": GlorotUniform(), "dtype": "float32", **options}
        if not topology.spectral:
            return layer(*arguments, name=name, **options)
        inner = layer(*arguments, use_bias=False, **options)
        return SpectralNormalization(inner, name=name, dtype="float32")

    image = keras.Input((side, side, 3), name=f"{name}_image")
    x = image
    for i, width in enumerate(topology.widths):
        mode = "same"
        if topology.symmetric:
            x, mode = keras_layers.ZeroPadding2D(2, name=f"{name}_pad{i}")(x), "valid"
        x = linear(
            keras_layers.Conv2D,
            width * base_channels,
            5,
            strides=2,
            padding=mode,
            name=f"{name}_conv{i}",
        )(x)
        x = _activate(x, topology.slope, f"{name}_relu{i}")
    x = keras_layers.Flatten(name=f"{name}_flatten", dtype="float32")(x)
    score = linear(keras_layers.Dense, 1, name=f"{name}_score")(x)
    return keras.Model(image, score, name=name)


def _activate(x, slope, name):
    """Leaky ReLU of that slope, or an ELU if it is None."""
    if slope is None:
        return keras_layers.ELU(name=name, dtype="float32")(x)
    return keras_layers.LeakyReLU(slope, name=name, dtype="float32")(x)
