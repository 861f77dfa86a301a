"""A discriminator of patches, in the features of a frozen network.

Reference: Sauer et al., Projected GANs Converge Faster, NeurIPS 2021.
"""

import keras
from keras import layers as keras_layers
from keras import ops

from inpainting_zoo.layers.initializers import GlorotUniform


def build_feature_discriminator(channels, strides, width: int = 64):
    """Builds the discriminator: a list of features -> its activations.

    Features (B, H / s, W / s, C) are brought to unit length at each place, whatever
    their scale. A head for each has two convolutions, the first with the stride that
    leaves as many places as the narrowest features have. The activations are a list:
    those of both convolutions of each head, and last the logits (B, h, w, n) of all. In
    float32.

    Args:
        channels: C of each of the n features.
        strides: s of each, powers of two.
        width: channels of the heads.
    """
    inputs, activations, logits = [], [], []
    for i, (count, stride) in enumerate(zip(channels, strides, strict=True)):
        x = keras.Input((None, None, count), name=f"features{i}", dtype="float32")
        inputs.append(x)
        # Not Keras's: its gradient is NaN where all features are 0.
        x *= ops.rsqrt(ops.sum(ops.square(x), axis=-1, keepdims=True) + 1e-8)
        for j, step in enumerate((max(strides) // stride, 1)):
            x = keras_layers.Conv2D(
                width,
                max(3, step),
                strides=step,
                padding="same",
                activation="leaky_relu",  # of slope 0.2
                kernel_initializer=GlorotUniform(),
                name=f"head{i}_conv{j}",
                dtype="float32",
            )(x)
            activations.append(x)
        x = keras_layers.Conv2D(1, 1, name=f"head{i}_logits", dtype="float32")(x)
        logits.append(x)
    logits = keras_layers.Concatenate(name="logits", dtype="float32")(logits)
    return keras.Model(inputs, [*activations, logits], name="discriminator")


def share_of_patches(mask, height: int, width: int):
    """Returns how much of each patch is hole, (B, height, width, 1).

    Args:
        mask: (B, H, W, 1), 1 in the hole.
        height, width: of the logits, parts of H and W.
    """
    sides = (mask.shape[1] // height, mask.shape[2] // width)
    return ops.average_pool(mask, sides, sides)
