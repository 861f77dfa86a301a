"""Attention of several heads, without weights of its own."""

import math

import keras
from keras import ops

from inpainting_zoo.errors import InputError


@keras.saving.register_keras_serializable("inpainting")
class DotProductAttention(keras.layers.Layer):
    """Attention of queries (B, ..., C) to keys and values (B, ..., C).

    What is between the first and the last axis, such as the rows and columns of an
    image, is one sequence; the result has the queries' shape.

    Args:
        heads: into which the channels are divided.
        causal: whether a query sees no key that comes after it.
        slices: parts into which the queries are cut, one after the other, so that
            memory holds so much fewer weights at once.

    Reference: Vaswani et al., Attention Is All You Need, NeurIPS 2017, section 3.2.
    """

    def __init__(self, heads: int, causal: bool = False, slices: int = 1, **kwargs):
        super().__init__(**kwargs)
        for name, value in {"heads": heads, "slices": slices}.items():
            if value < 1:
                raise InputError(f"{name}: must be at least 1, received {value}")
        if causal and slices > 1:
            raise InputError(f"slices: must be 1 where causal, received {slices}")
        self.heads, self.causal, self.slices = heads, causal, slices

    def call(self, queries, keys, values):
        shape, channels = ops.shape(queries), queries.shape[-1]
        size = channels // self.heads
        q, k, v = (
            ops.reshape(x, (shape[0], _length(x), self.heads, size))
            for x in (queries, keys, values)
        )
        step = -(-q.shape[1] // self.slices) if q.shape[1] else None
        if step is None or step == q.shape[1]:
            found = ops.dot_product_attention(q, k, v, is_causal=self.causal)
        else:
            starts = range(0, q.shape[1], step)
            found = [
                ops.dot_product_attention(q[:, i : i + step], k, v) for i in starts
            ]
            found = ops.concatenate(found, axis=1)
        return ops.reshape(found, shape)

    def compute_output_shape(self, queries_shape, keys_shape, values_shape):
        return queries_shape

    def get_config(self):
        config = {"heads": self.heads, "causal": self.causal, "slices": self.slices}
        return {**super().get_config(), **config}


def _length(x):
    """Returns how long the sequence of x is; -1 where that is unknown."""
    between = x.shape[1:-1]
    return -1 if None in between else math.prod(between)
