"""Turns generators of the context encoders' PyTorch port into weights of this library.

Reference: https://github.com/BoyuanJiang/context_encoder_pytorch
"""

import re

import numpy as np

from inpainting_zoo.errors import InputError
from inpainting_zoo.weights.converting import write_converted

BATCHES_SEEN = re.compile(r".*\.num_batches_tracked")

# The axes of our kernels, (height, width, in, out) and transposed (height, width, out,
# in), in PyTorch's order.
TO_OFFICIAL = (3, 2, 0, 1)
NORM = {
    "weight": "gamma",
    "bias": "beta",
    "running_mean": "moving_mean",
    "running_var": "moving_variance",
}


def convert(source, preset: str, save_path, overrides: dict | None = None) -> dict:
    """Converts a checkpoint into a weight file that `presets.load_file` reads.

    Args:
        source: file such as netG_streetview.pth; see `read_tensors`.
        preset: name of a preset with the topology "centre".
        save_path: the `.npz` file to write.
        overrides: arguments of the preset to replace, such as base_channels.

    Returns:
        See `weights.converting.write_converted`; it raises the same errors.
    """

    def names(variables, config):
        return official_tensors(variables, config.get("topology", "centre"))

    return write_converted(source, preset, save_path, overrides, names, BATCHES_SEEN)


def official_tensors(variables: dict, topology: str) -> dict:
    """Maps official names to our variables.

    Args:
        variables: name, such as "generator/encoder0/kernel", -> Keras variable.
        topology: must be "centre", the only one that the port has.

    Returns:
        Official name -> (our name, official shape, axes that transpose it to ours).
    """
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
        axes = tuple(np.argsort(TO_OFFICIAL))
        tensors[f"main.{index}.weight"] = (name, shape, axes)
        if f"generator/{block}_norm/gamma" in variables:
            index += 1
            for theirs, ours in NORM.items():
                name = f"generator/{block}_norm/{ours}"
                shape = tuple(variables[name].shape)
                tensors[f"main.{index}.{theirs}"] = (name, shape, (0,))
        index += 2  # the activation has a number as well
    return tensors
