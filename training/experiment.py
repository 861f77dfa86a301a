"""The folder of an experiment: its settings, states, pictures and numbers."""

import contextlib
import json
import logging
import platform
import statistics
import sys
from pathlib import Path

import keras

from inpainting_zoo import presets
from inpainting_zoo.engine import backend
from inpainting_zoo.environment import commit, peak_memory, processor, versions
from inpainting_zoo.errors import InputError
from inpainting_zoo.metrics.measures import MEASURES
from inpainting_zoo.models.inpainter import AVERAGE
from inpainting_zoo.options import TrainSettings
from inpainting_zoo.options.fields import WARM_UP
from inpainting_zoo.storage.arrays import Arrays
from inpainting_zoo.storage.checkpoints import (
    Checkpoints,
    as_arrays,
    assign,
    load_weights,
    part_file,
    part_files,
    save_weights,
)
from inpainting_zoo.storage.files import (
    refuse_replacing,
    remove_parts,
    write_bytes,
    write_json,
)
from inpainting_zoo.storage.locks import locked
from inpainting_zoo.training.event_log import EventLog
from inpainting_zoo.training.record import (
    check_new,
    check_same_generator,
    not_recorded,
    read_record,
    record_of,
    stage_on_record,
)

log = logging.getLogger(__name__)


