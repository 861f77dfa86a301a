"""The network of masked autoencoders, for holes of any shape.

References: He et al., Masked Autoencoders Are Scalable Vision Learners, CVPR 2022; Cao
et al., Learning Prior Feature and Attention Enhanced Image Inpainting, ECCV 2022; Wang
et al., Towards Enhanced Image Inpainting: Mitigating Unwanted Object Insertion and
Preserving Color Consistency, CVPR 2025.
"""

import keras
import numpy as np
from keras import layers as keras_layers
from keras import ops

from inpainting_zoo.errors import InputError
from inpainting_zoo.features.normalization import imagenet, of_imagenet
from inpainting_zoo.layers.initializers import Normal
from inpainting_zoo.layers.transformer import dense, layer_norm, transformer_block
from inpainting_zoo.mae.presets import FAMILY

LONGEST_PERIOD = 10_000  # of the sines that encode a position


def build_generator(
    image_size: int = 256,
    patch: int = 16,
    width: int = 768,
    depth: int = 12,
    heads: int = 12,
    decoder_width: int = 512,
    decoder_depth: int = 8,
    decoder_heads: int = 16,
    partial: bool = True,
    dtype: str = "float32",
):
    """Builds the autoencoder: (image, mask) -> prediction.

    Inputs are an image (B, S, S, 3) in [-1, 1], whose hole the network empties itself,
    and a mask (B, S, S, 1), 1 in the hole. The prediction (B, S, S, 3) is float32,
    about in [-1, 1], and covers known pixels as well. In between colours have mean 0
    and deviation 1 over ImageNet. There is no class token.

    It has layers that are networks: "embedding", "encoder" and "decoder"; see below.

    Args:
        image_size: S in pixels.
        patch: side of a patch in pixels.
        width, depth, heads: of the encoder.
        decoder_width, decoder_depth, decoder_heads: of the decoder.
        partial: whether the decoder is shown what is known of patches that the hole
            only touches; without it nothing is.
        dtype: Keras dtype policy of the layers.

    Raises:
        InputError: if patches do not fill the image, or heads a width.
    """
    FAMILY.sizes(image_size=image_size, patch=patch)
    for name, size, count in (
        ("heads", width, heads),
        ("decoder_heads", decoder_width, decoder_heads),
    ):
        if size % count or size % 4:
            raise InputError(
                f"{name}: must divide a width that is a multiple of 4, received "
                f"{count} for {size}"
            )
    embedding = build_embedding(image_size, patch, width, dtype)
    encoder = build_encoder(width, depth, heads, dtype)
    options = (decoder_width, decoder_depth, decoder_heads, partial, dtype)
    decoder = build_decoder(image_size, patch, width, *options)
    image = keras.Input((image_size, image_size, 3), name="image")
    mask = keras.Input((image_size, image_size, 1), name="mask")
    pixels = decoder(see(image, mask, embedding, encoder))
    x = of_imagenet(join_patches(pixels, image_size, patch))
    return keras.Model([image, mask], x, name="generator")


def see(image, mask, embedding, encoder):
    """Returns what the decoder takes of an image: [tokens, shown].

    Args:
        image: (B, S, S, 3) in [-1, 1].
        mask: (B, S, S, 1), 1 in the hole. Patches that it touches are seen by none.
        embedding, encoder: layers of the generator.
    """
    known = imagenet(image) * (1 - mask)
    tokens = embedding(known)
    patch = image.shape[1] // round(tokens.shape[1] ** 0.5)
    whole = 1 - ops.max(split_patches(mask, patch), axis=-1)
    return [encoder([tokens, whole]), ops.concatenate([known, mask], axis=-1)]


def build_features(generator, blocks: int):
    """Builds (image, mask) -> tokens (B, n, decoder_width), what the decoder knows.

    Args:
        generator: of `build_generator`; its layers are shared.
        blocks: of the decoder that have seen them.

    Raises:
        InputError: if the decoder has not so many.
    """
    decoder = generator.get_layer("decoder")
    count = sum(layer.name.endswith(".attn.qkv") for layer in decoder.layers)
    if not 1 <= blocks <= count:
        raise InputError(
            f"feature_blocks: must be 1 to the {count} of the decoder, received "
            f"{blocks}"
        )
    found = decoder.get_layer(f"decoder_blocks.{blocks - 1}").output
    first_blocks = keras.Model(decoder.inputs, found, name="decoder")
    image, mask = (keras.Input(x.shape[1:], name=x.name) for x in generator.inputs)
    layers = (generator.get_layer(name) for name in ("embedding", "encoder"))
    tokens = first_blocks(see(image, mask, *layers))
    return keras.Model([image, mask], ops.cast(tokens, "float32"), name="mae")


def build_embedding(image_size: int, patch: int, width: int, dtype: str = "float32"):
    """Builds colours (B, S, S, 3) -> tokens (B, n, width), each with its position."""
    colours = keras.Input((image_size, image_size, 3), name="colours")
    tokens = embed_patches(colours, patch, width, "patch_embed.proj", dtype)
    tokens = Positions(name="positions", dtype=dtype)(tokens)
    return keras.Model(colours, tokens, name="embedding")


