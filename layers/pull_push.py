"""A smooth fill of the hole from an image pyramid."""

import keras
from keras import ops

from layers.resizing import resize_bilinear


@keras.saving.register_keras_serializable("inpainting")
class PullPush(keras.layers.Layer):
    """Fills the hole smoothly from the known pixels; linear in the number of pixels.

    Known colours are pulled down a pyramid by masked averaging, then pushed back up
    into the holes of each finer level.
    Known pixels are returned untouched; a hole without any known pixel becomes 0.

    Args:
        levels: depth of the pyramid; 2**levels pixels is the widest hole that sees
            known pixels.

    Reference: Gortler et al., The Lumigraph, SIGGRAPH 1996, section 3.4.
    """

    def __init__(self, levels: int = 10, **kwargs):
        super().__init__(**kwargs)
        self.levels = levels

    def call(self, image, hole):
        """Takes an image (B, H, W, C) and a mask (B, H, W, 1), 1 in the hole."""
        # The argument is not called `mask`, a name that Keras fills itself.
        known = 1 - ops.cast(hole, image.dtype)
        levels = [(image * known, known)]
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
            smooth = resize_bilinear(filled, height, width)
            filled = weight * colour + (1 - weight) * smooth
        return filled

    def compute_output_shape(self, image_shape, hole_shape):
        return image_shape

    def get_config(self):
        return {**super().get_config(), "levels": self.levels}