class Experiment:
    """Everything that is written about one experiment.

    Args:
        folder: holds config.json, metrics.json, weights/, logs/, predicted_pics/ and
            summaries/.
        writes: False only reads, where another process writes.
    """

    def __init__(self, folder, writes: bool = True):
        self.folder, self.writes = Path(folder), writes
        self.checkpoints = Checkpoints(self.folder / "weights")

    @property
    def generator(self):
        """The file of the generator for use."""
        return part_file(self.folder)

    @property
    def stage(self) -> str | None:
        """The stage that was begun last."""
        return read_record(self.folder).get("stage")

    @contextlib.contextmanager
    def in_use(self):
        """Holds the folder for one training in a block; it begins tidied up.

        Raises:
            InputError: if another process trains there, or files are of something else.
        """
        if not self.writes:
            yield
            return
        names = ("config*.json", "metrics.json", "weights/*", "summaries/*")
        names += ("predicted_pics/*/*", "logs/*/*")
        files = [file for name in names for file in self.folder.glob(name)]
        words = "the files of a former run"
        refuse_replacing("experiment_name", files, words, self._is_of_a_run)
        with locked(self.folder, "experiment_name"):
            remove_parts(self.folder, *self.folder.rglob("*/"))  # of killed runs
            yield

    def _is_of_a_run(self, path):
        config = self.folder / "config.json"
        recorded = config.is_file() and b'"settings"' in config.read_bytes()
        return recorded or self.checkpoints.manifest.is_file()

    def compare(self):
        """Says what a resumed run takes beyond its record, such as another machine."""
        config = read_record(self.folder)
        if missing := not_recorded(config["settings"]):
            log.info("resume: not recorded, by default: %s", ", ".join(missing))
        here = {"engine": backend.BACKEND, "cpu": processor()["model"]}
        there = {"engine": config.get("engine"), "cpu": config.get("cpu") or {}}
        there["cpu"] = there["cpu"].get("model")
        if changed := [
            f"{what} {there[what]!r} -> {here[what]!r}"
            for what in here
            if there[what] not in (None, here[what])
        ]:
            log.warning(
                "resume: %s; from here on the run is no longer bit for bit the one "
                "that was interrupted",
                ", ".join(changed),
            )

    def start(self, model, stage: str, settings, about: dict, fingerprint: str) -> int:
        """Loads the weights that a run starts from and returns its first step.

        Args:
            model: after `begin`.
            stage: of training.
            settings: of which `resume` and `from_weights` decide.
            about: the preset and the overrides of the model.
            fingerprint: of the training data.

        Raises:
            InputError: if the stage has begun before, the data are others, or states
                have no manifest.
            WeightsError: if the weights are damaged or do not fit.
        """
        if settings.resume:
            step = self._resume(model, stage, fingerprint)
            if step is not None:
                return step
            log.info("resume: no state of %s was saved yet, starts at step 0", stage)
        check_new(self.checkpoints, stage)
        if settings.from_weights:
            self._load_networks(model, settings.from_weights, about)
        elif found := self.checkpoints.load():  # of another stage
            arrays, metadata = found
            check_same_generator(metadata, about, self.folder)
            if {key.split("/")[0] for key in arrays} & {*model.networks}:
                log.warning("%s: starts from random weights, see -from_weights", stage)
        elif WARM_UP in model.STAGES and stage != WARM_UP:
            log.info("%s: starts from random weights, without a warm-up", stage)
        if self.writes:
            self.checkpoints.begin()
        return 0

    def _resume(self, model, stage, fingerprint):
        """Loads the last state of a stage and returns its step, None without one."""
        found = self.checkpoints.load(stage)
        if found is None:
            return None
        arrays, metadata = found
        if metadata["fingerprint"] != fingerprint:
            raise InputError(
                "resume: -train_path and -mask_path must hold the same files as "
                "before, received others"
            )
        assign(model.state(), arrays, self.checkpoints.folder)
        return metadata["step"]

    def _load_networks(self, model, source, about):
        """Loads every network that the source holds, as use has it.

        Optimizers start anew.
        """
        if source is True:
            source, found = self.checkpoints.folder, self.checkpoints.load()
            if found is None:
                raise InputError(
                    f"from_weights: {source} must hold a saved state, received none; "
                    "run -warm_up_generator first or name a weight file"
                )
            found = _as_used(*found)
        else:
            preset, overrides = about["preset"], about["overrides"]
            config = presets.get(preset)["config"] | overrides
            state = model.use_state()
            found = presets.open_weights(source, state, preset, config, beginning=True)
        arrays, metadata = found
        check_same_generator(metadata, about, source)
        networks = set(model.networks)
        held = {key.split("/")[0] for key in arrays} & networks
        if not held and networks <= set(model.added):
            log.info("%s: not in %s, new", ", ".join(sorted(networks)), source)
            return
        # Of what use does not need, such as critics, all or none: new ones then.
        loaded = networks if held - set(model.parts) else held or networks
        state = model.state()
        if not metadata:  # an official file, whose arrays are those that can be taken
            loaded, state = held, {k: v for k, v in state.items() if k in arrays}
        assign(
            {k: v for k, v in state.items() if k.split("/")[0] in loaded},
            arrays,
            source,
        )
        model.restart_averages()
        step = metadata.get("step", "unknown")
        if loaded:
            log.info("%s: from %s, step %s", ", ".join(sorted(loaded)), source, step)
        if new := set(model.networks) - loaded:
            log.info("%s: start from random weights", ", ".join(sorted(new)))

    def save(self, model, stage: str, step: int, about: dict, position: dict):
        """Writes the full state, and each trained part for use in a file of its own."""
        arrays = as_arrays(model.state())
        self.checkpoints.save(stage, step, arrays, {**about, **position})
        for part in model.trained_parts:
            path = self.folder / "weights" / f"{part}.safetensors"
            used = as_arrays(model.use_state(part))
            told = {**about, "stage": stage, "step": step}
            save_weights(path, used, told, model.file_names)

    def record(self, stage: str, settings: TrainSettings, model):
        """Writes config.json and the summaries of the networks.

        What it said of another stage is kept in config_STAGE.json.
        """
        recorded = {
            "stage": stage,
            "settings": settings.as_dict(),
            "versions": {**versions(), **backend.version()},
            "engine": backend.BACKEND,
            "devices": backend.devices(),
            "machine": platform.platform(),
            "cpu": processor(),
            "commit": commit(),
            "command": sys.argv,
        }
        path = self.folder / "config.json"
        if (former := stage_on_record(path)) in {*model.STAGES} - {stage}:
            write_bytes(record_of(self.folder, former), path.read_bytes())
        write_json(path, recorded, default=str)
        for name, network in model.networks.items():
            if not isinstance(network, keras.Model):
                continue
            lines = []
            network.summary(line_length=110, print_fn=lines.append)
            path = self.folder / "summaries" / f"{name}.txt"
            write_bytes(path, "\n".join(lines).encode())

    def log_test(self, name: str, found: dict):
        """Logs for TensorBoard what a test measured, at the step of the generator.

        Args:
            name: of the test.
            found: means by measure; None is one of nothing.
        """
        step = load_weights(part_files(self.folder)[0])[1].get("step", 0)
        values = {m: found.get(m) for m in MEASURES}
        values = {f"test_{m}": v for m, v in values.items() if v is not None}
        with EventLog(self.folder / "logs" / name) as events:
            events.scalars(step, values)

    def summarize(
        self,
        stage: str,
        start: int,
        seconds: float,
        seconds_of_steps: list,
        history: list,
        unreadable: int,
    ):
        """Adds a stage to metrics.json, or what a resumed run did of it.

        Args:
            stage: of training.
            start: step that the run started from.
            seconds: that the run took.
            seconds_of_steps: that each of its steps took.
            history: of `Validation`.
            unreadable: how many files were skipped.
        """
        if not seconds_of_steps:
            return
        path = self.folder / "metrics.json"
        numbers = json.loads(path.read_text()) if path.is_file() else {}
        earlier = numbers.get(stage, {"history": [], "seconds": 0})
        kept = [entry for entry in earlier["history"] if entry["step"] <= start]
        numbers[stage] = {
            "seconds": seconds + (earlier["seconds"] if start else 0),
            "median_seconds_per_step": statistics.median(seconds_of_steps),
            "peak_memory_mb": peak_memory(),
            "unreadable_files": unreadable,
            "history": kept + history,
        }
        write_json(path, numbers, default=str)


def _as_used(state, metadata):
    """Returns a state with what use takes in the place of the weights, where it does.

    The files for use hold the same, so that a stage begins alike from either.
    """
    averaged = {name for name in state if f"{AVERAGE}{name}" in state}
    if averaged:
        parts = ", ".join(sorted({name.split("/")[0] for name in averaged}))
        log.info("%s: the weights that use takes, not the last ones", parts)

    def read(name):
        return state[f"{AVERAGE}{name}" if name in averaged else name]

    return Arrays(state.shapes, read), metadata
