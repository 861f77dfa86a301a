"""Styles drawn towards their average."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("inpainting")
class Truncation(keras.layers.Layer):
    """Returns average + truncation (w - average) of a style.

    Takes a list: w (B, C) and truncation (B, 1); 1 leaves w as it is, 0 takes the
    average. With `training` the average of all w follows those of the batch.

    Args:
        decay: weight of the past in the average.

    Reference: Karras et al., A Style-Based Generator Architecture for Generative
    Adversarial Networks, CVPR 2019, appendix B.
    """

    def __init__(self, decay: float = 0.995, **kwargs):
        super().__init__(**kwargs)
        self.decay = decay

    def build(self, input_shape):
        self.average = self.add_weight(
            shape=(input_shape[0][-1],),
            initializer="zeros",
            trainable=False,
            name="average",
        )

    def call(self, inputs, training=None):
        w, truncation = inputs
        if training:
            mean = ops.stop_gradient(ops.mean(w, axis=0))
            self.average.assign(self.decay * self.average + (1 - self.decay) * mean)
        average = ops.convert_to_tensor(self.average)
        return average + truncation * (w - average)

    def compute_output_shape(self, input_shape):
        return input_shape[0]

    def get_config(self):
        return {**super().get_config(), "decay": self.decay}
