"""Names and layouts of the context encoders' PyTorch port.

Reference: https://github.com/BoyuanJiang/context_encoder_pytorch
"""

import re

import numpy as np

from inpainting_zoo.errors import InputError

IGNORED = re.compile(r".*\.num_batches_tracked")

# The axes of our kernels, (height, width, in, out) and transposed (height, width, out,
# in), in PyTorch's order.
TO_OFFICIAL = (3, 2, 0, 1)
NORM = {
    "weight": "gamma",
    "bias": "beta",
    "running_mean": "moving_mean",
    "running_var": "moving_variance",
}


def official_tensors(variables: dict, config: dict) -> dict:
    """Maps official names to our variables.

    Args:
        variables: name, such as "generator/encoder0/kernel", -> Keras variable.
        config: arguments of the model; the topology must be "centre", the only one
            that the port has.

    Returns:
        Official name -> (our name, official shape, function of the official array that
        returns ours).
    """
    topology = config.get("topology", "centre")
    if topology != "centre":
        raise InputError(
            f"preset: only the topology 'centre' can be converted, received "
            f"{topology!r}"
        )
    blocks = [name.split("/")[1] for name in variables if name.endswith("/kernel")]
    tensors, index = {}, 0
    for block in blocks:
        name = f"generator/{block}/kernel"
        shape = tuple(variables[name].shape[axis] for axis in TO_OFFICIAL)
        tensors[f"main.{index}.weight"] = (name, shape, _kernel)
        if f"generator/{block}_norm/gamma" in variables:
            index += 1
            for theirs, ours in NORM.items():
                name = f"generator/{block}_norm/{ours}"
                shape = tuple(variables[name].shape)
                tensors[f"main.{index}.{theirs}"] = (name, shape, np.asarray)
        index += 2  # the activation has a number as well
    return tensors


def _kernel(array):
    return array.transpose(np.argsort(TO_OFFICIAL))
