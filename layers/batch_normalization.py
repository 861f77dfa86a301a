"""Batch normalization with PyTorch's numbers."""

import keras

from inpainting_zoo.engine.operations import normalize_batch


@keras.saving.register_keras_serializable("inpainting")
class BatchNormalization(keras.layers.BatchNormalization):
    """A `keras.layers.BatchNormalization` whose moving variance is the unbiased one.

    Keras averages the variance of the batch itself, PyTorch that of n - 1 numbers; both
    normalize by the former.

    Args:
        momentum: weight of the past in moving averages, one minus PyTorch's.
        epsilon: added to variances.
    """

    def __init__(self, momentum: float = 0.9, epsilon: float = 1e-5, **kwargs):
        super().__init__(momentum=momentum, epsilon=epsilon, **kwargs)

    def call(self, x, training=None):
        if not (training and self.trainable):
            return super().call(x)
        y, mean, variance = normalize_batch(x, self.gamma, self.beta, self.epsilon)
        keep = self.momentum
        self.moving_mean.assign(keep * self.moving_mean + (1 - keep) * mean)
        self.moving_variance.assign(keep * self.moving_variance + (1 - keep) * variance)
        return y
