"""A smooth fill of the hole from an image pyramid."""

import functools

import keras
import numpy as np
from keras import ops

LAPLACIAN = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]], "float32")[..., None, None]
MOMENTUM = 0.8  # with it the step is stable up to 2 * 1.8 / 3.2 > 1


@keras.saving.register_keras_serializable("inpainting")
class PullPush(keras.layers.Layer):
    """Fills the hole smoothly from the known pixels; linear in the number of pixels.

    Known colours are pulled down a pyramid by masked averaging, then pushed back up
    into the holes of each finer level. Known pixels are returned untouched; a hole
    without any known pixel becomes 0.

    Args:
        levels: depth of the pyramid; 2**levels pixels is the widest hole that sees
            known pixels.
        iterations: of gradient descent with momentum, on each level, towards the
            surface without bending energy (the biharmonic equation), which continues
            slopes into the hole; 0 leaves the bilinear fill.

    References: Gortler et al., The Lumigraph, SIGGRAPH 1996, section 3.4; Damelin and
    Hoang, On Surface Completion and Image Inpainting by Biharmonic Functions, 2018.
    """

    def __init__(self, levels: int = 10, iterations: int = 0, **kwargs):
        super().__init__(**kwargs)
        self.levels = levels
        self.iterations = iterations

    def call(self, image, hole):
        """Takes an image (B, H, W, C) and a mask (B, H, W, 1), 1 in the hole."""
        # The argument is not called `mask`, a name that Keras fills itself.
        known = 1 - ops.cast(hole, image.dtype)
        levels = [(ops.where(known > 0, image, 0), known)]
        for _ in range(self.levels):
            colour, weight = levels[-1]
            if weight.shape[1] == weight.shape[2] == 1:
                break
            total = ops.average_pool(colour * weight, 2, 2, padding="same")
            weight = ops.average_pool(weight, 2, 2, padding="same")
            colour = total / ops.where(weight > 0, weight, 1)
            levels.append((colour, ops.minimum(4 * weight, 1)))
        filled = levels.pop()[0]
        for colour, weight in reversed(levels):
            height, width = ops.shape(colour)[1:3]
            smooth = _double(_double(filled, 1)[:, :height], 2)[:, :, :width]
            filled = weight * colour + (1 - weight) * smooth
            filled = self._relax(filled, 1 - weight)
        return filled

    def _relax(self, filled, unknown):
        """Bends the unknown part of a level until slopes go through."""
        if not self.iterations:
            return filled

        def step(i, state):
            before, filled = state
            bending = _laplacian(_laplacian(filled)) / 20  # 20 is its centre weight
            change = MOMENTUM * (filled - before) - bending
            return filled, filled + unknown * change

        # A loop, because written out the steps of all levels are thousands of nodes.
        return ops.fori_loop(0, self.iterations, step, (filled, filled))[1]

    def compute_output_shape(self, image_shape, hole_shape):
        return image_shape

    def get_config(self):
        sizes = {"levels": self.levels, "iterations": self.iterations}
        return {**super().get_config(), **sizes}


def _double(x, axis):
    """Doubles a side of (B, H, W, C) by bilinear interpolation between pixels' centres.

    Linear in the number of pixels, unlike the products of `PaddedUpsampling2D`.
    """
    size = ops.shape(x)[axis]

    def part(start, stop):
        return x[:, start:stop] if axis == 1 else x[:, :, start:stop]

    before = ops.concatenate([part(0, 1), part(0, size - 1)], axis)
    after = ops.concatenate([part(1, size), part(size - 1, size)], axis)
    pairs = ops.stack([0.75 * x + 0.25 * y for y in (before, after)], axis + 1)
    shape = list(ops.shape(x))
    shape[axis] = 2 * size
    return ops.reshape(pairs, shape)


def _laplacian(x):
    """Differences to the four neighbours; the image continues by its mirror."""
    channels = x.shape[-1]
    x = ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="symmetric")
    return ops.depthwise_conv(x, np.tile(LAPLACIAN, (1, 1, channels, 1)))


HOLE_FILLS = {
    "zero": None,
    "pull_push": PullPush,
    "biharmonic": functools.partial(PullPush, iterations=16),
}


def fill_hole(name: str, image, hole):
    """Returns an image (B, H, W, 3) with its hole filled, by "zero" empty.

    Args:
        name: in `HOLE_FILLS`.
        image: float32 (B, H, W, 3).
        hole: (B, H, W, 1), 1 in the hole.
    """
    fill = HOLE_FILLS[name]
    if fill is None:
        return image * (1 - hole)
    return fill(name=name, dtype="float32")(image, hole)
