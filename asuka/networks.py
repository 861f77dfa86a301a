"""The alignment of ASUKA: what a masked autoencoder knows, as a diffusion's condition.

Reference: Wang et al., Towards Enhanced Image Inpainting: Mitigating Unwanted Object
Insertion and Preserving Color Consistency, CVPR 2025.
"""

import keras
from keras import layers as keras_layers
from keras import ops

from inpainting_zoo.errors import InputError, choose
from inpainting_zoo.layers.dot_product_attention import DotProductAttention
from inpainting_zoo.layers.initializers import Normal
from inpainting_zoo.layers.transformer import (
    EPSILON,
    dense,
    layer_norm,
    transformer_block,
)


def build_alignment(
    tokens: int = 256,
    inputs: int = 512,
    width: int = 768,
    heads: int = 12,
    form: str = "self_attention",
    blocks: int = 4,
    dtype: str = "float32",
):
    """Builds the alignment: features (B, tokens, inputs) -> (B, tokens, width).

    What comes out, float32, takes the place of a text's embeddings.

    Args:
        tokens: of a picture.
        inputs: channels of the features.
        width: of the condition.
        heads: of the attention.
        form: name in `FORMS`; "linear" has no blocks.
        blocks: of attention.
        dtype: Keras dtype policy of the layers.

    Raises:
        InputError: if the form is unknown, or heads do not divide the width.
    """
    transform = choose("form", form, FORMS)
    if width % heads:
        raise InputError(
            f"heads: must divide the condition's {width} channels, received {heads}"
        )
    features = keras.Input((tokens, inputs), name="features")
    x = dense(features, width, "0", dtype)
    x = transform(x, heads, blocks, dtype)
    return keras.Model(features, ops.cast(x, "float32"), name="alignment")


def self_attention(x, heads: int, blocks: int, dtype: str):
    """Blocks of vision transformers, and a normalization."""
    for i in range(blocks):
        x = transformer_block(x, heads, f"{i + 1}", dtype=dtype)
    return layer_norm(x, f"{blocks + 1}", dtype)


def cross_attention(x, heads: int, blocks: int, dtype: str):
    """The same with learned tokens, which ask those of the picture."""
    asking = LearnedTokens(name="asking", dtype=dtype)(x)
    for i in range(blocks):
        asking = transformer_block(asking, heads, f"{i + 1}", context=x, dtype=dtype)
    return layer_norm(asking, f"{blocks + 1}", dtype)


def parallel_attention(x, heads: int, blocks: int, dtype: str):
    """Blocks whose dense layers work beside the attention, and a normalization.

    Reference: Dehghani et al., Scaling Vision Transformers to 22 Billion Parameters,
    ICML 2023, section 2; it is the form of the weights released for FLUX.
    """
    for i in range(blocks):
        x = parallel_block(x, heads, f"{i + 1}", dtype)
    # Of PyTorch's own epsilon, unlike those in the blocks.
    return keras_layers.LayerNormalization(
        epsilon=1e-5, name=f"{blocks + 1}", dtype=dtype
    )(x)


def parallel_block(x, heads: int, name: str, dtype: str = "float32"):
    """Adds to tokens (B, n, C) a dense layer of attention and of a layer 4 C wide."""
    channels = x.shape[-1]
    h = keras_layers.LayerNormalization(
        epsilon=EPSILON, center=False, scale=False, name=f"{name}.norm", dtype=dtype
    )(x)
    h = dense(h, 7 * channels, f"{name}.linear1", dtype)
    q, k, v, wide = ops.split(h, [channels, 2 * channels, 3 * channels], axis=-1)
    q, k = (
        head_norm(y, heads, f"{name}.norm.{kind}_norm", dtype)
        for y, kind in ((q, "query"), (k, "key"))
    )
    found = DotProductAttention(heads, name=f"{name}.heads", dtype=dtype)(q, k, v)
    wide = ops.gelu(wide, approximate=True)
    h = ops.concatenate([found, wide], axis=-1)
    return x + dense(h, channels, f"{name}.linear2", dtype)


def head_norm(x, heads: int, name: str, dtype: str = "float32"):
    """Divides the channels (B, n, C) of each head by their root mean square."""
    channels = x.shape[-1]
    shape = (-1, heads, channels // heads)
    x = keras_layers.Reshape(shape, name=f"{name}.split", dtype=dtype)(x)
    x = keras_layers.RMSNormalization(epsilon=EPSILON, name=name, dtype=dtype)(x)
    return keras_layers.Reshape((-1, channels), name=f"{name}.join", dtype=dtype)(x)


@keras.saving.register_keras_serializable("inpainting")
class LearnedTokens(keras.layers.Layer):
    """Returns tokens of its own in the shape of those that it is given, (B, n, C)."""

    def build(self, input_shape):
        self.tokens = self.add_weight(
            shape=(1, *input_shape[1:]), initializer=Normal(0.02), name="tokens"
        )

    def call(self, x):
        return ops.zeros_like(x) + ops.cast(self.tokens, x.dtype)

    def compute_output_shape(self, input_shape):
        return input_shape


FORMS = {
    "linear": lambda x, heads, blocks, dtype: x,
    "self_attention": self_attention,
    "cross_attention": cross_attention,
    "parallel_attention": parallel_attention,
}
