"""What `bench.py` measures, one case a process: prints a line of JSON.

A process of its own makes its peak memory its own.
"""

import functools
import itertools
import json
import math
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import keras
import numpy as np
from keras import ops

from inpainting_zoo import presets
from inpainting_zoo.data import masks
from inpainting_zoo.data.images import list_images
from inpainting_zoo.data.training import TrainingPairs
from inpainting_zoo.engine import backend
from inpainting_zoo.engine.batches import stream
from inpainting_zoo.engine.operations import seconds_of_product
from inpainting_zoo.engine.precisions import DTYPES
from inpainting_zoo.engine.steps import StepModel, minimize
from inpainting_zoo.environment import peak_memory, versions
from inpainting_zoo.features.load import loader
from inpainting_zoo.layers.channelwise_dense import ChannelwiseDense
from inpainting_zoo.layers.resampling import TAPS
from inpainting_zoo.layers.window_attention import WindowAttention
from inpainting_zoo.losses.id_mrf import MAX_POSITIONS, id_mrf_loss
from inpainting_zoo.models.pixels import as_floats
from inpainting_zoo.options import TrainSettings
from inpainting_zoo.storage.variables import without_memory
from inpainting_zoo.training.data import with_preset_defaults
from inpainting_zoo.training.optimizers import make_optimizer

WARM_UP = 1  # the first call traces
# Blocks of VGG19: width, convolutions.
VGG_BLOCKS = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))


def ceiling(sides: list, repeats: int):
    """The fastest square matrix product of each precision, in GFLOP/s."""
    found = {"versions": versions(), "devices": backend.devices()}
    for precision in ("float32", "bfloat16"):
        found[precision] = max(
            2e-9 * side**3 / seconds_of_product(precision, side, repeats)
            for side in sides
        )
    return found


def forward(
    preset: str,
    batch_size: int,
    repeats: int,
    size: int | None = None,
    precision: str = "float32",
    mode: str = "compiled",
    overrides: dict | None = None,
):
    """Seconds of the generator alone."""
    model = presets.build(preset, dtype=DTYPES[precision], **overrides or {})
    # Not 0, as after training: TensorFlow leaves out what adds 0.
    for v in model.generator.variables:
        if v.path.endswith("bias"):
            v.assign(v + 0.01)
    size = size or model.image_size
    batch = pictures(batch_size, size)
    inputs = dict(zip(("image", "mask"), as_floats(batch["image"], batch["mask"])))
    inputs |= model.further_inputs(batch["image"].shape, 0)
    xla = keras.Model(model.generator.inputs, model.generator.outputs)
    xla.compile(jit_compile=True)
    run = {
        "compiled": model.compiled_call,
        "run_eagerly": model.call,
        "jit_compile": lambda x: xla.predict_on_batch([*x.values()]),
    }[mode]
    seconds = statistics.median(clock(lambda: run(inputs), repeats))
    # Counted last: copies are of variables that JAX would make where it traces next.
    cost = macs(model.generator, size)
    return {
        "image_size": size,
        "seconds": seconds,
        "seconds_per_image": seconds / batch_size,
        "gmacs_per_image": cost / 1e9,
        "flops": 2 * batch_size * cost,
    }


def step(
    preset: str,
    stage: str,
    batch_size: int,
    repeats: int,
    precision: str = "float32",
    mode: str = "compiled",
    overrides: dict | None = None,
    vgg_weights: str | None = None,
):
    """Seconds of a training step, as the training command takes it."""
    model = begin(preset, stage, precision, mode, overrides, vgg_weights)
    images = batch_size * model.stage.batches
    seconds = time_steps(model, pictures(images, model.image_size), repeats)
    cost = model.step_macs(macs) or 0
    return {
        "image_size": model.image_size,
        "seconds": seconds,
        "images_per_step": images,
        "seconds_per_image": seconds / images,
        "images_per_second": images / seconds,
        "gmacs_per_image": cost * batch_size / images / 1e9,
        "flops": 2 * cost * batch_size,
    }


