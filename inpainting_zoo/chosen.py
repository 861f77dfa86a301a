"""The model that a command asks for: of a preset, an experiment or a file."""

import dataclasses
import logging

from inpainting_zoo import presets
from inpainting_zoo.options import PresetsSettings
from inpainting_zoo.options.model import ModelSettings
from inpainting_zoo.weights.read_checkpoint import digests

log = logging.getLogger(__name__)


def list_presets(settings: PresetsSettings):
    """Prints what can be loaded."""
    print(presets.table())


def named(settings: ModelSettings) -> ModelSettings:
    """Returns settings that name a model, and says so where it is the default."""
    if settings.names_a_model:
        return settings
    log.info("preset: %s, because none was named: %s", presets.DEFAULT, presets.REASON)
    return dataclasses.replace(settings, preset=presets.DEFAULT)


def chosen_model(settings: ModelSettings):
    """Loads the model that the settings of a command name.

    Returns:
        `(name, model, sha256)`: of the experiment or else of the preset; the model; the
        digest of its weights.

    Raises:
        InputError: if it is not there.
        WeightsError: if the weights are damaged or do not fit.
    """
    settings = named(settings)
    preset, name = settings.preset, settings.experiment_name
    files, adapters = settings.files, settings.adapters or []
    digest = [d for file in [*files, *adapters] for d in digests(file).values()]
    sha256 = " ".join(digest)
    if files and not (preset and len(files) == 1):
        model, metadata = presets.load_file(*files, adapters=adapters)
        return name or metadata["preset"], model, sha256
    if settings.verify:
        presets.verify(preset)
    model = presets.load(preset, *files, adapters=adapters)
    return name or preset, model, sha256 or presets.digest(preset)
