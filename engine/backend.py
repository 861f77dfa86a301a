"""Which engine runs, on which devices, and how to make it repeat itself."""

import keras

from inpainting_zoo.errors import InputError

BACKEND = keras.backend.backend()
tf = jax = None
if BACKEND == "tensorflow":
    import tensorflow as tf
elif BACKEND == "jax":
    import jax
else:
    raise InputError(f"KERAS_BACKEND: must be tensorflow or jax, received {BACKEND!r}")


def deterministic():
    """Makes every following run repeat itself bit for bit on the same machine."""
    if BACKEND == "tensorflow":
        tf.config.experimental.enable_op_determinism()


def devices():
    """Returns the devices that the engine sees, in words."""
    if BACKEND == "jax":
        return [f"{d.platform}:{d.id} {d.device_kind}" for d in jax.devices()]
    return [d.name for d in tf.config.list_physical_devices()]


def on_cpu():
    """Whether the engine has nothing faster."""
    return all("cpu" in device.lower() for device in devices())


def version():
    """Returns the engine's name and version."""
    return {BACKEND: (jax if BACKEND == "jax" else tf).__version__}