def begin(preset, stage, precision, mode, overrides, vgg_weights=None):
    """Builds a model that is ready for a stage; VGG is random if no file is given."""
    model = presets.build(preset, dtype=DTYPES[precision], **overrides or {})
    # On noise, full steps would soon leave the range that is learned in.
    chosen = {"mixed_precision": precision, "learning_rate": 1e-5, "stage": stage}
    settings = with_preset_defaults(TrainSettings(preset=preset, **chosen))
    backend.deterministic()
    with tempfile.TemporaryDirectory() as folder:
        vgg = vgg_weights or random_vgg(Path(folder, "vgg.npz"))
        model.begin(
            stage,
            lambda name, **options: make_optimizer(name, settings, 100, **options),
            loader(dict.fromkeys(("vgg16", "vgg19"), vgg)),
            run_eagerly=mode == "run_eagerly",
            jit_compile=mode == "jit_compile",
        )
    return model


def data(images: str, pipelines: list, batches: int, draws: int):
    """Images per second through pipelines of (side, masks), and masks per second."""
    paths, found = list_images(images), {"images": [], "masks": {}}
    batch_size, largest = min(8, len(paths)), max(side for side, _ in pipelines)
    for side, mixture in pipelines:
        pairs = TrainingPairs(paths, mixture, side, batch_size, seed=0)
        times = [time.perf_counter() for _ in stream(pairs.batch, 0, batches)]
        speed = (batches - 1) * batch_size / (times[-1] - times[0])
        found["images"].append(speed)
    free = {n: m for n, m in masks.MASKS.items() if not masks.wanted(m)}
    for name, draw in free.items():
        rng, began = np.random.default_rng(0), time.perf_counter()
        for _ in range(draws):
            draw(rng, largest, largest)
        found["masks"][name] = draws / (time.perf_counter() - began)
    return found | {"mask_side": largest}


class Matching(StepModel):
    """Moves features towards others by the ID-MRF loss alone."""

    def __init__(self, batch_size: int, side: int, channels: int):
        super().__init__()
        rng = np.random.default_rng(0)
        shape = (batch_size, side, side, channels)
        self.target = rng.random(shape, np.float32)
        self.features = self.add_weight(shape=shape, initializer="uniform")
        self.seed = keras.random.SeedGenerator(0)
        self.built = True

    def training_step(self, batch):
        return minimize(self.terms, [self.features], self.optimizer)

    def terms(self):
        loss = id_mrf_loss(self.features, self.target, seed=self.seed)
        return loss, {"id_mrf": loss}


def id_mrf(side: int, batch_size: int, channels: int, repeats: int):
    """Seconds and memory of the loss and its gradient on features of this side."""
    model = Matching(batch_size, side, channels)
    model.compile(keras.optimizers.SGD(0.01))
    model.optimizer.build(model.trainable_variables)
    before = peak_memory()
    seconds = time_steps(model, {"none": np.zeros(1, np.uint8)}, repeats)
    return {
        "positions": min(side**2, MAX_POSITIONS),
        "seconds": seconds,
        "added_memory_mb": peak_memory() - before,
    }


def profile(preset: str, stage: str, batch_size: int, precision: str, vgg_weights=None):
    """The operations that take the longest in a training step."""
    from top_operations import top_operations

    model = begin(preset, stage, precision, "compiled", None, vgg_weights)
    images = batch_size * model.stage.batches
    run = functools.partial(time_steps, model, pictures(images, model.image_size))
    run(1)
    return {"operations": top_operations(lambda: run(1), steps=WARM_UP + 1)}


def clock(call, repeats):
    """Returns the seconds that calls take, after the warm-up."""
    times = []
    for _ in range(WARM_UP + repeats):
        began = time.perf_counter()
        ops.convert_to_numpy(ops.ravel(call())[:1])  # waits for the result
        times.append(time.perf_counter() - began)
    return times[WARM_UP:]


def time_steps(model, batch, repeats):
    """Returns the median seconds of training steps, after the warm-up."""
    times, steps = [], WARM_UP + repeats
    keep = keras.callbacks.LambdaCallback(
        # Reading a loss waits for the step to end.
        on_train_batch_end=lambda i, logs: times.append(
            (time.perf_counter(), *map(float, logs.values()))
        )
    )
    model.fit(
        stream(lambda i: batch, 0, steps),
        steps_per_epoch=steps,
        callbacks=[keep],
        verbose=0,
        shuffle=False,
    )
    ends = [t[0] for t in times[WARM_UP - 1 :]]
    return statistics.median(b - a for a, b in itertools.pairwise(ends))