def build_encoder(width: int, depth: int, heads: int, dtype: str = "float32"):
    """Builds [tokens (B, n, width), seen (B, n)] -> tokens (B, n, width).

    None asks a token that is not seen, so what becomes of the others does not depend
    on it.
    """
    tokens = keras.Input((None, width), name="tokens")
    seen = keras.Input((None,), name="seen")
    x = tokens
    for i in range(depth):
        x = transformer_block(x, heads, f"blocks.{i}", seen=seen, dtype=dtype)
    return keras.Model([tokens, seen], layer_norm(x, "norm", dtype), name="encoder")


def build_decoder(
    image_size: int,
    patch: int,
    width: int,
    decoder_width: int,
    decoder_depth: int,
    decoder_heads: int,
    partial: bool,
    dtype: str = "float32",
):
    """Builds [tokens, shown] -> pixels (B, n, 3 patch^2) of all patches.

    The tokens (B, n, width) are the encoder's, shown (B, S, S, 4) what is known, with
    an empty hole, and the mask, 1 in the hole.
    """
    side = image_size // patch
    tokens = keras.Input((side**2, width), name="tokens")
    shown = keras.Input((image_size, image_size, 4), name="shown")
    area = ops.mean(split_patches(shown[..., 3:], patch), axis=-1)
    x = [dense(tokens, decoder_width, "decoder_embed", dtype), area]
    if partial:
        name = "decoder_patch_embed.proj"
        x.append(embed_patches(shown, patch, decoder_width, name, dtype))
    x = MaskToken(name="mask_token", dtype=dtype)(x)
    x = Positions(name="decoder_positions", dtype=dtype)(x)
    for i in range(decoder_depth):
        x = transformer_block(x, decoder_heads, f"decoder_blocks.{i}", dtype=dtype)
    x = layer_norm(x, "decoder_norm", dtype)
    x = dense(x, 3 * patch**2, "decoder_pred", dtype)
    return keras.Model([tokens, shown], ops.cast(x, "float32"), name="decoder")


@keras.saving.register_keras_serializable("inpainting")
class MaskToken(keras.layers.Layer):
    """Puts one learned token where a hole touches a patch.

    Takes a list: tokens (B, n, C), the share (B, n) of each patch that the hole covers,
    and perhaps tokens (B, n, C) of what is known of it. Where that is a part of the
    patch it is mixed with the learned token, of which the share alpha, learned as well,
    stays.
    """

    def build(self, input_shape):
        width = input_shape[0][-1]
        self.token = self.add_weight(
            shape=(1, 1, width), initializer=Normal(0.02), name="token"
        )
        self.alpha = None
        if len(input_shape) == 3:
            # Beyond its bounds it would have no gradient, and never come back.
            self.alpha = self.add_weight(
                shape=(),
                initializer="ones",
                constraint=lambda x: ops.clip(x, 0.0, 1.0),
                name="alpha",
            )

    def call(self, inputs):
        tokens, area, *known = inputs
        area = area[..., None]
        token = ops.cast(self.token, tokens.dtype)
        if known:
            alpha = ops.cast(ops.clip(self.alpha, 0.0, 1.0), tokens.dtype)
            mixed = alpha * token + (1 - alpha) * known[0]
            token = ops.where(area < 1, mixed, token)
        return ops.where(area > 0, token, tokens)

    def compute_output_shape(self, input_shape):
        return input_shape[0]


def embed_patches(x, patch: int, width: int, name: str, dtype: str = "float32"):
    """Maps every patch of (B, S, S, C) to a token: (B, n, width)."""
    inputs = patch**2 * x.shape[-1]
    x = keras_layers.Conv2D(
        width,
        patch,
        strides=patch,
        kernel_initializer=Normal((2 / (inputs + width)) ** 0.5),  # a dense layer's
        name=name,
        dtype=dtype,
    )(x)
    return keras_layers.Reshape((-1, width), name=f"{name}.rows", dtype=dtype)(x)


@keras.saving.register_keras_serializable("inpainting")
class Positions(keras.layers.Layer):
    """Adds to tokens (B, n, C) of a square picture where each of them is."""

    def call(self, tokens):
        count, width = tokens.shape[1:]
        return tokens + ops.cast(positions(round(count**0.5), width), tokens.dtype)

    def compute_output_shape(self, input_shape):
        return input_shape


def positions(side: int, width: int):
    """Returns sines and cosines (1, side^2, width) of columns, then those of rows.

    Reference: Vaswani et al., Attention Is All You Need, NeurIPS 2017, section 3.5.
    """
    rows, columns = np.divmod(np.arange(side**2), side)
    frequencies = LONGEST_PERIOD ** -(np.arange(width // 4) / (width // 4))
    angles = [np.outer(x, frequencies) for x in (columns, rows)]
    waves = [f(x) for x in angles for f in (np.sin, np.cos)]
    return np.concatenate(waves, axis=1)[None].astype("float32")


def split_patches(x, patch: int):
    """Returns the numbers of each patch of (B, S, S, C): (B, n, patch^2 C)."""
    side, channels = x.shape[1] // patch, x.shape[-1]
    x = ops.reshape(x, (-1, side, patch, side, patch, channels))
    x = ops.transpose(x, (0, 1, 3, 2, 4, 5))
    return ops.reshape(x, (-1, side**2, patch**2 * channels))


def join_patches(x, image_size: int, patch: int):
    """Returns the image (B, S, S, C) of the numbers of each patch."""
    side, channels = image_size // patch, x.shape[-1] // patch**2
    x = ops.reshape(x, (-1, side, side, patch, patch, channels))
    x = ops.transpose(x, (0, 1, 3, 2, 4, 5))
    return ops.reshape(x, (-1, image_size, image_size, channels))
