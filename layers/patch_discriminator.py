"""A discriminator of patches that overlap.

Reference: Wang et al., High-Resolution Image Synthesis and Semantic Manipulation with
Conditional GANs (pix2pixHD), CVPR 2018.
"""

import keras
from keras import layers as keras_layers

from inpainting_zoo.layers.batch_normalization import BatchNormalization
from inpainting_zoo.layers.initializers import GlorotUniform

MAX_CHANNELS = 512


def build_discriminator(base_channels: int = 64, layers: int = 4):
    """Builds the discriminator: colours (B, H, W, 3) in [0, 1] -> its activations.

    They are a list: `layers + 1` feature maps after their activation, and last the
    logits (B, h, w, 1), one for each of the patches that overlap. Convolutions of 4x4
    are padded with 2 zeros on every side. Always in float32, because R1 differentiates
    it twice.

    Args:
        base_channels: width of the first convolution.
        layers: convolutions of stride 2.
    """
    name = "discriminator"
    widths = [min(MAX_CHANNELS, base_channels * 2**i) for i in range(layers + 1)]
    image = keras.Input((None, None, 3), name="colours")
    x, activations = image, []
    for i, channels in enumerate([*widths, 1]):
        x = keras_layers.ZeroPadding2D(2, name=f"{name}{i}_pad", dtype="float32")(x)
        x = keras_layers.Conv2D(
            channels,
            4,
            strides=2 if i < layers else 1,
            kernel_initializer=GlorotUniform(),
            name=f"{name}{i}",
            dtype="float32",
        )(x)
        if 0 < i <= layers:
            x = BatchNormalization(name=f"{name}{i}_norm", dtype="float32")(x)
        if i <= layers:
            x = keras_layers.LeakyReLU(0.2, name=f"{name}{i}_relu", dtype="float32")(x)
        activations.append(x)
    return keras.Model(image, activations, name=name)
