"""Variables that are loaded never have other numbers before."""

import keras
import numpy as np
import pytest
from keras.src.backend.common import global_state

from inpainting_zoo import presets
from inpainting_zoo.errors import InputError, WeightsError
from inpainting_zoo.storage.checkpoints import as_arrays, save_weights
from inpainting_zoo.storage.variables import (
    WAITING,
    complete,
    give,
    has_numbers,
    without_memory,
)
from tiny_diffusion import NARROW

pytestmark = pytest.mark.both_engines
SMALL = {(), (2,)}  # counts, and states of random generators


@pytest.fixture(scope="module")
def model():
    return presets.build("sd15_inpainting", **NARROW)


@pytest.fixture
def saved(model, tmp_path):
    """Saves parts of the model; returns the file."""

    def save(*parts, **metadata):
        path = tmp_path / f"{'_'.join(parts) or 'whole'}.safetensors"
        about = {"preset": "sd15_inpainting", "overrides": NARROW}
        save_weights(path, as_arrays(model.use_state(*parts)), about | metadata)
        return path

    return save


@pytest.fixture
def drawn(monkeypatch):
    """The shapes of variables that are given their first numbers by Keras."""
    shapes, kind = [], keras.Variable
    initialize = kind._deferred_initialize

    def noted(variable):
        shapes.append(tuple(variable.shape))
        initialize(variable)

    monkeypatch.setattr(kind, "_deferred_initialize", noted)
    return shapes


def same(model, other):
    arrays = as_arrays(other.use_state())
    for name, array in as_arrays(model.use_state()).items():
        np.testing.assert_array_equal(array, arrays[name], name)


def test_a_whole_file_leaves_nothing_to_be_drawn(model, saved, drawn):
    same(presets.load_file(saved())[0], model)
    assert {*drawn} <= SMALL


def test_a_part_and_what_was_frozen_leave_nothing_to_be_drawn(model, saved, drawn):
    whole = saved()
    same(presets.load_file(saved("unet", frozen=str(whole)))[0], model)
    assert {*drawn} <= SMALL
    parts = {part: saved(part) for part in model.parts}
    same(presets.load("sd15_inpainting", parts, **NARROW), model)
    assert {*drawn} <= SMALL


def test_a_part_is_in_one_file(saved):
    words = r"^from_weights: must hold a part once, received unet in .*whole.* and .*t"
    with pytest.raises(InputError, match=words):
        presets.load_file(saved(), saved("unet"))


def test_after_an_error_other_networks_are_built_as_before(model, saved, tmp_path):
    arrays = as_arrays(model.use_state())
    arrays["unet/conv_out/bias"] = arrays["unet/conv_out/bias"][:1]
    path = tmp_path / "wrong.npz"
    about = {"preset": "sd15_inpainting", "overrides": NARROW}
    save_weights(path, arrays, about)
    before = [*(global_state.get_global_attribute(WAITING) or [])]
    with pytest.raises(WeightsError, match=r"wrong shapes; 1 \(unet/conv_out/bias"):
        presets.load_file(path)
    assert (global_state.get_global_attribute(WAITING) or []) == before
    with keras.StatelessScope():
        pass  # would initialize what waits
    assert has_numbers(keras.Variable([1.0]))


def test_variables_wait_until_they_are_set():
    with without_memory() as built:
        layer = keras.layers.Dense(2)
        layer.build((1, 3))
    kernel, bias = layer.variables
    assert built == [kernel, bias] and not any(map(has_numbers, built))
    give(kernel, np.ones((3, 2), "float64"))
    assert has_numbers(kernel) and not has_numbers(bias)
    give(kernel, np.full((3, 2), 2.0))
    complete(built)
    np.testing.assert_array_equal(kernel, np.full((3, 2), 2, "float32"))
    np.testing.assert_array_equal(bias, [0, 0])
    assert kernel.dtype == "float32"
