"""The settings of a training on record, which a resumed one keeps."""

import dataclasses
import json
import os
from pathlib import Path

from inpainting_zoo import presets
from inpainting_zoo.errors import InputError, WeightsError
from inpainting_zoo.options import TrainSettings
from inpainting_zoo.options.fields import WARM_UP
from inpainting_zoo.storage.checkpoints import Checkpoints

# What a resumed run may change without becoming another run.
FREE_SETTINGS = {"steps", "epochs", "save_every", "sample_every", "gpu"}
FREE_SETTINGS |= {"output_path", "experiment_name"}  # the folder may have moved
ALWAYS_NEW = {"distributed", "process"}  # of this process, whatever is on record
FREE_SETTINGS |= ALWAYS_NEW
# What may have moved together with the folder of experiments.
PLACES = {"train_path", "validation_path", "mask_path", "objects_path", "aligned"}


def resumed(settings: TrainSettings) -> TrainSettings:
    """Returns the recorded settings; those that are given again must not differ.

    Settings that the record lacks, as of an earlier version, take their defaults.

    Raises:
        InputError: if one differs, or nothing is recorded that can be resumed.
    """
    config = read_record(settings.folder, settings.stage)
    recorded = dict(config["settings"])
    fields = {field.name for field in settings.options()}
    if unknown := sorted(recorded.keys() - fields):
        raise InputError(
            f"resume: {settings.folder / 'config.json'} must hold settings of this "
            f"version, received {', '.join(unknown)}"
        )
    former = TrainSettings(**{"stage": config.get("stage"), **recorded})
    # The flag is another name of a stage.
    given = {"stage" if name == WARM_UP else name for name in settings.given}
    pairs = {n: (getattr(former, n), getattr(settings, n)) for n in given}
    if changed := [
        f"{name} {old!r} -> {new!r}"
        for name, (old, new) in sorted(pairs.items())
        if name not in FREE_SETTINGS | {"resume"}
        and old != new
        and not (name in PLACES and _seen(former, name) == _seen(settings, name))
    ]:
        raise InputError(
            f"resume: settings must stay as recorded, received {', '.join(changed)}"
        )
    free = {n: new for n, (_, new) in pairs.items() if n in FREE_SETTINGS | PLACES}
    free |= {name: getattr(settings, name) for name in ALWAYS_NEW}
    if "epochs" in free:
        free.setdefault("steps", None)
    return dataclasses.replace(former, **free, resume=True)


def _seen(settings, name):
    """Returns the path of a place, or of some by name, from the output folder."""
    place = getattr(settings, name)
    if isinstance(place, dict):
        return {k: os.path.relpath(v, settings.output_path) for k, v in place.items()}
    return place and os.path.relpath(place, settings.output_path)


def not_recorded(recorded: dict) -> list:
    """Returns the names of the settings that a record of an earlier version lacks."""
    fields = {field.name for field in TrainSettings.options()}
    return sorted(fields - recorded.keys() - {"stage"} - ALWAYS_NEW)


def record_of(folder: Path, stage: str) -> Path:
    """Returns the file that tells of a stage after another one has begun."""
    return folder / f"config_{stage}.json"


def stage_on_record(path: Path) -> str | None:
    """Returns the stage that a config.json is of, None where it cannot be read."""
    try:
        return json.loads(path.read_text(encoding="utf-8-sig")).get("stage")
    except (OSError, ValueError, AttributeError):
        return None


def read_record(folder: Path, stage: str | None = None) -> dict:
    """Returns what is on record of a stage of an experiment.

    Args:
        folder: of the experiment.
        stage: of training; by default, and where nothing else is on record of it, that
            which began last.

    Raises:
        InputError: if there is no record, or it says no settings.
    """
    path = folder / "config.json"
    if stage and stage != stage_on_record(path):
        former = record_of(folder, stage)
        path = former if former.is_file() else path
    if not path.is_file():
        raise InputError(f"resume: {folder} must hold a run, received nothing")
    try:
        config = json.loads(path.read_text(encoding="utf-8-sig"))
        if "preset" not in dict(config["settings"]):
            raise KeyError("preset")
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(
            f"resume: {path} must hold the settings of a run, received "
            f"{type(error).__name__} {error}"
        ) from error
    return config


def check_new(states: Checkpoints, stage: str):
    """Checks that a stage has not begun in an experiment.

    Raises:
        InputError: if it has, or states have no manifest.
    """
    states.check()
    if taken := [e for e in states.entries() if e["stage"] == stage]:
        raise InputError(
            f"experiment_name: must be new for {stage}, received "
            f"{states.folder.parent.name!r}, which holds step {taken[-1]['step']}; "
            "continue it with -resume or choose another name"
        )


def check_same_generator(metadata: dict, about: dict, source):
    """Refuses weights of another configuration, naming the keys that differ.

    Args:
        metadata: of the weights; those without a preset are not checked.
        about: the preset and the overrides that they are for.
        source: of the weights; named in the error.

    Raises:
        WeightsError: if the generator of `about` is another.
    """
    if "preset" not in metadata:
        return
    ours, theirs = _generator_config(about), _generator_config(metadata)
    different = sorted(k for k in {*ours, *theirs} if ours.get(k) != theirs.get(k))
    if different:
        words = [f"{k} {theirs.get(k)!r} -> {ours.get(k)!r}" for k in different]
        raise WeightsError(
            f"from_weights: {source} holds another generator, {', '.join(words)}"
        )


def _generator_config(about):
    config = presets.get(about["preset"])["config"] | about["overrides"]
    options = presets.family(about["preset"]).generator_options
    return {k: v for k, v in config.items() if k in options}
