"""The block of vision transformers."""

from keras import layers as keras_layers
from keras import ops

from inpainting_zoo.layers.dot_product_attention import DotProductAttention
from inpainting_zoo.layers.gelu import gelu
from inpainting_zoo.layers.initializers import GlorotUniform

EPSILON = 1e-6  # of the normalizations


def dense(x, units: int, name: str, dtype: str = "float32"):
    """Maps the last axis to `units`."""
    return keras_layers.Dense(
        units, kernel_initializer=GlorotUniform(), name=name, dtype=dtype
    )(x)


def layer_norm(x, name: str, dtype: str = "float32"):
    """Normalizes the last axis."""
    return keras_layers.LayerNormalization(epsilon=EPSILON, name=name, dtype=dtype)(x)


def transformer_block(
    x,
    heads: int,
    name: str,
    context=None,
    seen=None,
    dtype: str = "float32",
):
    """Adds attention and a dense layer four times as wide to tokens (B, n, C).

    Layers have the names that timm gives them, dots included; the last is called as the
    block is.

    Args:
        x: tokens.
        heads: of the attention.
        name: of the block.
        context: tokens (B, m, C) that are asked instead of x itself.
        seen: (B, m), which tokens are asked; all by default.
        dtype: Keras dtype policy.

    Reference: Dosovitskiy et al., An Image is Worth 16x16 Words, ICLR 2021.
    """
    channels = x.shape[-1]
    h = layer_norm(x, f"{name}.norm1", dtype)
    if context is None:
        q, k, v = ops.split(dense(h, 3 * channels, f"{name}.attn.qkv", dtype), 3, -1)
    else:
        q = dense(h, channels, f"{name}.attn.q", dtype)
        k, v = ops.split(dense(context, 2 * channels, f"{name}.attn.kv", dtype), 2, -1)
    attend = DotProductAttention(heads, name=f"{name}.attn.heads", dtype=dtype)
    x = x + dense(attend(q, k, v, seen=seen), channels, f"{name}.attn.proj", dtype)
    h = layer_norm(x, f"{name}.norm2", dtype)
    h = gelu(dense(h, 4 * channels, f"{name}.mlp.fc1", dtype))
    h = dense(h, channels, f"{name}.mlp.fc2", dtype)
    return keras_layers.Add(name=name, dtype=dtype)([x, h])
