"""Compiled inference: what the network itself returns, at any size, in even memory."""

import keras
import numpy as np
import psutil
import pytest

from inpainting_zoo import presets
from inpainting_zoo.engine import backend
from inpainting_zoo.models.pixels import as_floats

SIZES = ((1, 1), (7, 40), (32, 32), (33, 5), (64, 48))
VARIANTS = (
    ("gmcnn_small", {"base_channels": 4}),
    ("gmcnn_small", {"base_channels": 4, "attention": "a2"}),
    ("gmcnn_official_tf1", {"base_channels": 4}),
    ("gmcnn_keras_port", {"base_channels": 4}),
    ("context_encoder_small", {}),
)


def picture(height, width):
    rng = np.random.default_rng(height * 1000 + width)
    mask = rng.random((height, width)) < 0.5
    return rng.integers(0, 256, (height, width, 3), np.uint8), mask


@pytest.mark.parametrize(("preset", "overrides"), VARIANTS)
def test_compiled_equals_eager(preset, overrides):
    keras.utils.set_random_seed(0)
    model = presets.build(preset, **overrides)
    side = model.size_multiple if model.size_multiple > 4 else 24
    image, mask = picture(side, 2 * side if side == 24 else side)
    inputs = list(as_floats(image[None], mask[None, ..., None]))
    eager = keras.ops.convert_to_numpy(model.generator(inputs))
    compiled = keras.ops.convert_to_numpy(model.compiled_generator(inputs))
    np.testing.assert_allclose(compiled, eager, rtol=0, atol=2e-6)


@pytest.mark.both_engines
def test_any_size_and_new_weights():
    model = presets.build("gmcnn_small", base_channels=2)
    for size in SIZES if backend.BACKEND == "tensorflow" else SIZES[2:3]:
        image, mask = picture(*size)
        assert model.predict_image(image, mask).shape == image.shape
    assert image[~mask].any()
    before = model.predict_image(image, mask)
    model.run_eagerly = True
    apart = model.predict_image(image, mask).astype(int) - before
    assert abs(apart).max() <= 1  # rounded
    model.run_eagerly = False
    model.generator.get_layer("decoder_conv1").bias.assign([1.0, 1.0, 1.0])
    after = model.predict_image(image, mask)
    assert (after[mask] >= before[mask]).all() and (after[mask] > before[mask]).any()


@pytest.mark.parametrize("preset", ["gmcnn_small", "gmcnn_official_tf1"])
def test_frozen_equals_eager(preset):
    """In networks so wide that they multiply frequencies."""
    keras.utils.set_random_seed(0)
    model = presets.build(preset, base_channels=16)
    image, mask = picture(64, 68)
    inputs = list(as_floats(image[None], mask[None, ..., None]))
    eager = keras.ops.convert_to_numpy(model.generator(inputs))
    model.freeze()
    frozen = keras.ops.convert_to_numpy(model.compiled_generator(inputs))
    np.testing.assert_allclose(frozen, eager, rtol=0, atol=5e-6)


def test_frozen_weights_stay_until_training_begins():
    model = presets.build("gmcnn_small", base_channels=2)
    image, mask = picture(24, 20)
    before = model.predict_image(image, mask)
    model.freeze()
    frozen = model.predict_image(image, mask)
    assert abs(frozen.astype(int) - before).max() <= 1  # rounded
    model.generator.get_layer("decoder_conv1").bias.assign([1.0, 1.0, 1.0])
    np.testing.assert_array_equal(model.predict_image(image, mask), frozen)
    model.begin("warm_up_generator", lambda name: keras.optimizers.SGD())
    assert model.predict_image(image, mask)[mask].mean() > before[mask].mean()


@pytest.mark.parametrize("count", [30, pytest.param(1000, marks=pytest.mark.slow)])
def test_memory_does_not_grow_with_the_number_of_sizes(count, record_property):
    model = presets.build("gmcnn_small", base_channels=2)
    process, rng, memory = psutil.Process(), np.random.default_rng(0), []
    # The engine itself remembers what it prepared for the first fifty or so.
    for size in rng.integers(4, 100, (60 + count, 2)):
        model.predict_image(*picture(*size))
        memory.append(process.memory_info().rss / 2**20)
    record_property("memory growth in MB", memory[-1] - memory[59])
    assert memory[-1] - memory[59] < 100
    # The first size, then any height or width, then both.
    assert model.compiled_generator.experimental_get_tracing_count() <= 3
