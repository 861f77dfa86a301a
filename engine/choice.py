"""Which engine runs, and on which devices: decided before the engine is loaded."""

import importlib.util
import json
import os
from pathlib import Path

from inpainting_zoo.errors import InputError

ENGINES = ("tensorflow", "jax")


def check_engine():
    """Checks that the engine that Keras will load is one of ours and installed.

    Raises:
        InputError: if it is not; names where it was chosen.
    """
    folder = Path(os.environ.get("KERAS_HOME") or os.path.expanduser("~/.keras"))
    name, source = os.environ.get("KERAS_BACKEND"), "KERAS_BACKEND"
    if not name:
        try:
            name = json.loads((folder / "keras.json").read_text()).get("backend")
            source = f"{folder / 'keras.json'} (KERAS_BACKEND is not set)"
        except (OSError, ValueError, AttributeError):  # as Keras does, then its default
            name = None
    name = name or "tensorflow"
    known = " or ".join(ENGINES)
    if name not in ENGINES:
        raise InputError(
            f"KERAS_BACKEND: must be {known}, received {name!r} from {source}"
        )
    if importlib.util.find_spec(name) is None:
        raise InputError(
            f"KERAS_BACKEND: must be {known} and installed, received {name!r} from "
            f"{source}, which is not installed"
        )


def choose_devices(gpu: str | None):
    """Hides devices from an engine that is not loaded yet.

    Args:
        gpu: number of a GPU, "none", or None for all there are.
    """
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = "" if gpu == "none" else gpu
        if gpu == "none":
            os.environ["JAX_PLATFORMS"] = "cpu"


def check_devices(gpu: str | None):
    """Checks that GPUs that were asked for are there; loads the engine if any was.

    Raises:
        InputError: if one is not; names the devices that there are.
    """
    if gpu in (None, "none"):
        return
    from inpainting_zoo.engine import backend

    if len(backend.accelerators()) < len(set(gpu.split(","))):
        raise InputError(
            f"gpu: must be a GPU that {backend.BACKEND} can use, received {gpu!r}; it "
            f"finds {', '.join(backend.devices())}"
        )
