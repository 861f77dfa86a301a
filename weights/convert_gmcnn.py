"""Turns checkpoints of the official GMCNN programs into weights of this library.

Reference: https://github.com/shepnerd/inpainting_gmcnn
"""

import re
from pathlib import Path

import numpy as np

import presets
from errors import InputError, WeightsError
from files import sha256
from training.checkpoints import assign, save_weights
from weights.sources import digests, read_tensors

# What a TensorFlow 1 training run saves beside the generator.
TRAINING_STATE = re.compile(
    r"discriminator/.*|.*/Adam(_\d+)?|beta[12]_power(_\d+)?|global_step"
)


def convert(source, preset: str, save_path, overrides: dict | None = None) -> dict:
    """Converts a checkpoint into a weight file that `presets.load_file` reads.

    Args:
        source: file or folder; see `weights.sources.read_tensors`.
        preset: name of a GMCNN preset; its topology says which program's names and
            layouts to expect ("pytorch" or "tf1").
        save_path: the `.npz` file to write.
        overrides: arguments of the preset to replace, such as base_channels.

    Returns:
        "tensors" and "parameters" (how many were converted), "ignored" (names of
        training state that was left out), "source" (file -> SHA-256), "saved" and
        "sha256".

    Raises:
        InputError: if an argument is wrong.
        WeightsError: names every tensor that is missing, unexpected, of a wrong shape
            or not finite; nothing is written then.
    """
    overrides = overrides or {}
    model = presets.build(preset, **overrides)
    config = presets.get(preset)["config"] | overrides
    variables = model.generator_state()
    expected = official_tensors(variables, config.get("topology", "pytorch"))
    tensors = read_tensors(source)
    ignored = [n for n in tensors if n not in expected and TRAINING_STATE.fullmatch(n)]
    tensors = {name: t for name, t in tensors.items() if name not in ignored}
    problems = mismatches(tensors, {n: shape for n, (_, shape, _) in expected.items()})
    if problems:
        raise WeightsError(f"{source} does not fit {preset}: {'; '.join(problems)}")
    arrays = {
        ours: np.ascontiguousarray(tensors[theirs].transpose(axes), "float32")
        for theirs, (ours, _, axes) in expected.items()
    }
    assign(variables, arrays, source)
    metadata = {"preset": preset, "overrides": overrides, "source": digests(source)}
    save_weights(save_path, arrays, metadata)
    return {
        "tensors": len(arrays),
        "parameters": sum(array.size for array in arrays.values()),
        "ignored": ignored,
        "source": metadata["source"],
        "saved": str(Path(save_path)),
        "sha256": sha256(save_path),
    }


def mismatches(tensors: dict, shapes: dict) -> list:
    """Says how tensors by name differ from the expected shapes by name."""
    missing = [name for name in shapes if name not in tensors]
    unexpected = [name for name in tensors if name not in shapes]
    both = [name for name in shapes if name in tensors]
    wrong = [
        f"{name} is {tensors[name].shape} instead of {shapes[name]}"
        for name in both
        if tensors[name].shape != shapes[name]
    ]
    broken = [
        name
        for name in both
        if tensors[name].dtype.kind != "f" or not np.isfinite(tensors[name]).all()
    ]
    found = {
        "missing": missing,
        "unexpected": unexpected,
        "wrong shape": wrong,
        "not finite floats": broken,
    }
    return [f"{what}: {', '.join(names)}" for what, names in found.items() if names]


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
