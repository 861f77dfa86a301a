"""The model that a command asks for: of a preset, an experiment or a file."""

from pathlib import Path

from inpainting_zoo import presets
from inpainting_zoo.errors import InputError
from inpainting_zoo.options import ModelSettings, PresetsSettings
from inpainting_zoo.storage.checkpoints import part_file
from inpainting_zoo.weights.read_checkpoint import digests


def list_presets(settings: PresetsSettings):
    """Prints what can be loaded."""
    print(presets.table())


def chosen_model(settings: ModelSettings):
    """Loads the model that the settings of a command name.

    Returns:
        `(name, model, sha256)`: of the experiment or else of the preset; the model; the
        digest of its weights.

    Raises:
        InputError: if it is not there.
        WeightsError: if the weights are damaged or do not fit.
    """
    preset, name = settings.preset, settings.experiment_name
    path = settings.from_weights
    if name:
        path = part_file(Path(settings.output_path, name))
        if not path.is_file():
            raise InputError(f"experiment_name: must hold {path}, received none")
    if path and not preset:
        model, metadata = presets.load_file(path)
        return name or metadata["preset"], model, " ".join(digests(path).values())
    if settings.verify:
        presets.verify(preset)
    model = presets.load(preset, path)
    digest = " ".join(digests(path).values()) if path else presets.digest(preset)
    return name or preset, model, digest
