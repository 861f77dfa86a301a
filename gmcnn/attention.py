"""What the variants of attention do to the generator's third column."""

import dataclasses
from collections.abc import Callable

import keras

from inpainting_zoo.layers.attention import DoubleAttention, SqueezeExcitation


@dataclasses.dataclass(frozen=True)
class Attention:
    """Where a variant acts on the generator's third column.

    Args:
        encoded: makes the layer that the column's encoded features go through, at a
            quarter of the resolution; takes the arguments of a Keras layer.
        skip: makes features that join the merged columns in front, of the output of the
            column's first and last but one convolutions, at full resolution.
    """

    encoded: Callable | None = None
    skip: Callable | None = None


def gated_skip(first, late, dtype: str):
    """Returns gated features of one convolution; the column itself is not attended.

    The report's "only Squeeze and Excite": tanh gates and no bottleneck.
    """
    return SqueezeExcitation(1, "tanh", name="gather", dtype=dtype)(first)


def gated_product(first, late, dtype: str):
    """Returns gated early features times a convolution of late ones.

    The report's "double attention", in which neither the pooling nor the softmax of
    A^2-Nets occurs.
    """
    gathered = SqueezeExcitation(1, "sigmoid", name="gather", dtype=dtype)(first)
    distributed = keras.layers.Conv2D(
        first.shape[-1], 3, padding="same", name="distribute", dtype=dtype
    )(late)
    return gathered * distributed


ATTENTION = {
    "none": Attention(),
    "se": Attention(encoded=SqueezeExcitation),
    "a2": Attention(encoded=DoubleAttention),
    # The two networks behind Table 1 of the attention report, with the topology
    # "keras_port" and `padding="same"`.
    "se_report": Attention(skip=gated_skip),
    "a2_report": Attention(skip=gated_product),
}
