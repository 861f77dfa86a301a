"""The model that a command asks for: of a preset, an experiment or a file."""

import dataclasses
import functools
import logging
from collections.abc import Callable

from inpainting_zoo import presets
from inpainting_zoo.families import check_options
from inpainting_zoo.options import PresetsSettings
from inpainting_zoo.options.model import ModelSettings
from inpainting_zoo.storage.checkpoints import load_weights
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
    name, sha256, load = identified(settings)
    return name, load(), sha256


def chosen_with_options(settings):
    """Does what `chosen_model` does, and refuses options that the model does not take.

    Args:
        settings: `ModelSettings` with `with_options`.

    Raises:
        InputError: if the model takes none of such a name or value: before an engine is
            loaded, where a preset tells; see also `chosen_model`.
    """
    check_with_options(settings)
    name, model, sha256 = chosen_model(settings)
    check_options(settings.with_options, model.OPTIONS, model.RULES, "with")
    return name, model, sha256


def check_with_options(settings):
    """Refuses options that a preset does not take, if one is named, without an engine.

    Args:
        settings: `ModelSettings` with `with_options`.
    """
    if settings.preset or not settings.names_a_model:
        family = presets.family(settings.preset or presets.DEFAULT)
        check_options(settings.with_options, family.options, family.rules, "with")


def identified(settings: ModelSettings) -> tuple[str, str, Callable]:
    """Returns what the settings of a command name, before it is loaded.

    Returns:
        `(name, sha256, load)`: see `chosen_model`; `load` returns the model.

    Raises:
        InputError, WeightsError: see `chosen_model`.
    """
    settings = named(settings)
    preset, name = settings.preset, settings.experiment_name
    files, adapters = settings.files, settings.adapters or []
    sha256 = " ".join(d for f in [*files, *adapters] for d in digests(f).values())
    if files and not (preset and len(files) == 1):
        loading = functools.partial(presets.load_file, *files, adapters=adapters)
        _, metadata = load_weights(files[0])
        preset = presets.described_by(metadata, files[0])
        return name or preset, sha256, lambda: loading()[0]
    if not files:
        presets.check_trained(preset)
    if settings.verify:
        presets.verify(preset)
    loading = functools.partial(presets.load, preset, *files, adapters=adapters)
    return name or preset, sha256 or presets.digest(preset), loading


class Later:
    """A model that is loaded when something of it is first needed.

    Args:
        load: takes nothing, returns the model.
    """

    def __init__(self, load: Callable):
        self.load = functools.cache(load)

    def __getattr__(self, name):
        return getattr(self.load(), name)
