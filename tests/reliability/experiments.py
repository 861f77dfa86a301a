"""Experiments named "run" and what a kill leaves of them."""

import hashlib
import json

import numpy as np

WARM_UP = ("-warm_up_generator",)
STAGES = {"warm_up_generator": WARM_UP, "wgan": ()}
RESUME = ("-resume", "-experiment_name", "run", "-output_path")


def where(images, folder):
    names = ("-output_path", folder, "-experiment_name", "run")
    return ("-train_path", images, *names)


def states(folder):
    """Step by intact state of an experiment, read as anyone would read them."""
    manifest = folder / "run" / "weights" / "manifest.json"
    if not manifest.is_file():
        return {}
    found = {}
    for entry in json.loads(manifest.read_text()):
        path = manifest.with_name(entry["file"])
        assert hashlib.sha256(path.read_bytes()).hexdigest() == entry["sha256"]
        with np.load(path) as file:
            assert all(np.isfinite(file[k]).all() for k in file if k != "metadata")
        found[entry["step"]] = path
    return found


def last_step(folder):
    """The last step in the manifest, without reading the state."""
    manifest = folder / "run" / "weights" / "manifest.json"
    if not manifest.is_file():
        return 0
    entries = json.loads(manifest.read_text())
    return entries[-1]["step"] if entries else 0


def parts(folder):
    return list(folder.rglob("*.part"))
