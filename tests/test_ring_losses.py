"""Losses and the layer of context encoders against answers known by hand."""

import math

import numpy as np
import pytest
from keras import ops

from inpainting_zoo.context_encoder.model import joint_weights
from inpainting_zoo.errors import InputError
from inpainting_zoo.layers.channelwise_dense import ChannelwiseDense
from inpainting_zoo.losses.ring_reconstruction import (
    ring_weights,
    weighted_squared_error,
)
from parity import sides

pytestmark = pytest.mark.both_engines


def mask_of(rows):
    return np.array(rows, "float32")[None, ..., None]


def weights_of(*arguments):
    return ops.convert_to_numpy(ring_weights(*arguments))[0, ..., 0].tolist()


def test_ring_is_what_is_near_to_known_pixels():
    mask = mask_of([[0, 1, 1, 1, 1], [0, 1, 1, 1, 1], [1, 1, 1, 1, 0]])
    known = [[10, 1, 1, 1, 1], [10, 1, 1, 1, 1], [1, 1, 1, 1, 10]]
    near = [[10, 10, 1, 1, 1], [10, 10, 1, 10, 10], [10, 10, 1, 10, 10]]
    assert weights_of(mask, 0) == known
    assert weights_of(mask, 1) == near


def test_beyond_the_image_nothing_is_known():
    assert weights_of(mask_of([[1, 1], [1, 1]]), 3) == [[1, 1], [1, 1]]


def test_weighted_error_divides_by_pixels_and_not_by_weights():
    target = np.zeros((1, 1, 2, 3), "float32")
    prediction = np.array([1, 1, 1, 2, 2, 2], "float32").reshape(target.shape)
    weight = np.array([10, 1], "float32").reshape(1, 1, 2, 1)
    loss = weighted_squared_error(target, prediction, weight)
    assert float(loss) == pytest.approx((10 * 1 + 1 * 4) / 2)


def test_joint_weights():
    assert joint_weights(999) == {"reconstruction": 0.999, "adversarial": 0.001}
    assert joint_weights(1) == {"reconstruction": 0.5, "adversarial": 0.5}
    assert joint_weights(0) == {"reconstruction": 0, "adversarial": 1}
    for ratio in (-1, math.nan):
        with pytest.raises(InputError, match="lambda_ratio"):
            joint_weights(ratio)


def test_binary_cross_entropy():
    critic, generator = sides("non_saturating")
    even = np.zeros((4, 1), "float32")
    assert float(critic(even, even)) == pytest.approx(2 * math.log(2))
    assert float(generator(even)) == pytest.approx(math.log(2))
    # Probabilities 3/4 of real and 1/5 of fake.
    real, fake = np.log([[3.0]]).astype("float32"), np.log([[0.25]]).astype("float32")
    assert float(critic(real, fake)) == pytest.approx(-math.log(3 / 4 * 4 / 5))
    assert float(generator(fake)) == pytest.approx(-math.log(1 / 5))
    # A sure discriminator gives finite losses and gradients that do not vanish.
    assert float(generator(np.full((1, 1), -200, "float32"))) == pytest.approx(200)


def test_channelwise_dense_by_hand():
    layer = ChannelwiseDense()
    x = np.array([[1, 10], [2, 20]], "float32").reshape(1, 1, 2, 2)
    layer.build(x.shape)
    # Channel 0 swaps its two positions, channel 1 adds them up in the first.
    kernel = np.array([[[0, 1], [1, 0]], [[1, 1], [0, 0]]], "float32")
    bias = np.array([[[0.5, 0], [0, 3]]], "float32")
    layer.set_weights([kernel, bias])
    y = ops.convert_to_numpy(layer(x))
    assert y.reshape(2, 2).tolist() == [[2.5, 30], [1, 3]]


def test_channelwise_dense_has_a_matrix_for_each_channel():
    layer = ChannelwiseDense(use_bias=False)
    layer.build((None, 4, 4, 512))
    assert layer.count_params() == 131_072
    again = ChannelwiseDense.from_config(layer.get_config())
    assert not again.use_bias
