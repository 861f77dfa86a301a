"""Attention within windows, to what is known."""

import keras
import numpy as np
from keras import ops

from inpainting_zoo.layers.equalized import EqualizedDense

HIDDEN = 100.0  # subtracted from logits of what must not be attended to


@keras.saving.register_keras_serializable("inpainting")
class WindowAttention(keras.layers.Layer):
    """Multi-head attention within square windows, and the update of the mask.

    Takes and returns lists: features (B, H, W, C) and, where there is one, the mask of
    what is known, (B, H, W, 1), 1 if so. Pixels attend to known ones of their window,
    by the cosine of features; all pixels of a window that had a known one are known
    after it. In a window without any, all are attended to.

    Args:
        heads: that share the channels.
        window: side of a window in pixels; divides H and W.
        shift: pixels by which windows are moved; those that the edge of the image cuts
            are not mixed.

    Reference: Li et al., MAT: Mask-Aware Transformer for Large Hole Image Inpainting,
    CVPR 2022, section 3.3; Liu et al., Swin Transformer, ICCV 2021, of the shift.
    """

    def __init__(self, heads: int, window: int, shift: int = 0, **kwargs):
        super().__init__(**kwargs)
        self.heads, self.window, self.shift = heads, window, shift

    def build(self, input_shape):
        _, height, width, channels = input_shape[0]
        self.query, self.key, self.value, self.project = (
            EqualizedDense(channels, name=name, dtype=self.dtype_policy)
            for name in ("query", "key", "value", "project")
        )
        for layer in (self.query, self.key, self.value, self.project):
            layer.build((None, channels))
        self.hidden = None
        if self.shift:
            self.hidden = HIDDEN * _cut(height, width, self.window, self.shift)

    def call(self, inputs):
        x, *mask = inputs
        shape = x.shape[1:]
        x = self._windows(x)  # (B, N, T, C)
        square = ops.sum(ops.square(x), axis=-1, keepdims=True)
        directions = x * ops.rsqrt(ops.maximum(square, 1e-24))
        query, key = self.query(directions), self.key(directions)
        query, key, value = map(self._split, (query, key, self.value(x)))
        scale = (shape[-1] // self.heads) ** -0.5
        logits = ops.matmul(query * scale, ops.swapaxes(key, -1, -2))
        if self.hidden is not None:
            logits = logits - ops.cast(self.hidden, logits.dtype)
        if mask:
            known = self._windows(mask[0])  # (B, N, T, 1)
            logits = logits - HIDDEN * (1 - ops.swapaxes(known, -1, -2)[:, :, None])
        weights = ops.softmax(logits)  # (B, N, heads, T, T)
        y = ops.swapaxes(ops.matmul(weights, value), 2, 3)
        y = self.project(ops.reshape(y, (-1, *x.shape[1:])))
        if not mask:
            return [self._image(y, shape)]
        seen = ops.broadcast_to(ops.max(known, 2, keepdims=True), ops.shape(known))
        return [self._image(y, shape), self._image(seen, (*shape[:2], 1))]

    def _split(self, x):
        """(B, N, T, C) to (B, N, heads, T, C / heads)."""
        _, windows, tokens, channels = x.shape
        x = ops.reshape(x, (-1, windows, tokens, self.heads, channels // self.heads))
        return ops.swapaxes(x, 2, 3)

    def _windows(self, x):
        """(B, H, W, C) to (B, windows, pixels of a window, C), shifted."""
        if self.shift:
            x = ops.roll(x, (-self.shift, -self.shift), axis=(1, 2))
        _, height, width, channels = x.shape
        return _to_windows(x, height, width, channels, self.window)

    def _image(self, x, shape):
        """Takes `_windows` back, to (B, *shape)."""
        (height, width, channels), side = shape, self.window
        x = ops.reshape(x, (-1, height // side, width // side, side, side, channels))
        x = ops.reshape(ops.transpose(x, (0, 1, 3, 2, 4, 5)), (-1, *shape))
        if self.shift:
            x = ops.roll(x, (self.shift, self.shift), axis=(1, 2))
        return x

    def compute_output_shape(self, input_shape):
        return list(input_shape)

    def get_config(self):
        names = ("heads", "window", "shift")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def _to_windows(x, height, width, channels, side):
    x = ops.reshape(x, (-1, height // side, side, width // side, side, channels))
    x = ops.transpose(x, (0, 1, 3, 2, 4, 5))
    return ops.reshape(
        x, (-1, (height // side) * (width // side), side * side, channels)
    )


def _cut(height, width, side, shift):
    """Returns 1 where two pixels of a shifted window are no neighbours, (N, 1, T, T).

    A shifted window at the edge holds pixels of opposite edges of the image.
    """
    regions = [
        np.repeat([0, 1, 2], [size - side, side - shift, shift])
        for size in (height, width)
    ]
    region = 3 * regions[0][:, None] + regions[1]
    region = region.reshape(height // side, side, width // side, side)
    region = region.transpose(0, 2, 1, 3).reshape(-1, 1, side * side)
    return (region != region.swapaxes(1, 2)).astype("float32")[:, None]
