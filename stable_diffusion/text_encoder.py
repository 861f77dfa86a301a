"""The text encoders of Stable Diffusion: CLIP's, of OpenAI and of OpenCLIP.

References: Radford et al., Learning Transferable Visual Models From Natural Language
Supervision, ICML 2021; Cherti et al., Reproducible scaling laws for contrastive
language-image learning, CVPR 2023.
"""

import keras
from keras import layers as keras_layers
from keras import ops

from inpainting_zoo.errors import choose
from inpainting_zoo.layers.dot_product_attention import DotProductAttention
from inpainting_zoo.layers.gelu import gelu
from inpainting_zoo.layers.initializers import Normal
from inpainting_zoo.stable_diffusion import blocks


def build_text_encoder(
    channels: int = 768,
    layers: int = 12,
    heads: int = 12,
    activation: str = "quick_gelu",
    vocabulary: int = 49_408,
    length: int = 77,
    dtype: str = "float32",
):
    """Builds the encoder: token ids (B, length) -> embeddings (B, length, channels).

    A token sees those before it and itself, and tokens of padding as well, as what
    Stable Diffusion was trained with. The embeddings are float32.

    Args:
        channels: of the embeddings.
        layers: blocks of attention and of a dense layer four times as wide.
        heads: of the attention.
        activation: name in `ACTIVATIONS`.
        vocabulary: number of tokens.
        length: tokens of a text, padding included.
        dtype: Keras dtype policy of the layers.

    Raises:
        InputError: if the activation is unknown.
    """

    def norm(x, name):
        return keras_layers.LayerNormalization(epsilon=1e-5, name=name, dtype=dtype)(x)

    def embed(x, count, name):
        return keras_layers.Embedding(
            count,
            channels,
            embeddings_initializer=Normal(0.02),
            name=f"embeddings.{name}_embedding",
            dtype=dtype,
        )(x)

    activate = choose("activation", activation, ACTIVATIONS)
    tokens = keras.Input((length,), dtype="int32", name="tokens")
    positions = ops.cumsum(ops.ones_like(tokens), axis=1) - 1
    x = embed(tokens, vocabulary, "token") + embed(positions, length, "position")
    for i in range(layers):
        name = f"encoder.layers.{i}"
        h = norm(x, f"{name}.layer_norm1")
        q, k, v = (
            blocks.dense(h, channels, f"{name}.self_attn.{n}_proj", dtype=dtype)
            for n in "qkv"
        )
        h = DotProductAttention(heads, True, name=f"{name}.heads", dtype=dtype)(q, k, v)
        x = x + blocks.dense(h, channels, f"{name}.self_attn.out_proj", dtype=dtype)
        h = norm(x, f"{name}.layer_norm2")
        h = activate(blocks.dense(h, 4 * channels, f"{name}.mlp.fc1", dtype=dtype))
        x = x + blocks.dense(h, channels, f"{name}.mlp.fc2", dtype=dtype)
    x = ops.cast(norm(x, "final_layer_norm"), "float32")
    return keras.Model(tokens, x, name="text_encoder")


ACTIVATIONS = {
    "quick_gelu": lambda x: x * ops.sigmoid(1.702 * x),
    "gelu": gelu,
}
