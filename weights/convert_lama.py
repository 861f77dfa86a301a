"""Names and layouts of the official LaMa program.

Reference: https://github.com/advimman/lama
"""

import inspect
import re

import numpy as np

from inpainting_zoo.lama.architectures import TOPOLOGIES
from inpainting_zoo.lama.networks import build_generator

DEFAULTS = inspect.signature(build_generator).parameters
IGNORED = re.compile(r".*\.num_batches_tracked")

# Parts of a Fourier convolution, from our names to theirs.
PARTS = {
    "local_to_local": "ffc.convl2l",
    "local_to_global": "ffc.convl2g",
    "global_to_local": "ffc.convg2l",
    "global_to_global": "ffc.convg2g",
    "gate": "ffc.gate",
    "local_norm": "bn_l",
    "global_norm": "bn_g",
    "reduce": "conv1.0",
    "reduce_norm": "conv1.1",
    "fourier": "fu",
    "local_fourier": "lfu",
    "expand": "conv2",
    "conv": "conv_layer",
    "norm": "bn",
}
KINDS = {
    "kernel": "weight",
    "bias": "bias",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


def official_tensors(variables: dict, config: dict) -> dict:
    """Maps official names to our variables.

    Args:
        variables: name, such as "generator/entry/local_norm/gamma", -> Keras variable.
        config: arguments of the model.

    Returns:
        Official name -> (our name, official shape, function of the official array that
        returns ours).
    """
    config = {name: config.get(name, p.default) for name, p in DEFAULTS.items()}
    tensors = {}
    for name, variable in variables.items():
        layer, *parts = name.removeprefix("generator/").split("/")
        official = ".".join([_layer_name(layer, config), *map(PARTS.get, parts[:-1])])
        official = f"model.{official}.{KINDS[parts[-1]]}"
        tensors[official] = (name, *tensor(name, tuple(variable.shape)))
    return tensors


def tensor(name: str, shape: tuple):
    """Returns `(official shape, function of the official array that returns ours)`.

    Kernels are (height, width, in, out) here, transposed ones (height, width, out, in),
    and (out, in, height, width) and (in, out, height, width) there. Real and imaginary
    parts of a spectrum follow each other here and alternate there.
    """
    kernel, spectrum = len(shape) == 4, re.search("fourier/(conv|norm)/", name)
    official = (shape[3], shape[2], *shape[:2]) if kernel else shape

    def to_ours(array):
        if spectrum:
            real_first = np.r_[0 : len(array) : 2, 1 : len(array) : 2]
            for axis in range(2 if kernel else 1):
                array = array.take(real_first, axis)
        return array.transpose(2, 3, 1, 0) if kernel else array

    return official, to_ours


def _layer_name(layer, config):
    """Returns what the official program calls a layer, without "model."."""
    kind, number, part = re.fullmatch(r"([a-z]+)(\d*)_?(\w*)", layer).groups()
    number, norm = int(number or 0), part == "norm"
    fourier = TOPOLOGIES[config["topology"]].ratio > 0
    # Convolution, normalization and activation have a number each, or one together.
    step = 1 if fourier else 3
    first = 1 + step * (1 + config["downsamplings"])  # of the blocks
    up = first + config["blocks"] + fourier  # after a concatenation
    if kind == "block" and fourier:
        return f"{first + number}.conv{int(part[-1]) + 1}"
    if kind == "block":
        place = {"conv0": 1, "conv0_norm": 2, "conv1": 5, "conv1_norm": 6}[part]
        return f"{first + number}.conv_block.{place}"
    index = {
        "entry": 1,
        "down": 1 + step * (1 + number),
        "up": up + 3 * number,
        "exit": up + 3 * config["downsamplings"] + 1,  # after a padding
    }[kind]
    return str(index + norm)