def pictures(count, side):
    """Noise with a square hole in the middle."""
    rng, quarter = np.random.default_rng(0), side // 4
    mask = np.zeros((count, side, side, 1), np.uint8)
    mask[:, quarter : 3 * quarter, quarter : 3 * quarter] = 1
    return {
        "image": rng.integers(0, 256, (count, side, side, 3), np.uint8),
        "mask": mask,
    }


def random_vgg(path):
    """Writes a VGG19 file with random weights, of which VGG16 takes what it has."""
    rng, arrays, channels = np.random.default_rng(0), {}, 3
    for block, (width, convolutions) in enumerate(VGG_BLOCKS, start=1):
        for i in range(1, convolutions + 1):
            kernel = rng.standard_normal((3, 3, channels, width), np.float32)
            # He's scale keeps the size of the features from layer to layer.
            arrays[f"block{block}_conv{i}__kernel"] = kernel * (2 / 9 / channels) ** 0.5
            arrays[f"block{block}_conv{i}__bias"] = np.zeros(width, np.float32)
            channels = width
    np.savez(path, **arrays)
    return path


def macs(network, side: int) -> int:
    """Counts the multiply-adds of convolutions and dense layers for one image."""
    inner = [x for x in network.layers if isinstance(x, keras.Model)]
    if inner:  # such as VGG19 behind its preprocessing
        return sum(macs(x, side) for x in inner)
    inputs = keras.tree.map_structure(
        lambda x: keras.Input([n or side for n in x.shape[1:]], name=x.name),
        network.input,
    )
    with without_memory():  # takes no memory
        copy = keras.models.clone_model(network, input_tensors=inputs)
    return sum(map(_layer_macs, copy.layers))


def _layer_macs(layer):
    if isinstance(layer, WindowAttention):
        return _attention_macs(layer)
    if getattr(layer, "resampling", None):
        return _resampling_macs(layer)
    if not hasattr(layer, "kernel"):
        return _inner_macs(layer)
    weights = int(np.prod(layer.kernel.shape))
    if isinstance(layer, ChannelwiseDense):
        return weights
    # A transposed convolution multiplies every input position with the whole kernel.
    transposed = isinstance(layer, keras.layers.Conv2DTranspose)
    counted = layer.input if transposed else layer.output
    positions = keras.tree.flatten(counted)[0].shape[1:-1]
    return weights * int(np.prod(positions))


def _attention_macs(layer):
    """Counts its dense layers, and products of a window's pixels with each other."""
    _, height, width, channels = keras.tree.flatten(layer.output)[0].shape
    return height * width * (4 * channels**2 + 2 * layer.window**2 * channels)


def _resampling_macs(layer):
    """Counts a convolution of what is smaller, and the filter of what is larger."""
    before = keras.tree.flatten(layer.input)[0].shape
    after = keras.tree.flatten(layer.output)[0].shape
    small, large = sorted((before, after), key=lambda shape: shape[1])
    filtered = math.prod(large[1:3]) * TAPS.size * large[-1]
    return math.prod(small[1:3]) * math.prod(layer.kernel.shape) + filtered


def _inner_macs(layer):
    """Counts what a layer of layers convolves: images of its output's size, or spectra.

    Those are half as wide.
    """
    kernels = [v for v in layer.weights if v.name == "kernel"]
    if not kernels:
        return 0
    height, width = keras.tree.flatten(layer.output)[0].shape[1:3]
    widths = [width // 2 + 1 if "/fourier/" in v.path else width for v in kernels]
    return height * sum(w * math.prod(v.shape) for w, v in zip(widths, kernels))


def exported(from_weights: str):
    """Files of a model in every format, on embedded pictures; see exported.py."""
    from exported import compare

    with tempfile.TemporaryDirectory() as folder:
        return compare(from_weights, folder, "samples:test")


CASES = {
    "ceiling": ceiling,
    "forward": forward,
    "step": step,
    "data": data,
    "id_mrf": id_mrf,
    "exported": exported,
    "profile": profile,
}

if __name__ == "__main__":
    name, settings = sys.argv[1], json.loads(sys.argv[2])
    result = CASES[name](**settings)
    print(json.dumps({**result, "peak_memory_mb": peak_memory()}))
