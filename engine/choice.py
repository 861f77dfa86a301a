"""Which engine runs, and on which devices: decided before the engine is loaded."""

import importlib.util
import json
import os
from pathlib import Path

from inpainting_zoo.errors import InputError

ENGINES = ("tensorflow", "jax")
# With anything else in its file Keras does not start; we make our own choices.
KERAS_SETTINGS = {
    "floatx": ("float16", "float32", "float64"),
    "image_data_format": ("channels_last", "channels_first"),
}
# Whole numbers that Keras takes from the environment, which decide nothing here.
KERAS_LIMITS = ("KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH")


def chosen_engine() -> tuple[str, str]:
    """Returns the name of the engine that Keras will load, and where it was chosen.

    Raises:
        InputError: if Keras would not start with what is in its file.
    """
    folder = Path(os.environ.get("KERAS_HOME") or os.path.expanduser("~/.keras"))
    config = _keras_config(folder / "keras.json")
    name, source = os.environ.get("KERAS_BACKEND"), "KERAS_BACKEND"
    if not name:
        name = config.get("backend", "tensorflow")
        source = f"{folder / 'keras.json'} (KERAS_BACKEND is not set)"
    return name, source


def check_engine():
    """Checks that the engine that Keras will load is one of ours and installed.

    Raises:
        InputError: if it is not, naming where it was chosen, or if Keras would not
            start with what is in its file or in the environment.
    """
    name, source = chosen_engine()
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
    for name in KERAS_LIMITS:
        value = os.environ.get(name, "0")
        try:
            int(value)
        except ValueError:
            raise InputError(
                f"{name}: must be a whole number, received {value!r}"
            ) from None


def _keras_config(path):
    """Returns what is in Keras's file, as far as Keras would start with it."""
    try:
        config = json.loads(path.read_text())
    except (OSError, ValueError):  # which Keras leaves out
        return {}
    if not isinstance(config, dict):
        raise InputError(
            f"{path}: must hold settings of Keras by name, received {config!r}"
        )
    for name, valid in KERAS_SETTINGS.items():
        if name in config and config[name] not in valid:
            raise InputError(
                f"{path}: {name} must be {' or '.join(valid)}, received "
                f"{config[name]!r}"
            )
    if not isinstance(config.get("epsilon", 1e-7), float):
        raise InputError(
            f"{path}: epsilon must be a number such as 1e-07, received "
            f"{config['epsilon']!r}"
        )
    return config


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
