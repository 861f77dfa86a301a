"""What several test files use."""

import gc
import os
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image, ImageSequence

from inpainting_zoo.engine.backend import BACKEND
from inpainting_zoo.engine.operations import computes_in
from inpainting_zoo.models.completer import Completer
from tiny_vgg import write as write_vgg

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# What tests run once or twice compiles longer than it runs.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")

# Marks what JAX compiles for long; TensorFlow runs it as its other marks say.
slow_on_jax = pytest.mark.slow if BACKEND == "jax" else lambda test: test

# What importing has made stays; full collections, many a test, need not go through it.
gc.collect()
gc.freeze()

ROOT = Path(__file__).parent.parent
TINY = ["-set", "base_channels=4", "critic_channels=4", "image_size=32"]
TINY += ["-batch_size", "2", "-preset", "gmcnn_small", "-validation_split", "0.3"]

# What a file must hold for EXIF orientation n to show the same picture.
STORED = {
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
    8: lambda a: np.rot90(a, -1),
}


class Plain(Completer):
    """A function of an image and a mask, as a model for pictures of one size."""

    def __init__(self, function, image_size=256):
        self.function, self.image_size = function, image_size

    def predict_images(self, images, masks, seed=0):
        return np.stack([*map(self.function, images, masks)])


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    """Folders `images` and `masks` of eight tiny pictures each."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for name in ("images", "masks"):
        (folder / name).mkdir()
    for i in range(8):
        colours = rng.integers(0, 256, (6, 6, 3), np.uint8)
        image = Image.fromarray(colours).resize((40, 36), Image.BICUBIC)
        image.save(folder / "images" / f"{i}.png")
        mask = np.zeros((36, 40), np.uint8)
        mask[8 + i : 22 + i, 10:26] = 255
        Image.fromarray(mask).save(folder / "masks" / f"{i}.png")
    return folder


def run(*arguments, engine="tensorflow", timeout=180, cwd=None):
    """Runs the command line in a process of its own, as a user would."""
    return subprocess.run(
        [sys.executable, str(ROOT / "runner.py"), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout,
        cwd=cwd or ROOT,
        env={**os.environ, "KERAS_BACKEND": engine},
    )


def needs(dtype):
    """Skips a test of layers in a dtype that the engine has no convolutions in here."""
    if not computes_in(dtype.removeprefix("mixed_")):
        pytest.skip(f"no convolutions in {dtype} on this machine")


def save_tiny(path, preset="gmcnn_small", **overrides):
    """Writes untrained weights of four channels at 32 px; returns the path."""
    from inpainting_zoo import presets  # loads the engine, which many tests do without
    from inpainting_zoo.storage.checkpoints import as_arrays, save_weights

    overrides = {"base_channels": 4, "image_size": 32, **overrides}
    arrays = as_arrays(presets.build(preset, **overrides).use_state())
    save_weights(path, arrays, {"preset": preset, "overrides": overrides})
    return path


def frames(path):
    """Pictures uint8 (H, W, 3) and durations in milliseconds of an endless GIF."""
    with Image.open(path) as gif:
        assert gif.info["loop"] == 0
        return [
            (np.asarray(frame.convert("RGB")), frame.info["duration"])
            for frame in ImageSequence.Iterator(gif)
        ]


def check_animation(experiment, steps, path):
    """An experiment's GIF has a frame for each sample, captioned with its epoch.

    Args:
        experiment: folder of a training.
        steps: how many samples it drew.
        path: GIF file to write.
    """
    from inpainting_zoo.training.animate import STRIP, animate

    animate(experiment, path)
    shown = [picture for picture, _ in frames(path)]
    assert len(shown) == steps
    # The same pictures where no state says what an epoch is.
    shutil.copytree(experiment / "predicted_pics", path.parent / "bare/predicted_pics")
    shutil.copy(experiment / "config.json", path.parent / "bare")  # orders the stages
    animate(path.parent / "bare", path)
    for picture, (bare, _) in zip(shown, frames(path), strict=True):
        ink = [np.flatnonzero((x[-STRIP:] < 200).any((0, 2))) for x in (picture, bare)]
        assert ink[0].max() > ink[1].max() + 30
    captions = [picture[-STRIP:].tobytes() for picture in shown]
    assert len(set(captions)) == steps


@pytest.fixture(scope="module", autouse=True)
def _forget_models():
    """Hundreds of models are compiled in one process, which remembers them."""
    yield
    keras.backend.clear_session()
    gc.collect()


@pytest.fixture(scope="session")
def trained(pictures, tmp_path_factory):
    """An experiment after both stages; returns the output folder."""
    output = tmp_path_factory.mktemp("outputs")
    data = ["-train_path", pictures / "images", "-mask_path", pictures / "masks"]
    common = [*data, "-output_path", output, "-experiment_name", "tiny", *TINY]
    found = run(*common, "-warm_up_generator", "-steps", 3, "-sample_every", 2)
    assert found.returncode == 0, found.stderr
    vgg = write_vgg(output / "vgg.npz")
    common = [c.replace("-", "--", 1) if str(c)[0] == "-" else c for c in common]
    found = run(
        *common, "--from_weights", "--steps", 1, "--vgg_weights", vgg, "--run_eagerly"
    )
    assert found.returncode == 0, found.stderr
    assert "generator: from" in found.stdout
    assert "block3_conv4" in found.stderr  # the file has no block 4
    return output


@pytest.fixture(scope="module")
def evaluate(tmp_path_factory):
    """Runs the command at 32 px with untrained weights; returns the exit code."""
    from inpainting_zoo import cli

    weights = save_tiny(tmp_path_factory.mktemp("weights") / "tiny.npz")

    def run(*arguments):
        given = ("evaluate", "-from_weights", weights, *arguments)
        return cli.main([*map(str, given)])

    return run
