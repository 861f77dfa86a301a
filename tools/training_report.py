"""What a training tells about itself, from the files that it left."""

import json
import math
import platform
import shlex
import statistics
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from inpainting_zoo import presets
from inpainting_zoo.environment import processor
from inpainting_zoo.errors import InputError
from inpainting_zoo.options import EnsembleSettings, TrainSettings
from inpainting_zoo.storage.checkpoints import load_weights
from inpainting_zoo.training.data import with_preset_defaults
from inpainting_zoo.training.record import read_record

POINTS = 200  # of the curves, at most
# Folders of others are of no use to a reader.
NAMES = {"train_path": "TRAIN", "mask_path": "MASKS", "vgg_weights": "VGG"}
NAMES |= {"validation_path": "VALIDATION", "captions": "CAPTIONS"}
LEFT_OUT = {"resume", "output_path", "gpu"}  # say where, not what


def training_report(experiment: Path, metadata: dict) -> dict:
    """Returns how a generator was trained, fit for JSON.

    Where it started from another experiment of the same stage, "before" tells of that,
    and "history" goes on where its history ends.

    Args:
        experiment: folder of `training.experiment.Experiment`.
        metadata: of its file for use: preset, overrides, stage, step.

    Raises:
        InputError: if the settings of its stage are not there.
    """
    stage, step = metadata["stage"], metadata["step"]
    config = read_record(experiment, stage)
    settings = config["settings"]
    if config["stage"] != stage:
        raise InputError(
            f"experiment_name: must hold the settings of the weights' stage {stage}, "
            f"received those of {config['stage']}"
        )
    scalars = read_scalars(experiment / "logs" / stage, step)
    before, rows = earlier(settings["from_weights"], stage), history(scalars)
    if before:
        past = before.pop("history")
        steps = past[-1]["step"]
        rows = past + [row | {"step": steps + row["step"]} for row in rows]
    cpu = config.get("cpu")
    if cpu is None and config["machine"] == platform.platform():
        cpu = processor()  # of experiments that did not record it
    return {
        "stage": stage,
        "command": command(settings, stage),
        "seed": settings["seed"],
        "steps": step,
        "planned_steps": settings["steps"],
        "batch_size": settings["batch_size"],
        "image_size": _image_size(metadata),
        "hours": round(sum(scalars["seconds_per_step"].values()) / 3600, 2),
        "cpu": cpu,
        "devices": config["devices"],
        "engine": config["engine"],
        "precision": settings["mixed_precision"],
        "versions": config["versions"],
        "commit": config["commit"],
        "before": before,
        "history": rows,
    }


def earlier(source, stage: str) -> dict | None:
    """Returns the report of the experiment that weights are from, if of this stage.

    Args:
        source: path of a generator, or what else `-from_weights` was.
        stage: of training.
    """
    experiment = Path(source).parent.parent if isinstance(source, str) else None
    if not experiment or not (experiment / "config.json").is_file():
        return None
    metadata = load_weights(source)[1]
    return training_report(experiment, metadata) if metadata["stage"] == stage else None


def in_order(report: dict) -> list:
    """Returns the report of a training after those of the ones that it started from."""
    before = report.get("before")
    return [*(in_order(before) if before else ()), report]


def command(settings: dict, stage: str) -> str:
    """Returns the shortest command that trains the same, from recorded settings."""
    plain = TrainSettings(preset=settings["preset"], stage=stage)
    # Whatever the preset is, the command names it.
    defaults = with_preset_defaults(plain).as_dict() | {"preset": None}
    family = presets.family(settings["preset"])
    if stage != family.stages[-1] and not settings["warm_up_generator"]:
        defaults["stage"] = None
    words = ["runner.py"]
    if family.folder == "ensemble":  # all stages by one command
        given = dict(settings["set"])
        side = given.pop("image_size", None)
        settings = settings | {"set": given, "image_size": side}
        words += ["ensemble", "-cache", "CACHE"]
        known = {field.name for field in EnsembleSettings.options()}
        defaults = {k: v for k, v in defaults.items() if k in known}
    for name, default in defaults.items():
        value = settings.get(name, default)
        if value not in (default, None) and name not in LEFT_OUT:
            words += [f"-{name}", *_words(name, value, settings["output_path"])]
    return shlex.join(words)


def _words(name, value, output_path):
    if value is True:
        return []
    if isinstance(value, dict):
        return [
            f"{k}={v if isinstance(v, str) else json.dumps(v)}"
            for k, v in value.items()
        ]
    if isinstance(value, list):
        return [str(v) for v in value]
    if name == "from_weights":
        path = Path(value)
        known = path.is_relative_to(output_path)
        return [f"outputs/{path.relative_to(output_path)}" if known else "WEIGHTS"]
    if name in NAMES and not value.startswith("samples"):
        return [NAMES[name]]
    return [str(value)]


def _image_size(metadata):
    config = presets.get(metadata["preset"])["config"] | metadata["overrides"]
    return config["image_size"]


def read_scalars(folder: Path, last: int) -> dict:
    """Returns tag -> step -> number, up to the last step, of TensorBoard's events.

    A step that was repeated after an interruption counts as it was repeated.
    """
    events = EventAccumulator(str(folder), {"scalars": 0}).Reload()
    return {
        tag: {e.step: e.value for e in events.Scalars(tag) if e.step <= last}
        for tag in events.Tags()["scalars"]
    }


def history(scalars: dict, points: int = POINTS) -> list:
    """Returns rows of step, unweighted loss terms and validation, means over steps.

    Where there are no terms, a network's loss is one.

    Args:
        scalars: tag -> step -> number; "seconds_per_step" has every step.
        points: the most rows.
    """
    steps = sorted(scalars["seconds_per_step"])
    stride = math.ceil(len(steps) / points)
    shown = {
        tag: values
        for tag, values in scalars.items()
        if tag != "seconds_per_step"
        and not (tag.startswith("weighted_") or tag.endswith("_loss"))
    }
    if all(tag.startswith("validation_") for tag in shown):
        shown |= {tag: v for tag, v in scalars.items() if tag.endswith("_loss")}
    rows = []
    for first in range(0, len(steps), stride):
        window = steps[first : first + stride]
        row = {"step": window[-1]}
        for tag, values in shown.items():
            if found := [values[step] for step in window if step in values]:
                row[tag] = float(f"{statistics.fmean(found):.5g}")
        rows.append(row)
    return rows
