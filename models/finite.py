"""Where a network stops computing finite numbers."""

import keras
import numpy as np
from keras import ops

from inpainting_zoo.errors import NumericError

TOGETHER = 32  # layers whose outputs are in memory at once


def first_not_finite(network, inputs):
    """Returns the name of the first layer that gives NaN or Inf, or None.

    It computes the network once for every few layers, operation by operation.

    Args:
        network: a functional Keras model.
        inputs: one array for each of its inputs, in their order.
    """
    layers = [layer for layer in network.layers if hasattr(layer, "output")]
    for i in range(0, len(layers), TOGETHER):
        some = layers[i : i + TOGETHER]
        outputs = [layer.output for layer in some]
        found = keras.Model(network.inputs, outputs)(inputs)
        for layer, output in zip(some, found):
            numbers = ops.convert_to_numpy(ops.cast(output, "float32"))
            if not np.isfinite(numbers).all():
                return layer.name
    return None


class Watched:
    """A network, for a while, that remembers what it was given."""

    def __init__(self, network):
        self.network, self.given = network, None

    def __call__(self, inputs, **options):
        self.given = inputs
        return self.network(inputs, **options)

    def __getattr__(self, name):
        return getattr(self.network, name)


def check_finite(found, model, part: str, method: str, inputs):
    """Refuses numbers that a network of a model made of finite ones.

    Args:
        found: what the method returned.
        model: whose method it is.
        part: attribute of the model, the network that the method computes.
        method: name of the method.
        inputs: that it took.

    Raises:
        NumericError: names the network, and the layer where that began.
    """
    if np.isfinite(ops.convert_to_numpy(found)).all():
        return
    inputs = {name: ops.convert_to_tensor(x) for name, x in inputs.items()}
    network = getattr(model, part)
    watched = Watched(network)
    setattr(model, part, watched)
    try:
        getattr(model, method)(inputs)
    finally:
        setattr(model, part, network)
    layer = first_not_finite(network, watched.given)
    where = f" from its layer {layer} on" if layer else ""
    raise NumericError(
        f"{part}: must compute finite numbers, received NaN or Inf{where}; where it "
        "computes in float16, bfloat16 or float32 have a wider range"
    )
