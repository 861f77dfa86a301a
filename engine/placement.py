"""On which of the engine's devices a model is, where there are several."""

import contextlib
import sys


def placements() -> list:
    """Returns the names of the devices that models may be on, the engine's own first.

    They are its accelerators, or else its CPUs; none before something has loaded the
    engine, which this does not.
    """
    keras = sys.modules.get("keras")
    return keras.distribution.list_devices() if keras else []


def placed(device: str | None):
    """Returns a block in which models are made and used on a device.

    Args:
        device: its name; None is the one that the engine takes by itself.
    """
    if device is None:
        return contextlib.nullcontext()
    import keras

    return keras.device(device)
