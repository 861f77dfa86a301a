"""Networks compiled for use."""

import functools

from inpainting_zoo.engine.backend import BACKEND, jax, tf
from inpainting_zoo.engine.operations import outside

COMPILED_SIZES = 16  # that JAX keeps; each takes seconds to compile, and memory
LARGEST_CONSTANT = 2**24  # in bytes; TensorFlow keeps several copies of each


def compiled(network, constant: bool = False):
    """Returns a function that does what calling the network does, but compiled.

    TensorFlow compiles it for the first size, in a third of the time that one for all
    sizes takes, and for any height and width once others come; JAX anew for every size
    that is not among the last few. Weights may change between calls.

    Args:
        network: functional Keras model of a list of inputs.
        constant: whether weights are those of now for ever, which saves TensorFlow from
            rearranging them for the CPU in each call, and lets layers transform them.
    """
    if BACKEND == "tensorflow":
        call = _with_constants(network) if constant else network
        return tf.function(call, reduce_retracing=True, autograph=False)

    @functools.lru_cache(COMPILED_SIZES)
    def compile_for(shape):  # jax.jit itself would never forget a size
        return jax.jit(lambda *values: network.stateless_call(*values)[0])

    def run(inputs):
        variables = (network.trainable_variables, network.non_trainable_variables)
        values = [[v.value for v in vs] for vs in variables]
        return compile_for(inputs[0].shape)(*values, inputs)

    return run


def _with_constants(network):
    """Returns a function that calls the network with the weights of now."""
    variables = (network.trainable_variables, network.non_trainable_variables)
    arrays = [[v.numpy() for v in vs] for vs in variables]
    values = [
        [outside(a) if a.nbytes > LARGEST_CONSTANT else a for a in part]
        for part in arrays
    ]

    def call(inputs):
        constants = [[tf.convert_to_tensor(v) for v in part] for part in values]
        return network.stateless_call(*constants, inputs)[0]

    return call
