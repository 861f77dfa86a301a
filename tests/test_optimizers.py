"""Muon on convolutions, and the learning rates that stages take."""

import keras
import numpy as np
import pytest

from inpainting_zoo.errors import InputError
from inpainting_zoo.options import TrainSettings
from inpainting_zoo.training.muon import Muon
from inpainting_zoo.training.optimizers import adamw, make_optimizer, muon

pytestmark = pytest.mark.both_engines


def change(shape, rate=0.01, steps=1):
    """Returns what one variable of this shape moves by, and its last gradient."""
    variable = keras.Variable(np.zeros(shape, "float32"))
    optimizer, rng = muon(rate, (0.9, 0.999), "test"), np.random.default_rng(0)
    optimizer.build([variable])
    for _ in range(steps):
        gradient = rng.standard_normal(shape).astype("float32")
        optimizer.apply([keras.ops.convert_to_tensor(gradient)])
    return keras.ops.convert_to_numpy(variable), gradient


@pytest.mark.parametrize("shape", [(3, 3, 16, 32), (1, 1, 64, 16)])
def test_every_direction_of_a_kernel_moves_alike(shape):
    moved, gradient = change(shape)
    rows, columns = np.prod(shape[:3]), shape[3]
    left, sizes, right = np.linalg.svd(moved.reshape(rows, columns), False)
    unit = sizes / (0.01 * 0.2 * np.sqrt(max(rows, columns)))
    # Five Newton-Schulz steps with these coefficients end between 0.7 and 1.2.
    assert unit.min() > 0.6 and unit.max() < 1.3
    # Against the gradient, along its own directions.
    u, _, v = np.linalg.svd(gradient.reshape(rows, columns), False)
    assert np.sum(left @ right * (u @ v)) < -0.99 * min(rows, columns)


@pytest.mark.parametrize("shape", [(16,), (7, 7, 4, 16), (3, 3, 16, 3)])
def test_biases_and_outer_kernels_take_adam_steps(shape):
    moved, gradient = change(shape)
    np.testing.assert_allclose(moved, -0.003 * np.sign(gradient), rtol=1e-3)


def test_state_is_in_the_variables():
    """What a checkpoint must hold for an exact resume."""
    kernel = keras.Variable(np.zeros((3, 3, 16, 16), "float32"))
    bias = keras.Variable(np.zeros(16, "float32"))
    optimizer = muon(0.01, (0.9, 0.999), "test")
    optimizer.build([kernel, bias])
    names = [v.path.split("/")[-1] for v in optimizer.variables]
    assert sum("momentum" in name for name in names) == 2
    assert sum("velocity" in name for name in names) == 1


def settings(**given):
    filled = {"optimizer": "adam", "learning_rate": 1e-3, "adam_betas": (0.5, 0.9)}
    return TrainSettings(learning_rate_decay="cosine", **filled | given)


def test_the_learning_rate_rises_then_falls():
    optimizer = make_optimizer("generator_optimizer", settings(), steps=100, factor=2)
    rates = [float(optimizer._learning_rate(i)) for i in (0, 10, 60, 109)]
    assert rates == pytest.approx([2e-5, 2e-3, 1e-3, 0], rel=1e-3, abs=1e-6)


def test_kernels_decay_and_biases_do_not():
    """Without a gradient a kernel of 1 loses 0.05 of the learning rate."""
    variables = [keras.Variable([1.0], name=name) for name in ("kernel", "bias")]
    optimizer = adamw(0.1, (0.9, 0.95), "test")
    optimizer.build(variables)
    optimizer.apply([keras.ops.zeros((1,))] * 2)
    found = [float(v.value[0]) for v in variables]
    assert found == pytest.approx([0.995, 1.0], rel=1e-6)


def test_optimizers_by_name():
    assert isinstance(make_optimizer("x", settings(optimizer="muon"), 10), Muon)
    with pytest.raises(InputError, match="adam, adamw, adamw_light, muon"):
        settings(optimizer="sgd")
