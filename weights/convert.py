"""The command that turns an official checkpoint into a weight file."""

from pathlib import Path

from inpainting_zoo import presets
from inpainting_zoo.errors import InputError, WeightsError
from inpainting_zoo.options import ConvertSettings
from inpainting_zoo.storage.checkpoints import (
    METADATA,
    check,
    finite,
    load_weights,
    save_weights,
)
from inpainting_zoo.storage.files import refuse_overwriting, refuse_replacing, sha256
from inpainting_zoo.storage.variables import without_memory
from inpainting_zoo.weights.converting import from_official
from inpainting_zoo.weights.read_checkpoint import digests, files_of, read_tensors


def convert(settings: ConvertSettings):
    """Converts a checkpoint by the names of the preset's family."""
    report = convert_file(
        settings.source, settings.preset, settings.save_to, settings.set
    )
    for file, digest in report["source"].items():
        if known := presets.known(digest):
            print(f"{file}: {known.file} of {known.source}; {known.licence}")
    print(
        f"{report['saved']}: {report['tensors']} tensors, {report['parameters']} "
        f"parameters, SHA-256 {report['sha256']}"
    )


def convert_file(source, preset: str, save_path, overrides: dict | None = None) -> dict:
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
        WeightsError: see `weights.converting.from_official`; nothing is written then.
    """
    overrides = overrides or {}
    refuse_overwriting([save_path], files_of(source), "save_to: must not be the source")
    refuse_replacing("save_to", [save_path], "converted weights", _is_ours)
    tensors = read_tensors(source)
    if METADATA in tensors.metadata:
        raise WeightsError(
            f"source: must be of another program, received {source} of this one, which "
            "-from_weights takes as it is"
        )
    with without_memory():
        variables = presets.build(preset, **overrides).use_state()
    config = presets.get(preset)["config"] | overrides
    arrays, ignored = from_official(
        tensors, variables, preset, presets.family(preset).folder, config, source
    )
    check(variables, arrays, source)
    arrays = {
        name: finite(name, arrays[name], variable.dtype, source)
        for name, variable in variables.items()
    }
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
    """Whether a file was converted, and not trained."""
    try:
        return "source" in load_weights(path)[1]
    except (InputError, WeightsError):
        return False
