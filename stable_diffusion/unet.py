"""The U-Net of Stable Diffusion, which predicts the noise in latents.

Reference: Rombach et al., High-Resolution Image Synthesis with Latent Diffusion Models,
CVPR 2022.
"""

import functools
from collections.abc import Callable

import keras
import numpy as np
from keras import layers as keras_layers
from keras import ops

from inpainting_zoo.errors import InputError
from inpainting_zoo.layers.gelu import gelu
from inpainting_zoo.layers.lora import LoRA
from inpainting_zoo.stable_diffusion import blocks

LONGEST_PERIOD = 10_000  # of the sines that encode a time step


def build_unet(
    channels: tuple = (320, 640, 1280, 1280),
    heads: tuple = (8, 8, 8, 8),
    attention: tuple = (True, True, True, False),
    layers: int = 2,
    context_channels: int = 768,
    groups: int = 32,
    inputs: int = 9,
    outputs: int = 4,
    slices: int = 1,
    dtype: str = "float32",
    lora: LoRA | None = None,
):
    """Builds the U-Net: (latents, time steps, text) -> noise.

    Latents are (B, h, w, inputs), where h and w are divisible by
    2**(len(channels) - 1): for inpainting the noisy ones, the mask and those of the
    masked image, in this order. Time steps are (B,), the text (B, n, context_channels).
    The noise (B, h, w, outputs) is float32.

    Args:
        channels: of each level, finest first.
        heads: of the attention at each level.
        attention: whether each level has attention; the middle always has.
        layers: residual blocks of a level on the way down; on the way up one more.
        context_channels: of the text's embeddings.
        groups: of the normalizations.
        inputs, outputs: channels of what comes in and goes out.
        slices: see `layers.dot_product_attention.DotProductAttention`.
        dtype: Keras dtype policy of the layers, such as "mixed_bfloat16".
        lora: adapts the projections of all attention, by the fourth input (B,), its
            scale, which there is only then.

    Raises:
        InputError: if there are not as many heads and attentions as levels.
    """
    if not len(channels) == len(heads) == len(attention):
        raise InputError(
            f"heads, attention: must be one for each of {len(channels)} levels, "
            f"received {len(heads)} and {len(attention)}"
        )
    options = {"groups": groups, "dtype": dtype}
    latents = keras.Input((None, None, inputs), name="latents")
    timestep = keras.Input((), name="timestep")
    context = keras.Input((None, context_channels), name="context")
    inputs, adapt = [latents, timestep, context], None
    if lora:
        inputs.append(keras.Input((), name="lora_scale"))
        adapt = functools.partial(lora.adapt, scale=inputs[-1])

    time = encode_time(timestep, channels[0])
    time = blocks.dense(time, 4 * channels[0], "time_embedding.linear_1", dtype=dtype)
    time = ops.silu(time)
    time = blocks.dense(time, 4 * channels[0], "time_embedding.linear_2", dtype=dtype)
    residual = functools.partial(blocks.residual, time=time, epsilon=1e-5, **options)
    transform = functools.partial(
        transformer, context=context, slices=slices, adapt=adapt, **options
    )

    x = blocks.conv(latents, channels[0], "conv_in", dtype=dtype)
    skips = [x]
    last = len(channels) - 1
    for i, width in enumerate(channels):
        name = f"down_blocks.{i}"
        for j in range(layers):
            x = residual(x, width, f"{name}.resnets.{j}")
            if attention[i]:
                x = transform(x, heads=heads[i], name=f"{name}.attentions.{j}")
            skips.append(x)
        if i < last:
            x = blocks.halve(x, f"{name}.downsamplers.0.conv", 1, dtype)
            skips.append(x)

    x = residual(x, channels[-1], "mid_block.resnets.0")
    x = transform(x, heads=heads[-1], name="mid_block.attentions.0")
    x = residual(x, channels[-1], "mid_block.resnets.1")

    for i in range(len(channels)):
        name, level = f"up_blocks.{i}", last - i
        for j in range(layers + 1):
            x = ops.concatenate([x, skips.pop()], axis=-1)
            x = residual(x, channels[level], f"{name}.resnets.{j}")
            if attention[level]:
                x = transform(x, heads=heads[level], name=f"{name}.attentions.{j}")
        if level:
            x = blocks.double(x, f"{name}.upsamplers.0.conv", dtype)

    x = ops.silu(blocks.group_norm(x, "conv_norm_out", epsilon=1e-5, **options))
    x = blocks.conv(x, outputs, "conv_out", dtype=dtype)
    return keras.Model(inputs, ops.cast(x, "float32"), name="unet")


def encode_time(timestep, channels: int):
    """Returns cosines and sines (B, channels) of time steps (B,)."""
    half = channels // 2
    frequencies = np.exp(-np.log(LONGEST_PERIOD) * np.arange(half) / half)
    angles = ops.cast(timestep, "float32")[:, None] * frequencies.astype("float32")
    return ops.concatenate([ops.cos(angles), ops.sin(angles)], axis=-1)


def transformer(
    x,
    context,
    heads: int,
    name: str,
    groups: int = 32,
    slices: int = 1,
    dtype: str = "float32",
    adapt: Callable | None = None,
):
    """Adds self-attention, attention to a text and a gated layer to (B, h, w, C).

    Args:
        x: features.
        context: (B, n, D).
        heads: of both attentions.
        name: of the block.
        groups: of the normalization.
        slices: of the self-attention.
        dtype: Keras dtype policy.
        adapt: see `blocks.dense`; of the projections of both attentions.

    Reference: Shazeer, GLU Variants Improve Transformer, 2020 (the gate).
    """

    def norm(x, number):
        return keras_layers.LayerNormalization(
            epsilon=1e-5, name=f"{block}.norm{number}", dtype=dtype
        )(x)

    channels, block = x.shape[-1], f"{name}.transformer_blocks.0"
    h = blocks.group_norm(x, f"{name}.norm", groups, 1e-6, dtype)
    h = blocks.dense(h, channels, f"{name}.proj_in", dtype=dtype)
    own, options = norm(h, 1), {"dtype": dtype, "adapt": adapt}
    h = h + blocks.attend(own, own, heads, f"{block}.attn1", slices=slices, **options)
    h = h + blocks.attend(norm(h, 2), context, heads, f"{block}.attn2", **options)
    gated = blocks.dense(
        norm(h, 3), 8 * channels, f"{block}.ff.net.0.proj", dtype=dtype
    )
    values, gates = ops.split(gated, 2, axis=-1)
    gated = values * gelu(gates)
    h = h + blocks.dense(gated, channels, f"{block}.ff.net.2", dtype=dtype)
    return x + blocks.dense(h, channels, f"{name}.proj_out", dtype=dtype)
