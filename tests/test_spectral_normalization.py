"""Spectral normalization: hand answers, and the same training on every engine."""

import math

import keras
import numpy as np
import pytest
from keras import ops

from inpainting_zoo.engine.steps import input_gradient
from inpainting_zoo.errors import InputError
from inpainting_zoo.gmcnn.networks import build_critic
from inpainting_zoo.layers.spectral_normalization import SpectralNormalization
from parity import Step, difference

pytestmark = pytest.mark.both_engines


def normalized_dense(kernel, u):
    layer = SpectralNormalization(keras.layers.Dense(kernel.shape[1], use_bias=False))
    layer.build((None, kernel.shape[0]))
    layer.layer.kernel.assign(kernel)
    layer.u.assign(u)
    return layer


def test_a_diagonal_kernel_is_divided_by_its_largest_entry():
    kernel = np.diag([3.0, 1.0]).astype("float32")
    layer = normalized_dense(kernel, np.full((2, 1), np.sqrt(0.5)))
    x = np.array([[3.0, 3.0]], "float32")
    for _ in range(20):
        y = layer(x, training=True)
    np.testing.assert_allclose(y, [[3, 1]], rtol=1e-5)
    np.testing.assert_allclose(layer.u, [[1], [0]], atol=1e-5)
    assert difference(layer.layer.kernel, kernel) == 0


def test_one_step_by_hand():
    layer = normalized_dense(
        np.diag([2.0, 1.0]).astype("float32"), np.full((2, 1), np.sqrt(0.5))
    )
    # v = W u / |W u| = (2, 1) / sqrt 5; u = W' v / |W' v| = (4, 1) / sqrt 17;
    # sigma = v W u = 17 / sqrt(85).
    y = layer(np.ones((1, 2), "float32"), training=True)
    sigma = 17 / np.sqrt(85)
    np.testing.assert_allclose(y, [[2 / sigma, 1 / sigma]], rtol=1e-6)
    np.testing.assert_allclose(layer.u, np.array([[4], [1]]) / np.sqrt(17), rtol=1e-6)


def test_the_largest_singular_value_of_a_convolution_becomes_1():
    layer = SpectralNormalization(keras.layers.Conv2D(6, 3, use_bias=False))
    x = np.random.default_rng(0).normal(size=(2, 5, 5, 4)).astype("float32")
    for _ in range(200):
        y = layer(x, training=True)
    kernel = ops.convert_to_numpy(layer.layer.kernel)
    largest = np.linalg.svd(kernel.reshape(-1, 6), compute_uv=False)[0]
    np.testing.assert_allclose(y, layer.layer(x) / largest, rtol=1e-3, atol=1e-5)


def test_outside_training_nothing_changes():
    layer = SpectralNormalization(keras.layers.Dense(3, use_bias=False))
    x = np.ones((2, 4), "float32")
    first = layer(x)
    before = [ops.convert_to_numpy(w).copy() for w in layer.weights]
    assert difference(layer(x), ops.convert_to_numpy(first)) == 0
    input_gradient(lambda x: layer(x), ops.convert_to_tensor(x))
    for weight, value in zip(layer.weights, before, strict=True):
        assert difference(weight, value) == 0


def test_a_kernel_of_zeros_stays_finite():
    layer = normalized_dense(np.zeros((3, 2), "float32"), np.array([[1.0], [0.0]]))
    np.testing.assert_array_equal(layer(np.ones((1, 3)), training=True), [[0, 0]])


def test_training_with_fit_follows_the_formula_on_every_engine():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(5, 4)).astype("float32")
    image = keras.Input((4,))
    inner = keras.layers.Dense(3, use_bias=False)
    network = keras.Model(image, SpectralNormalization(inner)(image))
    layer = network.layers[-1]
    w, u = ops.convert_to_numpy(inner.kernel), ops.convert_to_numpy(layer.u)

    def loss():
        value = ops.mean(ops.square(network(x, training=True)))
        return value, {"value": value}

    logs = Step(network, loss, keras.optimizers.SGD(0.5)).take(4)

    x, w, u = x.astype("float64"), w.astype("float64"), u.astype("float64")
    bias = np.zeros(3)
    for log in logs:
        v = w @ u / np.linalg.norm(w @ u)
        u = w.T @ v / np.linalg.norm(w.T @ v)
        sigma = (v.T @ w @ u).item()
        y = x @ w / sigma + bias
        assert log["value"] == pytest.approx(np.mean(y**2), rel=1e-4)
        dy = 2 * y / y.size
        d = x.T @ dy  # by w / sigma
        w = w - 0.5 * (d - np.sum(d * w) / sigma * (v @ u.T)) / sigma
        bias = bias - 0.5 * dy.sum(axis=0)
    assert difference(inner.kernel, w) < 1e-5
    assert difference(layer.u, u) < 1e-5
    assert difference(layer.bias, bias) < 1e-5


def test_every_kernel_of_the_spectral_critic_is_normalized():
    critic = build_critic(32, 4, topology="hinge_spectral")
    kinds = [type(layer) for layer in critic.layers if layer.weights]
    assert kinds == [SpectralNormalization] * 5
    plain = build_critic(32, 4, topology="hinge")
    trainable = sum(math.prod(w.shape) for w in critic.trainable_variables)
    assert trainable == plain.count_params()


def test_configuration_comes_back():
    layer = SpectralNormalization(keras.layers.Conv2D(3, 5, use_bias=False), False)
    again = SpectralNormalization.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert again(np.ones((1, 6, 6, 2))).shape == (1, 2, 2, 3)


@pytest.mark.parametrize("options", [{}, {"use_bias": False, "activation": "relu"}])
def test_layers_that_are_not_linear_are_refused(options):
    with pytest.raises(InputError, match="neither bias nor activation"):
        SpectralNormalization(keras.layers.Dense(2, **options))
