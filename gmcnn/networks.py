"""Networks of GMCNN: the three-column generator and the global and local critics.

Reference: Wang et al., Image Inpainting via Generative Multi-column Convolutional
Neural Networks, NeurIPS 2018.
"""

import dataclasses

import keras
from keras import layers as keras_layers
from keras import ops

from errors import InputError
from layers.padding import ReflectionPadding2D
from layers.pull_push import PullPush
from layers.resizing import BilinearUpsampling2D


@dataclasses.dataclass(frozen=True)
class Topology:
    """What differs between the published generators.

    Args:
        inputs: what is stacked on the channel axis: "image" (hole at zero), "ones",
            "mask".
        columns: for each column the kernel size, that of its first convolution, and its
            tail: ("nearest" | "bilinear", factor) upsamples, (kernel, width) convolves
            to `width * base_channels`.
        bgr: whether the network works on blue, green, red.
        linear: (column, layer) of the convolutions without activation.
        wide_dilation: whether a dilation of 32 is added above 32 base channels.
    """

    inputs: tuple
    columns: tuple
    bgr: bool = False
    linear: tuple = ()
    wide_dilation: bool = False


def build_generator(
    base_channels: int = 32,
    topology: str = "pytorch",
    padding: str = "reflect",
    hole_fill: str = "zero",
    dtype: str = "float32",
):
    """Builds the generator: (image, mask) -> prediction, of any size divisible by 4.

    Inputs are an image (B, H, W, 3) in [-1, 1], whose hole the network zeroes itself,
    and a mask (B, H, W, 1), 1 in the hole. The prediction (B, H, W, 3) is float32,
    clipped to [-1, 1], and covers known pixels as well.

    Args:
        base_channels: width of the first convolutions.
        topology: name in `TOPOLOGIES`.
        padding: "reflect" (by index, at any size) or "same" (zeros).
        hole_fill: "zero" shows the columns an empty hole; "pull_push" a smooth fill,
            to which the network then predicts the difference.
        dtype: Keras dtype policy of the inner layers, such as "mixed_bfloat16".

    Raises:
        InputError: if an argument is unknown.
    """
    _check("topology", topology, TOPOLOGIES)
    _check("padding", padding, ("reflect", "same"))
    _check("hole_fill", hole_fill, ("zero", "pull_push"))
    topology = TOPOLOGIES[topology]

    def convolve(x, channels, kernel, name, stride=1, dilation=1, activation="elu"):
        mode = padding
        if padding == "reflect":
            pixels = dilation * (kernel // 2)
            pad = ReflectionPadding2D(pixels, name=f"{name}_pad", dtype=dtype)
            x, mode = pad(x), "valid"
        return keras_layers.Conv2D(
            round(channels * base_channels),
            kernel,
            strides=stride,
            dilation_rate=dilation,
            padding=mode,
            activation=activation,
            name=name,
            dtype=dtype,
        )(x)

    image = keras.Input((None, None, 3), name="image")
    mask = keras.Input((None, None, 1), name="mask")
    if hole_fill == "pull_push":
        filled = PullPush(name="pull_push", dtype="float32")(image, mask)
    else:
        filled = image * (1 - mask)
    parts = {"image": filled, "ones": ops.ones_like(mask), "mask": mask}
    if topology.bgr:
        parts["image"] = ops.flip(filled, axis=-1)
    x = ops.concatenate([parts[name] for name in topology.inputs], axis=-1)

    features = []
    for c, (kernel, first_kernel, tail) in enumerate(topology.columns, start=1):
        # (kernel, channels / base_channels, stride, dilation) of the encoder.
        encoder = [(first_kernel, 1, 1, 1), (kernel, 2, 2, 1), (kernel, 2, 1, 1)]
        encoder += [(kernel, 4, 2, 1), (kernel, 4, 1, 1), (kernel, 4, 1, 1)]
        dilations = [2, 4, 8, 16]
        if topology.wide_dilation and base_channels > 32:
            dilations.append(32)
        encoder += [(kernel, 4, 1, dilation) for dilation in dilations]
        encoder += [(kernel, 4, 1, 1)] * 2
        y, i = x, 0
        for k, channels, stride, dilation in encoder:
            activation = None if (c, i) in topology.linear else "elu"
            y = convolve(
                y, channels, k, f"column{c}_conv{i}", stride, dilation, activation
            )
            i += 1
        for step, value in tail:
            if step == "bilinear":
                y = BilinearUpsampling2D(value, name=f"column{c}_up{i}", dtype=dtype)(y)
            elif step == "nearest":
                y = keras_layers.UpSampling2D(value, name=f"column{c}_up{i}")(y)
            else:
                y = convolve(y, value, step, f"column{c}_conv{i}")
            i += 1
        features.append(y)

    x = ops.concatenate(features, axis=-1)
    x = convolve(x, 0.5, 3, "decoder_conv0")
    x = convolve(x, 3 / base_channels, 3, "decoder_conv1", activation=None)
    x = ops.cast(x, "float32")
    if topology.bgr:
        x = ops.flip(x, axis=-1)
    if hole_fill == "pull_push":
        x = filled + x
    prediction = ops.clip(x, -1.0, 1.0)
    return keras.Model([image, mask], prediction, name="generator")


def build_critic(side: int, base_channels: int = 64, name: str = "critic"):
    """Builds a WGAN-GP critic: images (B, side, side, 3) -> scores (B, 1).

    Six 5x5 convolutions of stride 2 and a dense layer, without normalization, always in
    float32 because the gradient penalty differentiates it twice.

    Args:
        side: height and width of the image or of the window around the hole, in pixels.
        base_channels: width of the first convolution.
    """
    image = keras.Input((side, side, 3), name=f"{name}_image")
    x = image
    for i, width in enumerate((1, 2, 4, 8, 4, 2)):
        x = keras_layers.Conv2D(
            width * base_channels,
            5,
            strides=2,
            padding="same",
            name=f"{name}_conv{i}",
            dtype="float32",
        )(x)
        x = keras_layers.LeakyReLU(0.2, name=f"{name}_relu{i}", dtype="float32")(x)
    x = keras_layers.Flatten(name=f"{name}_flatten", dtype="float32")(x)
    score = keras_layers.Dense(1, name=f"{name}_score", dtype="float32")(x)
    return keras.Model(image, score, name=name)


def _check(argument, value, known):
    if value not in known:
        raise InputError(f"{argument}: one of {', '.join(known)}, received {value!r}")


TOPOLOGIES = {
    # The official PyTorch code; 7 * base_channels wide where the columns meet.
    "pytorch": Topology(
        inputs=("image", "mask"),
        columns=(
            (7, 7, [("bilinear", 4)]),
            (5, 5, [("nearest", 2), (5, 2), (5, 2), ("bilinear", 2)]),
            (3, 3, [("nearest", 2), (3, 2), (3, 2), ("nearest", 2), (3, 1), (3, 1)]),
        ),
    ),
    # The official TensorFlow 1 code.
    "tf1": Topology(
        inputs=("image", "ones", "mask"),
        columns=(
            (7, 7, [("bilinear", 4)]),
            (5, 5, [("nearest", 2), (3, 2), (5, 2), ("bilinear", 2)]),
            (3, 5, [("nearest", 2), (3, 2), (3, 2), ("nearest", 2), (3, 1), (3, 0.5)]),
        ),
        bgr=True,
        wide_dilation=True,
    ),
    # The Keras port behind the attention report; it does not see the mask.
    "keras_port": Topology(
        inputs=("image",),
        columns=(
            (7, 7, [("nearest", 4)]),
            (5, 5, [("nearest", 2), (5, 2), (5, 2), ("nearest", 2)]),
            (3, 3, [("nearest", 2), (5, 2), (5, 2), ("nearest", 2), (3, 2), (3, 2)]),
        ),
        linear=((1, 5),),
    ),
}
