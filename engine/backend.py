"""Which engine runs, on which devices, and how to make it repeat itself."""

import contextlib
import dataclasses
import threading

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


@contextlib.contextmanager
def explicit_settings():
    """Gives Keras the settings that this library is written for, in a block.

    Channels last, float32, Keras's own epsilon and no limits of epochs and steps,
    whatever keras.json, the environment or a program that uses this library has chosen;
    theirs come back when the last thread is done.

    Raises:
        InputError: if the engine has no devices, see `devices`.
    """
    devices()  # which JAX would look for within the first operation
    policy = keras.config.dtype_policy()  # each thread's own
    with _host.lock:
        if not _host.blocks:
            _host.settings = _settings()
            _configure("channels_last", "float32", 1e-7, None, None)
        _host.blocks += 1
    keras.config.set_dtype_policy("float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(policy)
        with _host.lock:
            _host.blocks -= 1
            if not _host.blocks:
                _configure(*_host.settings)


@dataclasses.dataclass
class _Host:
    """Keras's settings outside of our blocks, and how many of these are running."""

    settings: tuple = ()
    blocks: int = 0
    lock: threading.Lock = dataclasses.field(default_factory=threading.Lock)


_host = _Host()


def _settings():
    config = keras.config
    numbers = config.image_data_format(), config.floatx(), config.epsilon()
    return *numbers, config.max_epochs(), config.max_steps_per_epoch()


def _configure(image_data_format, floatx, epsilon, max_epochs, max_steps_per_epoch):
    keras.config.set_image_data_format(image_data_format)
    keras.config.set_floatx(floatx)
    keras.config.set_epsilon(epsilon)
    keras.config.set_max_epochs(max_epochs)
    keras.config.set_max_steps_per_epoch(max_steps_per_epoch)


def deterministic():
    """Makes every following run repeat itself bit for bit on the same machine."""
    if BACKEND == "tensorflow":
        tf.config.experimental.enable_op_determinism()


def devices():
    """Returns the devices that the engine sees, in words.

    Raises:
        InputError: if JAX was told to take devices that are not there.
    """
    if BACKEND == "jax":
        try:
            found = jax.devices()
        except RuntimeError as error:
            raise InputError(
                f"JAX_PLATFORMS: must name devices that are there, received "
                f"{jax.config.jax_platforms!r}: {error}"
            ) from error
        return [f"{d.platform}:{d.id} {d.device_kind}" for d in found]
    return [d.name for d in tf.config.list_physical_devices()]


def accelerators():
    """Returns the devices that are faster than the CPU, in words."""
    return [device for device in devices() if "cpu" not in device.lower()]


def version():
    """Returns the engine's name and version."""
    return {BACKEND: (jax if BACKEND == "jax" else tf).__version__}
