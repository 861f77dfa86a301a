"""Attention of several heads, without weights of its own."""

import math

import keras
from keras import ops

from inpainting_zoo.engine.operations import attention
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
        views: parts of both sequences, equally long; the queries of each see the keys
            of the same part alone.

    Reference: Vaswani et al., Attention Is All You Need, NeurIPS 2017, section 3.2.
    """

    def __init__(
        self,
        heads: int,
        causal: bool = False,
        slices: int = 1,
        views: int = 1,
        **kwargs,
    ):
        super().__init__(**kwargs)
        for name, value in {"heads": heads, "slices": slices, "views": views}.items():
            if value < 1:
                raise InputError(f"{name}: must be at least 1, received {value}")
        for name, value in {"slices": slices, "views": views}.items():
            if causal and value > 1:
                raise InputError(f"{name}: must be 1 where causal, received {value}")
        self.heads, self.causal = heads, causal
        self.slices, self.views = slices, views

    def call(self, queries, keys, values, seen=None):
        """Returns what queries gather; of keys with `seen` (B, n) only those.

        Raises:
            InputError: if there are `seen` and several views.
        """
        if seen is not None and self.views > 1:
            raise InputError(f"views: must be 1 with seen, received {self.views}")
        shape, channels = ops.shape(queries), queries.shape[-1]
        size = channels // self.heads
        count = shape[0] if self.views == 1 else shape[0] * self.views
        q, k, v = (
            ops.reshape(x, (count, _length(x, self.views), self.heads, size))
            for x in (queries, keys, values)
        )
        mask = None if seen is None else ops.cast(seen, "bool")[:, None, None]
        step = -(-q.shape[1] // self.slices) if q.shape[1] else None
        if step is None or step == q.shape[1]:
            found = attention(q, k, v, mask, self.causal)
        else:
            starts = range(0, q.shape[1], step)
            found = [attention(q[:, i : i + step], k, v, mask) for i in starts]
            found = ops.concatenate(found, axis=1)
        return ops.reshape(found, shape)

    def compute_output_shape(
        self, queries_shape, keys_shape, values_shape, seen_shape=None
    ):
        return queries_shape

    def get_config(self):
        names = ("heads", "causal", "slices", "views")
        config = {name: getattr(self, name) for name in names}
        return {**super().get_config(), **config}


def _length(x, views):
    """Returns how long a part of the sequence of x is; -1 where that is unknown."""
    between = x.shape[1:-1]
    return -1 if None in between else math.prod(between) // views
