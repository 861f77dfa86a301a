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
    side = model.sizes.side or 24
    image, mask = picture(side, model.sizes.side or 48)
    inputs = as_floats(image[None], mask[None, ..., None])
    inputs = dict(zip(("image", "mask"), inputs))
    eager = keras.ops.convert_to_numpy(model.call(inputs))
    compiled = keras.ops.convert_to_numpy(model.compiled_call(inputs))
    np.testing.assert_allclose(compiled, eager, rtol=0, atol=2e-6)


@pytest.mark.both_engines
@pytest.mark.long
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


@pytest.mark.parametrize(
    "count",
    [
        pytest.param(30, marks=pytest.mark.long),
        pytest.param(1000, marks=pytest.mark.slow),
    ],
)
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
    assert model.compiled_call.experimental_get_tracing_count() <= 3
