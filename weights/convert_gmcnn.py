"""Names and layouts of the official GMCNN programs.

Reference: https://github.com/shepnerd/inpainting_gmcnn
"""

import functools
import inspect
import re

import numpy as np

from inpainting_zoo.errors import InputError
from inpainting_zoo.gmcnn.networks import build_generator

DEFAULTS = inspect.signature(build_generator).parameters

# What a TensorFlow 1 training run saves beside the generator and its slots.
IGNORED = re.compile(
    r"(.*/)?(discriminator/.*|beta[12]_power(_\d+)?|global_step|learning_rate)"
)


def official_tensors(variables: dict, config: dict) -> dict:
    """Maps official names to our variables.

    Args:
        variables: name, such as "generator/column2_conv13/kernel", -> Keras variable.
        config: arguments of the model; the topology, a name in `LAYOUTS`, says which
            program's names and layouts to expect.

    Returns:
        Official name -> (our name, official shape, function of the official array that
        returns ours).
    """
    topology = config.get("topology", "pytorch")
    if topology not in LAYOUTS:
        raise InputError(
            f"preset: a topology that was published ({', '.join(LAYOUTS)}) can be "
            f"converted, received {topology!r}"
        )
    official_name, to_official, padding = LAYOUTS[topology]
    if (received := config.get("padding", DEFAULTS["padding"].default)) != padding:
        raise InputError(
            f"preset: must be the official network, of padding {padding!r}, received "
            f"{received!r}; take gmcnn_official_{topology} with -set for the rest"
        )
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
        to_ours = functools.partial(np.transpose, axes=np.argsort(axes))
        tensors[official] = (name, shape, to_ours)
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

# Names, the axes of our (height, width, in, out) kernels in their order, and padding.
LAYOUTS = {
    "pytorch": (_pytorch_name, (3, 2, 0, 1), "reflect"),
    "tf1": (_tf1_name, (0, 1, 2, 3), "same"),
}
