"""Building, using and loading presets; what holds for every one is in test_zoo."""

import keras
import numpy as np
import pytest

from inpainting_zoo import presets
from inpainting_zoo.errors import InputError, WeightsError
from inpainting_zoo.storage.checkpoints import as_arrays, save_weights


def small(**overrides):
    return presets.build("gmcnn_small", base_channels=4, **overrides)


def save(model, path, **metadata):
    save_weights(path, as_arrays(model.use_state()), metadata)
    return path


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 2), (31, 33), (64, 48)])
def test_known_pixels_are_untouched_at_any_size(size):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (*size, 3), np.uint8)
    mask = rng.integers(0, 2, size, np.uint8)
    completed = small().inpaint(image, mask)
    assert completed.dtype == np.uint8
    assert completed.shape == image.shape
    np.testing.assert_array_equal(completed[mask == 0], image[mask == 0])


def test_without_a_hole_the_image_comes_back():
    image = np.random.default_rng(0).integers(0, 256, (9, 9, 3), np.uint8)
    completed = small().inpaint(image, np.zeros((9, 9)))
    np.testing.assert_array_equal(completed, image)


def test_prediction_does_not_see_what_is_under_the_hole():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (32, 32, 3), np.uint8)
    mask = np.zeros((32, 32), np.uint8)
    mask[8:20, 8:20] = 1
    other = np.where(mask[..., None] == 1, np.uint8(255), image)
    model = small()
    np.testing.assert_array_equal(
        model.predict_image(image, mask), model.predict_image(other, mask)
    )


def test_weights_survive_the_disk(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    mask = np.tri(32, dtype=np.uint8)
    model = small()
    about = {"preset": "gmcnn_small", "overrides": {"base_channels": 4}}
    path = save(model, tmp_path / "weights.npz", **about)
    loaded = presets.load("gmcnn_small", path, base_channels=4)
    by_file, _ = presets.load_file(path)
    completed = []
    for each in (model, loaded, by_file):
        each.run_eagerly = True  # compiling three would take long
        completed.append(each.inpaint(image, mask))
    np.testing.assert_array_equal(completed[1], completed[0])
    np.testing.assert_array_equal(completed[2], completed[0])


@pytest.mark.both_engines
def test_weights_in_half_precision_become_float32(tmp_path):
    model = small()
    arrays = as_arrays(model.use_state())
    halves = {name: array.astype("float16") for name, array in arrays.items()}
    save_weights(tmp_path / "halves.npz", halves, {})
    loaded = presets.load("gmcnn_small", tmp_path / "halves.npz", base_channels=4)
    for name, variable in loaded.use_state().items():
        assert variable.dtype == "float32"
        np.testing.assert_array_equal(
            keras.ops.convert_to_numpy(variable), halves[name].astype("float32")
        )


def test_weights_of_another_width_are_named(tmp_path):
    path = save(small(), tmp_path / "weights.npz")
    with pytest.raises(WeightsError, match="column1_conv0/kernel"):
        presets.load("gmcnn_small", path, base_channels=8)


def test_unknown_names_are_refused():
    with pytest.raises(InputError, match="gmcnn_256"):
        presets.load("gmcnn_512")
    with pytest.raises(InputError, match="base_chanels"):
        presets.build("gmcnn_small", base_chanels=3)
    with pytest.raises(InputError, match="hole_fill"):
        presets.build("gmcnn_small", hole_fill="white")


def test_generator_survives_serialization():
    model = small(attention="none", hole_fill="biharmonic")
    copy = keras.models.clone_model(model.generator)
    copy.set_weights(model.generator.get_weights())
    image = np.random.default_rng(0).uniform(-1, 1, (1, 16, 16, 3)).astype("float32")
    mask = np.ones((1, 16, 16, 1), "float32")
    one, two = model.generator([image, mask]), copy([image, mask])
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(one), keras.ops.convert_to_numpy(two)
    )
