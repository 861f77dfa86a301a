"""The model that a command asks for: of a preset, an experiment or a file."""

from pathlib import Path

from inpainting_zoo import presets
from inpainting_zoo.errors import InputError
from inpainting_zoo.options import ModelSettings, PresetsSettings
from inpainting_zoo.storage.checkpoints import part_files
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
    if not settings.names_a_model:
        preset = presets.DEFAULT
        print(f"preset: {preset}, because none was named: {presets.REASON}")
    files = [settings.from_weights] if settings.from_weights else []
    if name:
        folder = Path(settings.output_path, name)
        files = part_files(folder)
        if not files:
            raise InputError(
                f"experiment_name: must hold weights for use in {folder / 'weights'}, "
                "received none"
            )
    sha256 = " ".join(found for file in files for found in digests(file).values())
    if files and not (preset and len(files) == 1):
        model, metadata = presets.load_file(*files)
        return name or metadata["preset"], model, sha256
    if settings.verify:
        presets.verify(preset)
    model = presets.load(preset, *files)
    return name or preset, model, sha256 or presets.digest(preset)
