"""The autoencoder of Stable Diffusion: pictures to latents an eighth as wide, and back.

References: Rombach et al., High-Resolution Image Synthesis with Latent Diffusion
Models, CVPR 2022; Zhu et al., Designing a Better Asymmetric VQGAN for StableDiffusion,
2023.
"""

import keras
from keras import layers as keras_layers
from keras import ops

from inpainting_zoo.layers.initializers import GlorotUniform
from inpainting_zoo.stable_diffusion import blocks


def build_encoder(
    channels: tuple = (128, 256, 512, 512),
    layers: int = 2,
    latents: int = 4,
    groups: int = 32,
    normalized: bool = False,
    dtype: str = "float32",
):
    """Builds the encoder: a picture -> mean and logarithm of the variance of latents.

    The picture is (B, H, W, 3) in [-1, 1], H and W divisible by
    2**(len(channels) - 1); the result (B, h, w, 2 latents) is float32, of latents that
    are not scaled yet.

    Args:
        channels: of each level, finest first; each but the first halves the picture.
        layers: residual blocks of a level.
        latents: channels of the latents.
        groups: of the normalizations.
        normalized: whether each channel's mean is brought to variance 1, that of the
            batch in training, so that latents need no scale.
        dtype: Keras dtype policy of the layers.
    """
    options = {"groups": groups, "dtype": dtype}
    image = keras.Input((None, None, 3), name="image")
    x = blocks.conv(image, channels[0], "encoder.conv_in", dtype=dtype)
    for i, width in enumerate(channels):
        name = f"encoder.down_blocks.{i}"
        for j in range(layers):
            x = blocks.residual(x, width, f"{name}.resnets.{j}", **options)
        if i < len(channels) - 1:
            # Unlike the U-Net's: zeros only below and to the right.
            below = ((0, 1), (0, 1))
            x = blocks.halve(x, f"{name}.downsamplers.0.conv", below, dtype)
    x = middle(x, "encoder.mid_block", **options)
    x = blocks.group_norm(x, "encoder.conv_norm_out", epsilon=1e-6, **options)
    x = blocks.conv(ops.silu(x), 2 * latents, "encoder.conv_out", dtype=dtype)
    x = blocks.conv(x, 2 * latents, "quant_conv", kernel=1, dtype=dtype)
    x = ops.cast(x, "float32")
    if normalized:
        mean, log_variance = ops.split(x, 2, axis=-1)
        mean = keras_layers.BatchNormalization(
            center=False, scale=False, name="latent_norm", dtype="float32"
        )(mean)
        x = ops.concatenate([mean, log_variance], axis=-1)
    return keras.Model(image, x, name="encoder")


def build_decoder(
    channels: tuple = (128, 256, 512, 512),
    layers: int = 2,
    latents: int = 4,
    groups: int = 32,
    conditional: bool = False,
    dtype: str = "float32",
):
    """Builds the decoder: (latents, picture, mask) -> picture.

    Latents are (B, h, w, latents), not scaled any more; the picture that is decoded is
    float32 (B, H, W, 3), about in [-1, 1]. A conditional decoder, that of an asymmetric
    autoencoder, takes its features at known pixels from those of the picture
    (B, H, W, 3), whose hole is empty, by the mask (B, H, W, 1), 1 in the hole. Others
    take latents alone.

    Args:
        channels: of each level, finest first. Those of a conditional decoder are
            multiples of the first as 1, 2, 4, 4.
        layers: residual blocks of a level, less one.
        latents: channels of the latents.
        groups: of the normalizations.
        conditional: whether the known pixels are seen.
        dtype: Keras dtype policy of the layers.
    """
    options = {"groups": groups, "dtype": dtype}
    inputs = [keras.Input((None, None, latents), name="latents")]
    if conditional:
        inputs += [keras.Input((None, None, n), name=k) for k, n in PICTURE.items()]
        known = known_features(inputs[1], channels[0], dtype)

    def show(x, level):
        return merge(x, inputs[2], known, level) if conditional else x

    x = blocks.conv(inputs[0], latents, "post_quant_conv", kernel=1, dtype=dtype)
    x = blocks.conv(x, channels[-1], "decoder.conv_in", dtype=dtype)
    x = middle(x, "decoder.mid_block", **options)
    for i, width in enumerate(reversed(channels)):
        name, level = f"decoder.up_blocks.{i}", len(channels) - 1 - i
        x = show(x, level + 1)
        for j in range(layers + 1):
            x = blocks.residual(x, width, f"{name}.resnets.{j}", **options)
        if level:
            x = blocks.double(x, f"{name}.upsamplers.0.conv", dtype)
    x = show(x, 0)
    x = blocks.group_norm(x, "decoder.conv_norm_out", epsilon=1e-6, **options)
    x = blocks.conv(ops.silu(x), 3, "decoder.conv_out", dtype=dtype)
    inputs = inputs if conditional else inputs[0]
    return keras.Model(inputs, ops.cast(x, "float32"), name="decoder")


def middle(x, name: str, groups: int = 32, dtype: str = "float32"):
    """Puts self-attention of one head between two residual blocks of (B, h, w, C)."""
    options = {"groups": groups, "dtype": dtype}
    x = blocks.residual(x, x.shape[-1], f"{name}.resnets.0", **options)
    attention = f"{name}.attentions.0"
    h = blocks.group_norm(x, f"{attention}.group_norm", epsilon=1e-6, **options)
    x = x + blocks.attend(h, h, 1, attention, use_bias=True, dtype=dtype)
    return blocks.residual(x, x.shape[-1], f"{name}.resnets.1", **options)


def known_features(image, base: int, dtype: str = "float32"):
    """Returns features of what is known, for every place where they are merged.

    They are (B, H, W, base), (B, H, W, 2 base), then, halved each time, 4 base thrice.
    """
    found, x = [], image
    for i, width in enumerate((base, 2 * base, 4 * base, 4 * base, 4 * base)):
        name = f"decoder.condition_encoder.layers.{i}"
        x = keras_layers.ZeroPadding2D(1, name=f"{name}.pad", dtype=dtype)(x)
        x = keras_layers.Conv2D(
            width,
            3 if i < 2 else 4,
            strides=1 if i < 2 else 2,
            kernel_initializer=GlorotUniform(),
            name=name,
            dtype=dtype,
        )(x)
        found.append(x)
        x = ops.relu(x)
    return found


def merge(x, mask, known, level: int):
    """Takes features x in the hole and known ones elsewhere, at one of the levels.

    Args:
        x: (B, h, w, C).
        mask: (B, H, W, 1), 1 in the hole.
        known: what `known_features` returns.
        level: number of those of x's size.
    """
    shrunk = mask
    if level > 1:
        # PyTorch's nearest interpolation: the first pixel of each cell.
        shrunk = keras_layers.MaxPooling2D(1, strides=2 ** (level - 1))(mask)
    shrunk = ops.cast(shrunk, x.dtype)
    return x * shrunk + known[level] * (1 - shrunk)


PICTURE = {"image": 3, "mask": 1}  # channels of what a conditional decoder also takes
