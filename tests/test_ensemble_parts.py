"""Colours and losses of the ensemble against the programs they were published with."""

import keras
import numpy as np
import pytest
from keras import ops

from inpainting_zoo.engine.steps import input_gradient
from inpainting_zoo.layers.hvi import HVI
from inpainting_zoo.losses.edges import (
    laplacian_edge_loss,
    laplacian_residual,
    sobel_edge_loss,
)
from inpainting_zoo.losses.style import gram_matrix, style_loss
from parity import difference, golden, nhwc

pytestmark = pytest.mark.both_engines
DENSITIES = (0.05, 0.2, 1.0, 2.0)
COLOURS = ("rand", "near_black", "grid", "u8", "grays")


@pytest.fixture(scope="module")
def hvi():
    return golden("ensemble/hvi")


@pytest.fixture(scope="module")
def edges():
    return golden("ensemble/edge_style_losses")


def layer(density):
    built = HVI(density)
    built.build((None, None, None, 3))
    return built


def tensor(array):
    return ops.convert_to_tensor(nhwc(array))


def tied(rgb):
    """Pixels whose largest or least channels are the same: the gradient is shared."""
    ordered = np.sort(rgb, axis=-1)
    return (np.diff(ordered, axis=-1) < 1e-6).any(axis=-1)


def close(ours, theirs, where):
    """Whether gradients agree, relative to their size, at some pixels."""
    ours, theirs = ops.convert_to_numpy(ours)[where], theirs[where]
    return (np.abs(ours - theirs) <= 2e-4 * (1 + np.abs(theirs))).all()


@pytest.mark.parametrize("density", DENSITIES)
@pytest.mark.parametrize("colours", COLOURS)
def test_values_and_gradients_of_hvi(hvi, density, colours):
    transform, rgb = layer(density), tensor(hvi[colours])
    found = {
        name: nhwc(hvi[f"k{density}/{colours}/{name}"])
        for name in ("hvi", "hvi_grad_w", "grad_rgb", "rgb_back", "inv_grad_w")
    }
    assert difference(transform(rgb), found["hvi"]) < 2e-6
    back = transform(ops.convert_to_tensor(found["hvi"]), inverse=True)
    assert difference(back, found["rgb_back"]) < 5e-6
    gradient = input_gradient(lambda x: transform(x) * found["hvi_grad_w"], rgb)
    assert np.isfinite(ops.convert_to_numpy(gradient)).all()
    assert close(gradient, found["grad_rgb"], ~tied(nhwc(hvi[colours])))


