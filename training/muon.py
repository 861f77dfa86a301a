"""Muon for convolutions."""

import keras
from keras import ops


class Muon(keras.optimizers.Muon):
    """Muon for convolutions: orthogonalized momentum for kernels between hidden layers.

    A kernel (height, width, in, out) is taken as a matrix of `out` columns. Biases and
    kernels with at most 8 input or output channels, such as those of the first and
    last layer, take Adam steps. Updates have the size that Adam's have.

    References: Jordan et al., Muon: An optimizer for hidden layers in neural networks,
    2024; Liu et al., Muon is Scalable for LLM Training, 2025.
    """

    # Private to Keras; a test notices if it goes.
    def _should_use_adamw(self, variable):
        return len(variable.shape) != 4 or min(variable.shape[2:]) <= 8

    def zeropower_via_newtonschulz5(self, x, steps: int):
        matrix = ops.reshape(x, (-1, x.shape[-1]))
        return ops.reshape(super().zeropower_via_newtonschulz5(matrix, steps), x.shape)

    def lr_adjust(self, x):
        matrix = ops.reshape(x, (-1, x.shape[-1]))
        return ops.reshape(super().lr_adjust(matrix), x.shape)
