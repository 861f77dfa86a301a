"""Official checkpoints as weights of this library: read directly, or converted."""

import importlib
import importlib.util
import re
from collections import Counter
from pathlib import Path

import numpy as np

from inpainting_zoo import presets
from inpainting_zoo.errors import InputError, WeightsError
from inpainting_zoo.storage.arrays import Arrays
from inpainting_zoo.storage.checkpoints import (
    METADATA,
    as_arrays,
    assign,
    load_weights,
    save_weights,
)
from inpainting_zoo.storage.files import refuse_overwriting, refuse_replacing, sha256
from inpainting_zoo.weights.read_checkpoint import digests, files_of, read_tensors

SHOWN = 3  # names in an error
OFFICIAL = ("gmcnn_official_pytorch", "gmcnn_official_tf1", "context_encoder")


def convert(source, preset: str, save_path, overrides: dict | None = None) -> dict:
    """Converts a checkpoint into a weight file that `presets.load_file` reads.

    Args:
        source: file or folder; see `weights.read_checkpoint.read_tensors`.
        preset: name of the preset that the weights are for.
        save_path: the `.safetensors` or `.npz` file to write.
        overrides: arguments of the preset to replace, such as base_channels.

    Returns:
        "tensors" and "parameters" (how many were converted), "ignored" (names of
        training state that was left out), "source" (file -> SHA-256), "saved" and
        "sha256".

    Raises:
        InputError: if an argument is wrong.
        WeightsError: see `from_official`; nothing is written then.
    """
    overrides = overrides or {}
    tensors = read_tensors(source)
    refuse_overwriting([save_path], files_of(source), "save_to: must not be the source")
    refuse_replacing("save_to", [save_path], "weights of this library", _is_ours)
    variables = presets.build(preset, **overrides).use_state()
    config = presets.get(preset)["config"] | overrides
    arrays, ignored = from_official(tensors, variables, preset, config, source)
    assign(variables, arrays, source)
    arrays = as_arrays(variables)
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


def _is_ours(path):
    try:
        load_weights(path)
    except (InputError, WeightsError):
        return False
    return True


def open_weights(source, variables: dict, preset: str, config: dict):
    """Opens weights of this library or of an official program, by our names.

    Args:
        source: see `weights.read_checkpoint.read_tensors`.
        variables: that they are for, by our names.
        preset: name of the preset.
        config: arguments of its model.

    Returns:
        `(arrays, metadata)`; official files have no metadata.

    Raises:
        InputError, WeightsError: see `from_official` and `read_tensors`.
    """
    arrays = read_tensors(source, "from_weights")
    if METADATA in arrays.metadata:
        return load_weights(source)
    return from_official(arrays, variables, preset, config, source)[0], {}


def from_official(
    tensors: Arrays, variables: dict, preset: str, config: dict, source
) -> tuple[Arrays, list]:
    """Gives an official checkpoint our names and layouts, an array at a time.

    What a family's program calls its tensors is in `weights/convert_<family>.py`:
    `official_tensors(variables, config)`, and `IGNORED`, which matches the names of
    training state that use does not need.

    Args:
        tensors: by their official names, which a wrapper such as "module." may precede.
        variables: of the parts that the checkpoint is for, by our names.
        preset: name of the preset.
        config: arguments of its model.
        source: of the tensors; named in errors.

    Returns:
        `(arrays by our names, names of ignored tensors)`.

    Raises:
        InputError: if nobody has published weights for such a model.
        WeightsError: if a tensor is missing, unexpected or of a wrong shape, or, when
            it is read, not of finite floats.
    """
    family = presets.family(preset)
    module = f"inpainting_zoo.weights.convert_{family}"
    if not importlib.util.find_spec(module):
        raise InputError(f"preset: no official names are known of {family}")
    converter = importlib.import_module(module)
    expected = converter.official_tensors(variables, config)
    prefix = _prefix(tensors, expected, source)
    expected = {prefix + name: tensor for name, tensor in expected.items()}
    others = [name for name in tensors if name not in expected]
    ignored = [name for name in others if _ignored(name, prefix, expected, converter)]
    _compare(tensors, expected, set(others) - set(ignored), preset, source)
    theirs = {ours: name for name, (ours, _, _) in expected.items()}

    def read(ours):
        name = theirs[ours]
        tensor, (_, _, to_ours) = tensors[name], expected[name]
        if tensor.dtype.kind != "f" or not np.isfinite(tensor).all():
            raise WeightsError(
                f"{source} does not fit {preset}: not finite floats: {name}"
            )
        return to_ours(tensor)

    shapes = {name: tuple(variables[name].shape) for name in theirs}
    return Arrays(shapes, read), ignored


def _prefix(tensors, expected, source):
    """Finds what precedes the expected names, such as "state_dict.module.".

    Of several networks that fit as well, the one is taken that is called an average.
    """
    fitting = Counter()
    for name in tensors:
        for start in (0, *(m.end() for m in re.finditer("[./]", name))):
            if name[start:] in expected:
                _, shape, _ = expected[name[start:]]
                fitting[name[:start]] += tensors.shapes[name] == shape
    best = [prefix for prefix in fitting if fitting[prefix] == max(fitting.values())]
    averages = [prefix for prefix in best if "ema" in prefix.lower()]
    if len(best) > 1 and len(averages) != 1:
        raise WeightsError(
            f"{source}: must hold one network of this kind, received "
            f"{', '.join(map(repr, best))}; save one of them to a file of its own"
        )
    return next(iter(averages or best), "")


def _ignored(name, prefix, expected, converter):
    """Whether a tensor is of a training: of other networks, a slot, or a counter."""
    parent = name.rpartition("/")[0]
    return (
        not name.startswith(prefix)
        or parent in expected  # such as kernel/Momentum
        or bool(converter.IGNORED.fullmatch(name.removeprefix(prefix)))
    )


def _compare(tensors, expected, unexpected, preset, source):
    """Refuses tensors that are not the expected ones, in one line.

    Raises:
        WeightsError: with counts and a few names of what is missing, unexpected or of
            a wrong shape; where nothing fits, of what the file holds.
    """
    missing = [name for name in expected if name not in tensors]
    if len(missing) == len(expected):
        raise WeightsError(
            f"{source} does not fit {preset}: it holds {_some([*tensors])}, none is "
            f"called as {min(missing)} is; try {', '.join(OFFICIAL)}"
        )
    problems = {
        "missing": missing,
        "unexpected": [name for name in tensors if name in unexpected],
        "wrong shape": [
            f"{name} is {tensors.shapes[name]} instead of {shape}"
            for name, (_, shape, _) in expected.items()
            if name in tensors and tensors.shapes[name] != shape
        ],
    }
    words = [f"{what}: {_some(names)}" for what, names in problems.items() if names]
    if words:
        raise WeightsError(f"{source} does not fit {preset}: {'; '.join(words)}")


def _some(names):
    """Returns how many names there are, and the first of them."""
    more = ", ..." if len(names) > SHOWN else ""
    return f"{len(names)} ({', '.join(sorted(names)[:SHOWN])}{more})"
