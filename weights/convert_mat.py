"""Names and layouts of the official MAT program.

Reference: https://github.com/fenglinglwb/MAT
"""

import re

import numpy as np

from inpainting_zoo.errors import InputError

# Constants of the layers, recomputed here.
IGNORED = re.compile(r".*\.(resample_filter|attn_mask)")
# Files of generators that were saved without noise lack these: nothing is added then.
OPTIONAL = re.compile(r".*\.(noise_strength|noise_const)")

# Patterns of our layers, and what they are called there.
LAYERS = {
    r"mapping(\d)": r"mapping.fc\1",
    r"mapping_average": "mapping",
    r"coarse_entry": "synthesis.first_stage.conv_first.conv",
    r"coarse_down(\d)": r"synthesis.first_stage.enc_conv.\1.conv",
    r"coarse_body(\d)_entry": r"synthesis.first_stage.tran.\1.downsample.conv.conv",
    r"coarse_body(\d)_exit": r"synthesis.first_stage.tran.\1.conv.conv",
    r"coarse_body(\d)_block(\d)_attention": (
        r"synthesis.first_stage.tran.\1.blocks.\2.attn"
    ),
    r"coarse_body(\d)_block(\d)_fuse": r"synthesis.first_stage.tran.\1.blocks.\2.fuse",
    r"coarse_body(\d)_block(\d)_hidden": (
        r"synthesis.first_stage.tran.\1.blocks.\2.mlp.fc1"
    ),
    r"coarse_body(\d)_block(\d)_out": (
        r"synthesis.first_stage.tran.\1.blocks.\2.mlp.fc2"
    ),
    r"coarse_w": "synthesis.first_stage.ws_style",
    r"coarse_square": "synthesis.first_stage.to_square",
    r"coarse_style_down(\d)": r"synthesis.first_stage.down_conv.\1",
    r"coarse_style": "synthesis.first_stage.to_style",
    r"coarse_up(\d)_(conv\d)": r"synthesis.first_stage.dec_conv.\1.\2",
    r"coarse_up(\d)_rgb": r"synthesis.first_stage.dec_conv.\1.toRGB",
    r"encoder(\d+)_(conv\d)": r"synthesis.enc.EncConv_Block_\1x\1.\2",
    r"square": "synthesis.to_square",
    r"style_down(\d)": r"synthesis.to_style.conv.\1",
    r"style": "synthesis.to_style.fc",
    r"decoder(\d+)_(conv\d)": r"synthesis.dec.Dec_\1x\1.\2",
    r"decoder(\d+)_rgb": r"synthesis.dec.Dec_\1x\1.toRGB",
}
PARTS = {
    "kernel": "weight",
    "query": "q",
    "key": "k",
    "value": "v",
    "project": "proj",
    "affine": "conv.affine",
    "noise": "noise_const",
    "average": "w_avg",
}


def official_tensors(variables: dict, config: dict) -> dict:
    """Maps official names to our variables.

    Args:
        variables: name, such as "generator/coarse_entry/kernel", -> Keras variable.
        config: arguments of the model.

    Returns:
        Official name -> (our name, official shape, function of the official array that
        returns ours).
    """
    modulated = {name.split("/")[1] for name in variables if "/affine/" in name}
    tensors = {}
    for name, variable in variables.items():
        _, layer, *parts = name.split("/")
        kind, shape, to_ours = parts[-1], tuple(variable.shape), np.asarray
        official = [_layer_name(layer), *(PARTS.get(part, part) for part in parts)]
        if kind == "kernel":
            shape, to_ours = (shape[-1], shape[-2], *shape[:-2]), _kernel
        if kind == "kernel" and len(parts) == 1 and layer in modulated:
            shape, to_ours = (1, *shape), _modulated_kernel
            official.insert(1, "conv")
        tensors[".".join(official)] = (name, shape, to_ours)
    return tensors


def _kernel(array):
    """From (out, in, height, width) or (out, in) to ours, the other way round."""
    return array.transpose(*range(2, array.ndim), 1, 0)


def _modulated_kernel(array):
    return _kernel(array[0])


def _layer_name(layer):
    for pattern, official in LAYERS.items():
        if match := re.fullmatch(pattern, layer):
            return match.expand(official)
    raise InputError(f"preset: official networks have no layer {layer}")
