"""What the networks of Stable Diffusion have in common.

Layers have the names that diffusers gives them, dots included, so that its weight files
need no table of names.
"""

from collections.abc import Callable

from keras import layers as keras_layers
from keras import ops

from inpainting_zoo.layers.dot_product_attention import DotProductAttention
from inpainting_zoo.layers.initializers import GlorotUniform


def conv(x, channels: int, name: str, kernel: int = 3, dtype: str = "float32"):
    """Convolves (B, H, W, C) with stride 1, to `channels` of the same size."""
    return keras_layers.Conv2D(
        channels,
        kernel,
        padding="same",
        kernel_initializer=GlorotUniform(),
        name=name,
        dtype=dtype,
    )(x)


def dense(
    x,
    units: int,
    name: str,
    use_bias: bool = True,
    dtype: str = "float32",
    adapt: Callable | None = None,
):
    """Maps the last axis to `units`; what `adapt(x, units, name)` returns is added."""
    y = keras_layers.Dense(
        units,
        use_bias=use_bias,
        kernel_initializer=GlorotUniform(),
        name=name,
        dtype=dtype,
    )(x)
    return y + adapt(x, units, name) if adapt else y


def group_norm(x, name: str, groups: int, epsilon: float, dtype: str = "float32"):
    """Normalizes (B, H, W, C) over the pixels and channels of each group."""
    return keras_layers.GroupNormalization(
        groups, epsilon=epsilon, name=name, dtype=dtype
    )(x)


def halve(x, name: str, padding, dtype: str = "float32"):
    """Halves height and width by a 3x3 convolution of stride 2.

    Args:
        x: (B, H, W, C).
        name: of the convolution.
        padding: pixels of zeros; ((before, after), (before, after)) or one number.
        dtype: Keras dtype policy.
    """
    channels = x.shape[-1]
    x = keras_layers.ZeroPadding2D(padding, name=f"{name}.pad", dtype=dtype)(x)
    return keras_layers.Conv2D(
        channels,
        3,
        strides=2,
        kernel_initializer=GlorotUniform(),
        name=name,
        dtype=dtype,
    )(x)


def double(x, name: str, dtype: str = "float32"):
    """Repeats every pixel of (B, H, W, C) twice a side, and convolves."""
    channels = x.shape[-1]
    x = keras_layers.UpSampling2D(2, name=f"{name}.repeat", dtype=dtype)(x)
    return conv(x, channels, name, dtype=dtype)


def residual(
    x,
    channels: int,
    name: str,
    time=None,
    groups: int = 32,
    epsilon: float = 1e-6,
    dtype: str = "float32",
):
    """Adds two normalized convolutions to (B, H, W, C), and the time between them.

    Args:
        x: features; a 1x1 convolution makes them `channels` if they are not.
        channels: of the result.
        name: of the block.
        time: (B, T), what is known of the noise's level; None adds none.
        groups, epsilon: of the normalizations.
        dtype: Keras dtype policy.
    """
    h = group_norm(x, f"{name}.norm1", groups, epsilon, dtype)
    h = conv(ops.silu(h), channels, f"{name}.conv1", dtype=dtype)
    if time is not None:
        shift = dense(ops.silu(time), channels, f"{name}.time_emb_proj", dtype=dtype)
        h = h + shift[:, None, None]
    h = group_norm(h, f"{name}.norm2", groups, epsilon, dtype)
    h = conv(ops.silu(h), channels, f"{name}.conv2", dtype=dtype)
    if x.shape[-1] != channels:
        x = conv(x, channels, f"{name}.conv_shortcut", kernel=1, dtype=dtype)
    return x + h


def attend(
    x,
    context,
    heads: int,
    name: str,
    use_bias: bool = False,
    slices: int = 1,
    dtype: str = "float32",
    adapt: Callable | None = None,
):
    """Returns what x (B, ..., C) gathers of a context (B, ..., D).

    Args:
        x: what asks.
        context: what is asked; x itself for self-attention.
        heads: of the attention.
        name: of the block.
        use_bias: whether queries, keys and values have a bias; the output has one.
        slices: see `layers.dot_product_attention.DotProductAttention`.
        dtype: Keras dtype policy.
        adapt: see `dense`; of all four projections.
    """
    channels, options = x.shape[-1], {"dtype": dtype, "adapt": adapt}
    found = DotProductAttention(
        heads, slices=slices, name=f"{name}.heads", dtype=dtype
    )(
        dense(x, channels, f"{name}.to_q", use_bias, **options),
        dense(context, channels, f"{name}.to_k", use_bias, **options),
        dense(context, channels, f"{name}.to_v", use_bias, **options),
    )
    return dense(found, channels, f"{name}.to_out.0", **options)
