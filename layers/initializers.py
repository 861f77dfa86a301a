"""Random weights that are the same on every engine."""

import math
import random

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable("inpainting")
class GlorotUniform(keras.initializers.Initializer):
    """Draws Keras's default kernels with NumPy.

    So both engines start alike, and JAX has nothing to compile for each new shape,
    which takes longer than all else when a network is built. The seed comes from
    Python's `random`, which `keras.utils.set_random_seed` sets.

    Reference: Glorot and Bengio, Understanding the difficulty of training deep
    feedforward neural networks, AISTATS 2010.
    """

    def __call__(self, shape, dtype=None, **kwargs):
        *window, inputs, outputs = shape
        limit = math.sqrt(6 / (math.prod(window) * (inputs + outputs)))
        rng = np.random.default_rng(random.getrandbits(64))
        return ops.convert_to_tensor(rng.uniform(-limit, limit, shape), dtype)


@keras.saving.register_keras_serializable("inpainting")
class Normal(keras.initializers.Initializer):
    """Draws from a normal distribution, in the same way.

    Args:
        stddev: standard deviation.
        mean: of the distribution.
    """

    def __init__(self, stddev: float, mean: float = 0.0):
        self.stddev, self.mean = stddev, mean

    def __call__(self, shape, dtype=None, **kwargs):
        rng = np.random.default_rng(random.getrandbits(64))
        values = rng.standard_normal(shape, np.float32) * self.stddev + self.mean
        return ops.convert_to_tensor(values, dtype)

    def get_config(self):
        return {"stddev": self.stddev, "mean": self.mean}