@pytest.mark.parametrize("density", DENSITIES[:3])  # those that k is trained within
@pytest.mark.parametrize("colours", COLOURS)
def test_gradient_of_the_density(hvi, density, colours):
    transform, rgb = layer(density), tensor(hvi[colours])
    weight = nhwc(hvi[f"k{density}/{colours}/hvi_grad_w"])

    def weighed(k):
        return transform.stateless_call([k], [], rgb)[0] * weight

    gradient = input_gradient(weighed, ops.convert_to_tensor(np.float32(density)))
    wanted = hvi[f"k{density}/{colours}/grad_k"].item()
    assert float(gradient) == pytest.approx(wanted, rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("density", DENSITIES[:3])
@pytest.mark.parametrize("colours", ["rand", "near_black", "u8"])
def test_gradients_of_the_inverse_of_hvi(hvi, density, colours):
    transform, prefix = layer(density), f"k{density}/{colours}"
    weight = nhwc(hvi[f"{prefix}/inv_grad_w"])
    x = tensor(hvi[f"{prefix}/hvi"])
    gradient = input_gradient(lambda x: transform(x, inverse=True) * weight, x)
    where = ~tied(nhwc(hvi[colours]))
    assert close(gradient, nhwc(hvi[f"{prefix}/grad_hvi"]), where)


def test_the_inverse_outside_of_what_colours_give(hvi):
    """Where the official program's hue wraps around to black, red comes out."""
    transform = layer(0.2)
    back = transform(tensor(hvi["inv_random/hvi"]), inverse=True)
    assert difference(back, nhwc(hvi["inv_random/rgb_k0.2"])) < 5e-6
    cases, theirs = nhwc(hvi["inv_cases/hvi"]), nhwc(hvi["inv_cases/rgb_k0.2"])
    ours = ops.convert_to_numpy(transform(ops.convert_to_tensor(cases), inverse=True))
    black = (theirs == 0).all(axis=-1) & (cases[..., 2] > 0)
    black &= cases[..., 0] > 0.4  # what is nearly black is no fault
    assert black.sum() == 4
    assert np.abs(ours - theirs)[~black].max() < 5e-6
    red = cases[..., 2][black]
    np.testing.assert_allclose(ours[black][:, 0], red, atol=1e-6)


@pytest.mark.parametrize("density", [0.05, 0.2, 1.0])
def test_colours_come_back(hvi, density):
    """To 1e-4, the root of the inverse's own epsilon, and a step of float32 near 1."""
    transform = layer(density)
    for colours in COLOURS:
        rgb = tensor(hvi[colours])
        assert difference(transform(transform(rgb), inverse=True), rgb) < 1e-4 + 1.2e-7


def test_gradients_are_finite_everywhere_and_density_learns():
    """Black, greys, pure colours, what lies outside of [0, 1], and no angle at all."""
    transform = layer(0.2)
    grid = np.stack(np.meshgrid(*3 * [[-0.5, 0, 1e-4, 0.5, 1, 1.5]]), axis=-1)
    grid = np.append(grid.reshape(216, 3), [[-1e-8, -1e-8, 1]], axis=0)
    x = ops.convert_to_tensor(grid[None, None], "float32")
    for inverse in (False, True):
        gradient = input_gradient(lambda x, i=inverse: transform(x, inverse=i), x)
        assert np.isfinite(ops.convert_to_numpy(gradient)).all()
        assert np.isfinite(ops.convert_to_numpy(transform(x, inverse=inverse))).all()
    assert [v.name for v in transform.trainable_variables] == ["k"]
    assert float(transform.k.constraint(ops.array(7.0))) == 1.0
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(transform)
    )
    assert again.density == 0.2


def test_the_edge_loss_of_cidnet(edges):
    x, y = tensor(edges["x"]), tensor(edges["y"])
    assert difference(laplacian_residual(x), nhwc(edges["laplacian_x"])) < 1e-6
    assert difference(laplacian_residual(y), nhwc(edges["laplacian_y"])) < 1e-6
    loss = float(laplacian_edge_loss(x, y))
    assert loss == pytest.approx(float(edges["edge_loss"]), rel=1e-5)
    gradient = input_gradient(lambda x: laplacian_edge_loss(x, y), x)
    assert difference(gradient, nhwc(edges["edge_grad_x"])) < 1e-7


def test_gram_matrices(edges):
    assert difference(gram_matrix(tensor(edges["gram_in"])), edges["gram_c_h_w"]) < 1e-6
    # One position with features 1 and 3: products 1, 3, 3, 9, over C H W = 2.
    features = ops.array([[[[1.0, 3.0]]]])
    np.testing.assert_allclose(gram_matrix(features)[0], [[0.5, 1.5], [1.5, 4.5]])
    assert float(style_loss([features], [0 * features])) == pytest.approx(2.0)


def test_the_sobel_loss_by_hand():
    """A ramp of 1 a pixel has gradients of length 1, a flat image none."""
    ramp = ops.tile(
        ops.reshape(ops.arange(5, dtype="float32"), (1, 1, 5, 1)), (1, 4, 1, 1)
    )
    flat = ops.zeros_like(ramp)
    # At the two ends the border is repeated, so the slope is half as steep.
    assert float(sobel_edge_loss(ramp, flat)) == pytest.approx(4 / 5, abs=1e-3)
    assert float(sobel_edge_loss(ramp, ramp + 3)) == pytest.approx(0.0, abs=1e-6)
