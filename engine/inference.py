"""Predictions compiled for use."""

import functools

import keras

from inpainting_zoo.engine.backend import BACKEND, jax, tf
from inpainting_zoo.engine.distribution import here

COMPILED_SIZES = 16  # that JAX keeps; each takes seconds to compile, and memory


def compiled(call, variables, values=None):
    """Returns a function that does what `call` does, but compiled.

    TensorFlow compiles it for the first size, in a third of the time that one for all
    sizes takes, and for any height and width once others come; JAX anew for every size
    that is not among the last few. Variables may change between calls.

    Args:
        call: takes a dict of tensors, returns a tensor, and changes nothing.
        variables: Keras variables that it reads.
        values: variables whose values are taken instead, one for each.
    """
    values = variables if values is None else values

    def substituted(numbers, inputs):
        with keras.StatelessScope(list(zip(variables, numbers))):
            return call(inputs)

    if BACKEND == "tensorflow":

        def run(inputs):
            if values is variables:
                return call(inputs)
            return substituted([v.value for v in values], inputs)

        return tf.function(run, reduce_retracing=True, autograph=False)

    @functools.lru_cache(COMPILED_SIZES)
    def compile_for(shapes):  # jax.jit itself would never forget a size
        return jax.jit(substituted)

    def run(inputs):
        shapes = tuple((name, x.shape) for name, x in sorted(inputs.items()))
        return compile_for(shapes)([here(v.value) for v in values], inputs)

    return run
