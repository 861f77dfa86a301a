"""HVI: hue and saturation as a point of a disk that shrinks towards black."""

import math

import keras
from keras import ops

EPSILON = 1e-8


@keras.saving.register_keras_serializable("inpainting")
class HVI(keras.layers.Layer):
    """Turns RGB into horizontal, vertical and intensity channels, and back.

    I is the largest of R, G and B. (H, V) has the angle of the hue, and the saturation
    times C = (sin(pi I / 2) + eps)^k as its length (Equations 2 to 5, k being one over
    the paper's), so that dark pixels, whose hue is noise, lie close together. Always in
    float32. The hue of the inverse never leaves [0, 1), where the official program
    paints a few reds black.

    Args:
        density: the first k, which is trained within [0.05, 1].

    Reference: Yan et al., HVI: A New Color Space for Low-light Image Enhancement, CVPR
    2025.
    """

    def __init__(self, density: float = 0.2, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.density = density

    def build(self, input_shape):
        # Outside of the range, C vanishes beside eps or gradients explode near black.
        self.k = self.add_weight(
            shape=(),
            initializer=keras.initializers.Constant(self.density),
            constraint=lambda k: ops.clip(k, 0.05, 1.0),
            name="k",
        )

    def call(self, rgb, inverse: bool = False):
        """Returns HVI (B, H, W, 3), H and V in [-1, 1] and I in [0, 1].

        Args:
            rgb: (B, H, W, 3), limited to [0, 1]; with `inverse` HVI, and RGB returned.
            inverse: which way.
        """
        return self._to_rgb(rgb) if inverse else self._to_hvi(rgb)

    def _to_hvi(self, rgb):
        rgb = _limited(rgb, 0.0)
        red, green, blue = ops.split(rgb, 3, axis=-1)
        value = ops.max(rgb, axis=-1, keepdims=True)
        spread = value - ops.min(rgb, axis=-1, keepdims=True)
        over = spread + EPSILON
        sixths = ops.where(  # of the circle of hues
            red == value,
            ops.mod((green - blue) / over, 6.0),
            ops.where(
                green == value, 2 + (blue - red) / over, 4 + (red - green) / over
            ),
        )
        saturation = ops.where(value > 0, spread / (value + EPSILON), 0.0)
        angle, length = sixths * (math.pi / 3), self._radius(value) * saturation
        return ops.concatenate(
            [length * ops.cos(angle), length * ops.sin(angle), value], axis=-1
        )

    def _to_rgb(self, hvi):
        horizontal, vertical, value = ops.split(hvi, 3, axis=-1)
        value = _limited(value, 0.0)
        radius = self._radius(value) + EPSILON
        horizontal = _limited(_limited(horizontal) / radius)
        vertical = _limited(_limited(vertical) / radius)
        x, y = horizontal + EPSILON, vertical + EPSILON
        # At the centre, where arctan2 has no gradient, the angle is 0.
        angle = ops.arctan2(y, ops.where((x == 0) & (y == 0), 1.0, x))
        squares = ops.square(horizontal) + ops.square(vertical)
        saturation = _limited(ops.sqrt(squares + EPSILON), 0.0)
        # How far the pure colour's channel is from white, 0 to 1: a trapezoid over the
        # circle, for R, G and B shifted by a third of it.
        shifted = ops.mod(angle * (3 / math.pi) + ops.array([5.0, 3.0, 1.0]), 6.0)
        away = _limited(ops.minimum(shifted, 4 - shifted), 0.0)
        return value * (1 - saturation * away)

    def _radius(self, value):
        """Returns C (B, H, W, 1)."""
        return ops.power(ops.sin(value * (math.pi / 2)) + EPSILON, self.k)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "density": self.density}


def _limited(x, least: float = -1.0):
    """Returns x within [least, 1]; the gradient is 1 at both ends on every engine."""
    return ops.where(x < least, least, ops.where(x > 1, 1.0, x))
