"""Networks of context encoders: encoder and decoder, and the discriminator.

Reference: Pathak et al., Context Encoders: Feature Learning by Inpainting, CVPR 2016.
"""

import functools

import keras
import numpy as np
from keras import layers as keras_layers
from keras import ops

from inpainting_zoo.context_encoder import architectures
from inpainting_zoo.errors import InputError, choose
from inpainting_zoo.features.lpips import lpips_network
from inpainting_zoo.layers.channelwise_dense import ChannelwiseDense
from inpainting_zoo.layers.initializers import Normal


def build_generator(
    topology: str = "centre",
    base_channels: int = 64,
    bottleneck: int = 4000,
    dtype: str = "float32",
):
    """Builds the generator: (image, mask) -> prediction, of the topology's size.

    Inputs are an image (B, S, S, 3) in [-1, 1], whose hole the network fills with a
    colour itself, and a mask (B, S, S, 1), 1 in the hole. The prediction (B, S, S, 3)
    is float32 in [-1, 1]. A topology for the centre predicts its half of height and
    width alone; around it the prediction is what the network was shown.

    Args:
        topology: name in `context_encoder.architectures.TOPOLOGIES`.
        base_channels: width of the first convolution.
        bottleneck: channels between encoder and decoder.
        dtype: Keras dtype policy of the inner layers, such as "mixed_bfloat16".

    Raises:
        InputError: if the topology is unknown.
    """
    table = choose("topology", topology, architectures.TOPOLOGIES)
    side = table.image_size
    block = functools.partial(_block, use_bias=table.use_bias, dtype=dtype)
    encode = functools.partial(block, keras_layers.Conv2D, slope=table.slope)
    decode = functools.partial(block, keras_layers.Conv2DTranspose, slope=0.0)

    image = keras.Input((side, side, 3), name="image")
    mask = keras.Input((side, side, 1), name="mask")
    x = filled = fill_hole(image, mask, table.fill)
    if table.pretrained:
        network, _ = lpips_network("alexnet")
        *_, x = network(filled)  # (B, 7, 7, 256)
    for i, width in enumerate(table.encoder):
        x = encode(x, width * base_channels, f"encoder{i}", norm=i > 0)
    if table.bottleneck == "channelwise":
        x = ChannelwiseDense(name="channelwise", dtype=dtype)(x)
    kernel, stride = architectures.BOTTLENECKS[table.bottleneck]
    norm = table.bottleneck_norm
    x = encode(x, bottleneck, "bottleneck", stride=stride, kernel=kernel, norm=norm)
    for i, width in enumerate(table.decoder):
        stride = 1 if i == 0 and table.bottleneck in ("valid", "alexnet") else 2
        x = decode(x, width * base_channels, f"decoder{i}", stride=stride)
    name = f"decoder{len(table.decoder)}"
    x = decode(x, 3, name, norm=False, slope=None)
    prediction = ops.tanh(ops.cast(x, "float32"))
    if table.centre:
        prediction = _in_the_middle(prediction, filled)
    return keras.Model([image, mask], prediction, name="generator")


def build_discriminator(
    topology: str = "centre",
    base_channels: int = 64,
    conditional: bool = False,
    name: str = "discriminator",
):
    """Builds the discriminator: predicted or real region -> logits (B, N).

    The region is the central half of a topology for the centre, else the whole image.
    There is one logit, or several where the convolutions do not reduce the region to
    4x4: one for each patch then. Always in float32.

    Args:
        topology: name in `context_encoder.architectures.TOPOLOGIES`.
        base_channels: width of the first convolution.
        conditional: whether it sees the surroundings as well. It takes a list then:
            region, image and mask, and fills the image's hole itself.
        name: of the model.

    Raises:
        InputError: if the topology is unknown, or has no surroundings to see.
    """
    table = choose("topology", topology, architectures.TOPOLOGIES)
    side = table.image_size // 2 if table.centre else table.image_size
    block = functools.partial(
        _block, keras_layers.Conv2D, use_bias=table.use_bias, slope=0.2, dtype="float32"
    )
    inputs = x = keras.Input((side, side, 3), name="region")
    if conditional:
        if not table.centre:
            raise InputError(
                f"conditional: only for a topology of the centre, received {topology!r}"
            )
        image = keras.Input((2 * side, 2 * side, 3), name="image")
        mask = keras.Input((2 * side, 2 * side, 1), name="mask")
        inputs = [x, image, mask]
        # The region stands where it belongs, in the middle of as many zeros. Padding of
        # two on each side is not what "same" means for a stride of 2.
        frame = keras_layers.ZeroPadding2D(side // 2 + 2, name=f"{name}_frame")(x)
        filled = fill_hole(image, mask, table.fill)
        filled = keras_layers.ZeroPadding2D(2, name=f"{name}_margin")(filled)
        entry = functools.partial(block, channels=base_channels, kernel=5, norm=False)
        entries = [
            entry(frame, name=f"{name}_region", slope=None),
            entry(filled, name=f"{name}_context", slope=None),
        ]
        x = keras_layers.Concatenate(name=f"{name}_both")(entries)
        x = keras_layers.LeakyReLU(0.2, name=f"{name}_relu")(x)
    for i, width in enumerate(table.discriminator):
        norm = conditional or i > 0
        x = block(x, width * base_channels, f"{name}{i}", norm=norm)
    last = f"{name}{len(table.discriminator)}"
    x = block(x, 1, last, stride=1, norm=False, slope=None)
    logits = keras_layers.Flatten(name=f"{name}_logits")(x)
    return keras.Model(inputs, logits, name=name)


def fill_hole(image, mask, colour):
    """Returns the image with its hole in one colour, three numbers in [-1, 1]."""
    return image * (1 - mask) + mask * np.asarray(colour, "float32")


def _in_the_middle(centre, image):
    """Replaces the central half of height and width of images (B, S, S, 3)."""
    quarter = image.shape[1] // 4
    around = np.ones((1, *image.shape[1:3], 1), "float32")
    around[:, quarter:-quarter, quarter:-quarter] = 0
    margin = (quarter, quarter)
    return image * around + ops.pad(centre, ((0, 0), margin, margin, (0, 0)))


def _block(
    layer,
    x,
    channels,
    name,
    use_bias,
    slope,
    dtype,
    stride=2,
    kernel=4,
    norm=True,
):
    """Applies a convolution, batch normalization if wanted, and a leaky ReLU.

    A kernel of 4 with a stride of 2 is padded with a zero on each side, so that an even
    image halves or doubles; else nothing is padded. A slope of None is linear.
    """
    x = layer(
        channels,
        kernel,
        strides=stride,
        padding="same" if (kernel, stride) == (4, 2) else "valid",
        use_bias=use_bias,
        kernel_initializer=Normal(0.02),
        name=name,
        dtype=dtype,
    )(x)
    if norm:
        x = keras_layers.BatchNormalization(
            momentum=0.9,
            epsilon=1e-5,
            gamma_initializer=Normal(0.02, mean=1.0),
            name=f"{name}_norm",
            dtype=dtype,
        )(x)
    if slope is None:
        return x
    return keras_layers.LeakyReLU(slope, name=f"{name}_relu", dtype=dtype)(x)
