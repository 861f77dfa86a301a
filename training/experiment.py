"""The folder of an experiment: its settings, states, pictures and numbers."""

import json
import os
import platform
import re
import resource
import statistics
import subprocess
import sys
from pathlib import Path

import keras

from inpainting_zoo import presets
from inpainting_zoo.engine import backend
from inpainting_zoo.errors import InputError, WeightsError
from inpainting_zoo.evaluation.protocol import versions
from inpainting_zoo.metrics.measures import MEASURES
from inpainting_zoo.storage.checkpoints import (
    Checkpoints,
    as_arrays,
    assign,
    load_weights,
    part_file,
    save_weights,
)
from inpainting_zoo.storage.files import remove_parts, write_bytes, write_json
from inpainting_zoo.training.event_log import EventLog
from inpainting_zoo.weights.converting import open_weights

# What a resumed run may change without becoming another run.
FREE_SETTINGS = {"steps", "epochs", "save_every", "sample_every", "gpu"}
FREE_SETTINGS |= {"output_path", "experiment_name"}  # the folder may have moved


class Experiment:
    """Everything that is written about one experiment.

    Args:
        folder: holds config.json, metrics.json, weights/, logs/, predicted_pics/ and
            summaries/.
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        self.checkpoints = Checkpoints(self.folder / "weights")

    @property
    def generator(self):
        """The file of the generator for use."""
        return part_file(self.folder)

    def clean(self):
        """Removes what a killed run left behind."""
        remove_parts(self.folder)
        self.checkpoints.clean()

    def resumed_settings(self, explicit: dict):
        """Returns the recorded settings; those that are given again must not differ."""
        path = self.folder / "config.json"
        if not path.is_file():
            raise InputError(f"resume: {self.folder} must hold a run, received nothing")
        recorded = json.loads(path.read_text())["settings"]
        free = {k: v for k, v in explicit.items() if k in FREE_SETTINGS}
        changed = {
            k: v
            for k, v in explicit.items()
            if k not in FREE_SETTINGS | {"resume"} and recorded.get(k) != v
        }
        if changed:
            words = [f"{k} {recorded.get(k)!r} -> {v!r}" for k, v in changed.items()]
            raise InputError(
                f"resume: settings must stay as recorded, received {', '.join(words)}"
            )
        if "epochs" in free:
            free.setdefault("steps", None)
        return {**recorded, **free, "resume": True}

    def start(self, model, stage: str, settings: dict, about: dict, fingerprint: str):
        """Loads the weights that a run starts from and returns its first step.

        Args:
            model: after `begin`.
            stage: of training.
            settings: `resume` and `from_weights` decide.
            about: the preset and the overrides of the model.
            fingerprint: of the training data.
        """
        if settings["resume"]:
            step = self._resume(model, stage, fingerprint)
            if step is not None:
                return step
            print(f"resume: no state of {stage} was saved yet, starts at step 0")
        taken = [e for e in self.checkpoints.entries() if e["stage"] == stage]
        if taken:
            raise InputError(
                f"experiment_name: must be new for {stage}, received "
                f"{self.folder.name!r}, which holds step "
                f"{taken[-1]['step']}; continue it with -resume or choose another name"
            )
        if settings["from_weights"]:
            self._load_networks(model, settings["from_weights"], about)
        elif stage != "warm_up_generator":
            print(f"{stage}: starts from random weights, without a warm-up")
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
        """Loads every network that the source holds; optimizers start anew."""
        if source is True:
            source, found = self.checkpoints.folder, self.checkpoints.load()
            if found is None:
                raise InputError(
                    f"from_weights: {source} must hold a saved state, received none; "
                    "run -warm_up_generator first or name a weight file"
                )
        else:
            preset, overrides = about["preset"], about["overrides"]
            config = presets.get(preset)["config"] | overrides
            found = open_weights(source, model.use_state(), preset, config)
        arrays, metadata = found
        check_same_generator(metadata, about, source)
        # The critics of a state of the second stage, all of them, or new ones.
        held = {key.split("/")[0] for key in arrays} & set(model.networks)
        loaded = set(model.networks) if held - {"generator"} else {"generator"}
        state = model.state().items()
        assign({k: v for k, v in state if k.split("/")[0] in loaded}, arrays, source)
        step = metadata.get("step", "unknown")
        print(f"{', '.join(sorted(loaded))}: from {source}, step {step}")
        if new := set(model.networks) - loaded:
            print(f"{', '.join(sorted(new))}: start from random weights")

    def save(self, model, stage: str, step: int, about: dict, position: dict):
        """Writes the full state, and each trained part for use in a file of its own."""
        arrays = as_arrays(model.state())
        self.checkpoints.save(stage, step, arrays, {**about, **position})
        for part in model.trained_parts:
            path = self.folder / "weights" / f"{part}.safetensors"
            used = as_arrays(model.use_state(part))
            save_weights(path, used, {**about, "stage": stage, "step": step})

    def record(self, stage: str, settings: dict, model):
        """Writes config.json and the summaries of the networks."""
        recorded = {
            "stage": stage,
            "settings": settings,
            "versions": {**versions(), **backend.version()},
            "engine": backend.BACKEND,
            "devices": backend.devices(),
            "machine": platform.platform(),
            "cpu": processor(),
            "commit": commit(),
            "command": sys.argv,
        }
        write_json(self.folder / "config.json", recorded, default=str)
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
        step = load_weights(self.generator)[1].get("step", 0)
        log = EventLog(self.folder / "logs" / name)
        values = {f"test_{m}": found[m] for m in MEASURES if found[m] is not None}
        log.scalars(step, values)
        log.close()

    def summarize(self, stage: str, start: int, samples, unreadable, seconds: float):
        """Adds a stage to metrics.json, or what a resumed run did of it."""
        if not samples.seconds:
            return
        path = self.folder / "metrics.json"
        numbers = json.loads(path.read_text()) if path.is_file() else {}
        earlier = numbers.get(stage, {"history": [], "seconds": 0})
        kept = [entry for entry in earlier["history"] if entry["step"] <= start]
        numbers[stage] = {
            "seconds": seconds + (earlier["seconds"] if start else 0),
            "median_seconds_per_step": statistics.median(samples.seconds),
            "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            "unreadable_files": unreadable,
            "history": kept + samples.history,
        }
        write_json(path, numbers, default=str)


def processor() -> dict:
    """Returns the model of the CPU and the number of its cores."""
    try:
        found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    except OSError:  # not on Linux
        found = None
    model = found[1] if found else platform.processor()
    return {"model": model, "cores": os.cpu_count()}


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
    options = presets.model_class(about["preset"]).GENERATOR_OPTIONS
    return {k: v for k, v in config.items() if k in options}


def commit() -> str | None:
    """Returns the short name of the checked-out commit, or None outside of Git."""
    try:
        found = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
        )
    except OSError:
        return None
    return found.stdout.strip() or None
