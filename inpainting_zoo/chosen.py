"""The model that a command asks for: of a preset, an experiment or a file."""

import dataclasses
import functools
import itertools
import logging
from collections.abc import Callable

from inpainting_zoo import presets
from inpainting_zoo.families import check_options
from inpainting_zoo.options import PresetsSettings
from inpainting_zoo.options.fields import check_precision
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
        `(name, model, digest)`: of the experiment or else of the preset; the model;
        what returns the SHA-256 of its weights, which reads all of them.

    Raises:
        InputError: if it is not there.
        WeightsError: if the weights are damaged or do not fit.
    """
    name, digest, load = identified(settings)
    return name, load(), digest


def chosen_with_options(settings):
    """Does what `chosen_model` does, and refuses options that the model does not take.

    Args:
        settings: `ModelSettings` with `with_options`.

    Raises:
        InputError: if the model takes none of such a name or value: before an engine is
            loaded, where a preset tells; see also `chosen_model`.
    """
    check_with_options(settings)
    name, model, digest = chosen_model(settings)
    check_options(settings.with_options, model.OPTIONS, model.RULES, "with")
    return name, model, digest


def check_with_options(settings):
    """Refuses options that a preset does not take, if one is named, without an engine.

    Args:
        settings: `ModelSettings` with `with_options`.
    """
    if settings.preset or not settings.names_a_model:
        family = presets.family(settings.preset or presets.DEFAULT)
        check_options(settings.with_options, family.options, family.rules, "with")


def identified(settings: ModelSettings) -> tuple[str, Callable, Callable]:
    """Returns what the settings of a command name, before it is loaded.

    Returns:
        `(name, digest, load)`: see `chosen_model`; `load` returns the model.

    Raises:
        InputError, WeightsError: see `chosen_model`.
    """
    settings = named(settings)
    preset, name = settings.preset, settings.experiment_name
    files, adapters = settings.files, settings.adapters or []
    described = files and not (preset and len(files) == 1)
    if described:
        _, metadata = load_weights(files[0])
        preset = presets.described_by(metadata, files[0])
    elif not files:
        presets.check_trained(preset)
    check_precision(settings.mixed_precision, preset)
    if settings.verify:
        presets.verify(preset)

    @functools.cache
    def digest():
        own = [] if files else [presets.digest(preset)]
        named_by = {"from_weights": files, "adapters": adapters}
        read = [digests(f, n).values() for n, held in named_by.items() for f in held]
        return " ".join([*own, *itertools.chain(*read)])

    def load():
        options = {"adapters": adapters, **settings.overrides}
        if described:
            return presets.load_file(*files, **options)[0]
        return presets.load(preset, *files, **options)

    return name or preset, digest, load


class Later:
    """A model that is loaded when something of it is first needed.

    Args:
        load: takes nothing, returns the model.
    """

    def __init__(self, load: Callable):
        self.load = functools.cache(load)

    def __getattr__(self, name):
        return getattr(self.load(), name)
