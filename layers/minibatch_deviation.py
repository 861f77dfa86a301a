"""How much the pictures of a batch differ, as a further channel."""

import keras
from keras import ops

from inpainting_zoo.errors import InputError


@keras.saving.register_keras_serializable("inpainting")
class MinibatchDeviation(keras.layers.Layer):
    """Adds a channel to (B, H, W, C): the mean deviation within groups of pictures.

    A discriminator sees by it whether a generator always makes the same.

    Args:
        group: pictures in a group, at most; divides the batch, or is all of it.

    Raises:
        InputError: if it does neither.

    Reference: Karras et al., Progressive Growing of GANs for Improved Quality,
    Stability, and Variation, ICLR 2018, section 3.
    """

    def __init__(self, group: int = 8, **kwargs):
        super().__init__(**kwargs)
        self.group = group

    def call(self, x):
        _, height, width, channels = x.shape
        batch = ops.shape(x)[0]
        least = min if isinstance(batch, int) else ops.minimum
        group = least(self.group, batch)
        if isinstance(batch, int) and batch % group:
            raise InputError(
                f"batch_size: must be a multiple of {group}, or less, received {batch}"
            )
        # Picture i is in the group i modulo the number of groups.
        y = ops.reshape(x, (group, -1, height, width, channels))
        variance = ops.mean(ops.square(y - ops.mean(y, axis=0)), axis=0)
        deviation = ops.mean(ops.sqrt(variance + 1e-8), axis=(1, 2, 3))
        deviation = ops.tile(deviation, (group,))[:, None, None, None]
        added = ops.broadcast_to(deviation, (batch, height, width, 1))
        return ops.concatenate([x, added], axis=-1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], input_shape[-1] + 1)

    def get_config(self):
        return {**super().get_config(), "group": self.group}
