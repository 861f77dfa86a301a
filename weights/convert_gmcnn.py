"""Turns checkpoints of the official GMCNN programs into weights of this library.

Reference: https://github.com/shepnerd/inpainting_gmcnn
"""

import re

import numpy as np

from inpainting_zoo.errors import InputError
from inpainting_zoo.weights.converting import write_converted

# What a TensorFlow 1 training run saves beside the generator.
TRAINING_STATE = re.compile(
    r"discriminator/.*|.*/Adam(_\d+)?|beta[12]_power(_\d+)?|global_step"
)


def convert(source, preset: str, save_path, overrides: dict | None = None) -> dict:
    """Converts a checkpoint into a weight file that `presets.load_file` reads.

    Args:
        source: file or folder; see `weights.read_checkpoint.read_tensors`.
        preset: name of a GMCNN preset; its topology says which program's names and
            layouts to expect ("pytorch" or "tf1").
        save_path: the `.npz` file to write.
        overrides: arguments of the preset to replace, such as base_channels.

    Returns:
        See `weights.converting.write_converted`; it raises the same errors.
    """

    def names(variables, config):
        return official_tensors(variables, config.get("topology", "pytorch"))

    return write_converted(source, preset, save_path, overrides, names, TRAINING_STATE)


def official_tensors(variables: dict, topology: str) -> dict:
    """Maps official names to our variables.

    Args:
        variables: name, such as "generator/column2_conv13/kernel", -> Keras variable.
        topology: name in `LAYOUTS`.

    Returns:
        Official name -> (our name, official shape, axes that transpose it to ours).
    """
    if topology not in LAYOUTS:
        raise InputError(
            f"preset: a topology that was published ({', '.join(LAYOUTS)}) can be "
            f"converted, received {topology!r}"
        )
    official_name, to_official = LAYOUTS[topology]
    wide = "generator/column1_conv12/kernel" in variables
    tensors = {}
    for name, variable in variables.items():
        match = re.fullmatch(r"generator/(?:column(\d)|decoder)_conv(\d+)/(\w+)", name)
        if not match:
            raise InputError(f"attention: official weights have none, received {name}")
        column, index, kind = match[1], int(match[2]), match[3]
        axes = to_official if kind == "kernel" else (0,)
        shape = tuple(variable.shape[axis] for axis in axes)
        official = official_name(column, index, kind, wide)
        tensors[official] = (name, shape, tuple(np.argsort(axes)))
    return tensors


def _pytorch_name(column, index, kind, wide):
    layer = f"EB{column}.{index}" if column else f"decoding_layers.{index}"
    return f"{layer}.{'weight' if kind == 'kernel' else 'bias'}"


def _tf1_name(column, index, kind, wide):
    if not column:
        return f"inpaint_net/mergeconv{17 + index}/{kind}"
    names = [*TF1_CONVOLUTIONS]
    if wide:  # there are two eleventh convolutions then
        names.insert(10, "conv11_atrous")
    layer = f"b{column}{names[index]}"
    if layer.endswith("upsample"):
        layer = f"{layer}/{layer}_conv"
    return f"inpaint_net/{layer}/{kind}"


# By our index, which counts upsampling layers as well.
TF1_CONVOLUTIONS = (
    *("conv1", "conv2_downsample", "conv3", "conv4_downsample", "conv5", "conv6"),
    *("conv7_atrous", "conv8_atrous", "conv9_atrous", "conv10_atrous"),
    *("conv11", "conv12", None, "conv13_upsample", "conv14", None),
    *("conv15_upsample", "conv16"),
)

# Names, and the axes of our (height, width, in, out) kernels in their order.
LAYOUTS = {
    "pytorch": (_pytorch_name, (3, 2, 0, 1)),
    "tf1": (_tf1_name, (0, 1, 2, 3)),
}
