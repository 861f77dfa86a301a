"""What the converters of all families share."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from inpainting_zoo import presets
from inpainting_zoo.errors import WeightsError
from inpainting_zoo.storage.checkpoints import assign, save_weights
from inpainting_zoo.storage.files import sha256
from inpainting_zoo.weights.read_checkpoint import digests, read_tensors


def write_converted(
    source,
    preset: str,
    save_path,
    overrides: dict | None,
    official_tensors: Callable,
    training_state: re.Pattern,
) -> dict:
    """Converts a checkpoint into a weight file that `presets.load_file` reads.

    Args:
        source: file or folder; see `weights.read_checkpoint.read_tensors`.
        preset: name of the preset that the weights are for.
        save_path: the `.npz` file to write.
        overrides: arguments of the preset to replace, such as base_channels.
        official_tensors: takes the generator's variables by name and the preset's
            configuration; returns official name -> (our name, official shape, axes that
            transpose it to ours).
        training_state: matches names of tensors that use does not need.

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
    variables = presets.build(preset, **overrides).use_state()
    config = presets.get(preset)["config"] | overrides
    expected = official_tensors(variables, config)
    tensors = read_tensors(source)
    ignored = [n for n in tensors if n not in expected and training_state.fullmatch(n)]
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
