"""Every loss against an answer known by hand."""

import math

import numpy as np
import pytest
from keras import ops

from inpainting_zoo import presets
from inpainting_zoo.engine.steps import input_gradient
from inpainting_zoo.errors import InputError
from inpainting_zoo.features.lpips import lpips_network
from inpainting_zoo.losses import id_mrf, reconstruction
from inpainting_zoo.losses.adversarial import gradient_penalty
from inpainting_zoo.losses.id_mrf import id_mrf_loss
from inpainting_zoo.losses.kl_divergence import kl_divergence
from inpainting_zoo.losses.perceptual_similarity import perceptual_similarity_loss
from inpainting_zoo.losses.reconstruction import (
    confidence_mask,
    known_loss,
    reconstruction_loss,
)
from inpainting_zoo.metrics.lpips import Lpips
from parity import sides


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


@pytest.fixture
def half():
    """A mask (1, 2, 2, 1) whose left column is the hole."""
    return np.array([[1, 0], [1, 0]], "float32")[None, ..., None]


def test_reconstruction_counts_each_hole_pixel_and_channel_once(half):
    target = np.zeros((1, 2, 2, 3), "float32")
    completed = np.full_like(target, 9)
    completed[0, :, 0] = [[1, 2, 3], [4, 5, 6]]
    weight = np.array([[0.5, 7], [1, 7]], "float32")[None, ..., None]
    # (0.5 * 6 + 15) over 2 pixels of 3 channels; known pixels do not count.
    loss = reconstruction_loss(target, completed, weight, half)
    assert float(loss) == pytest.approx(3.0)


def test_known_loss_sees_known_pixels_only(half):
    target = np.zeros((1, 2, 2, 3), "float32")
    prediction = np.full_like(target, 9)
    prediction[0, :, 1] = [[1, 2, 3], [-4, -5, -6]]
    assert float(known_loss(target, prediction, half)) == 3.5


def test_each_hole_pixel_of_a_batch_counts_the_same():
    mask = np.zeros((2, 4, 4, 1), "float32")
    mask[0, 0, 0], mask[1, :, :3] = 1, 1  # 1 and 12 pixels
    completed = np.zeros((2, 4, 4, 3), "float32")
    completed[0] = 13
    loss = reconstruction_loss(np.zeros_like(completed), completed, mask, mask)
    assert float(loss) == pytest.approx(1)


def test_without_a_hole_or_without_known_pixels_the_terms_are_0():
    image, other = random(2, 4, 4, 3), random(2, 4, 4, 3, seed=1)
    empty = np.zeros((2, 4, 4, 1), "float32")
    full = empty + 1
    assert float(reconstruction_loss(image, other, empty, empty)) == 0
    assert float(known_loss(image, other, full)) == 0


def test_where_prediction_and_target_agree_nothing_pulls():
    image = ops.convert_to_tensor(random(1, 4, 4, 3))
    mask = ops.zeros((1, 4, 4, 1))
    gradient = input_gradient(lambda x: known_loss(image, x, mask), image)
    assert not ops.convert_to_numpy(gradient).any()


@pytest.mark.parametrize("kernel", ["gaussian", "flat", "laplacian"])
@pytest.mark.parametrize("size", [2, 5, 64, 65])
def test_kernels_sum_to_1_and_are_symmetric(kernel, size):
    taps = reconstruction.KERNELS[kernel](size, 3.0)
    assert len(taps) == size
    assert taps.sum() == pytest.approx(1)
    np.testing.assert_allclose(taps, taps[::-1], rtol=1e-5)


def test_kernels_by_hand():
    gaussian = reconstruction.gaussian(3, 1.0)
    assert gaussian[0] / gaussian[1] == pytest.approx(math.exp(-0.5))
    laplacian = reconstruction.laplacian(3, 2.0)
    assert laplacian[0] / laplacian[1] == pytest.approx(math.exp(-0.5))
    flat = reconstruction.flat(65)
    assert 1 < flat.max() / flat.min() < 1.0006
    with pytest.raises(InputError, match="one of gaussian, flat, laplacian, none"):
        confidence_mask(np.zeros((1, 4, 4, 1), "float32"), "box")


def test_without_a_kernel_each_hole_pixel_weighs_1():
    mask = ops.convert_to_tensor(random(2, 5, 6, 1) > 0, "float32")
    np.testing.assert_array_equal(confidence_mask(mask, "none"), mask)


def test_one_confidence_step_is_the_blurred_known_area():
    mask = np.zeros((1, 9, 9, 1), "float32")
    mask[0, 4, 4] = 1
    confidence = confidence_mask(mask, "gaussian", size=3, scale=1.0, iterations=1)
    taps = reconstruction.gaussian(3, 1.0)
    expected = np.zeros_like(mask)
    expected[0, 4, 4] = 1 - taps[1] ** 2  # all but the centre tap is known
    np.testing.assert_allclose(confidence, expected, atol=1e-6)


def test_confidence_falls_away_from_known_pixels_and_grows_with_each_step():
    mask = np.zeros((1, 32, 32, 1), "float32")
    mask[0, 8:24, 8:24] = 1
    first, last = (
        ops.convert_to_numpy(confidence_mask(mask, iterations=n))[0, ..., 0]
        for n in (1, 7)
    )
    assert last[8, 8] > last[8, 15] > last[15, 15] > 0
    assert (last >= first).all()
    assert last.max() <= 1
    assert not last[mask[0, ..., 0] == 0].any()


def test_confidence_of_no_hole_and_of_nothing_but_hole():
    for value in (0, 1):
        mask = np.full((1, 16, 16, 1), value, "float32")
        assert not ops.convert_to_numpy(confidence_mask(mask)).any()


def id_mrf_reference(filters, searched):
    """The paper's formulas one by one, in float64, of unit features (P, C)."""
    cosine = filters @ searched.T
    distance = np.maximum((1 - cosine) / 2, 0)
    relative = distance / (distance.min(axis=0) + 1e-5)
    w = np.exp((1 - relative) / 0.5)
    return -np.log((w / w.sum(axis=0)).max(axis=1).mean())


@pytest.mark.parametrize("name", id_mrf.FORMULAS)
def test_id_mrf_formulas(name):
    formula = id_mrf.FORMULAS[name]
    generated, target = random(2, 3, 4, 8), random(2, 3, 4, 8, seed=1)
    filters, searched = target.astype("float64"), generated.astype("float64")
    if formula.filters == "generated":
        filters, searched = searched, filters
    # Axes of the mean: positions of a sample, channels of a position, or the batch.
    axes = {"paper": (1, 2), "pytorch": 3, "tf1": (0, 1, 2)}[name]
    centre = filters.mean(axis=axes, keepdims=True)
    units = [(x - centre).reshape(2, 12, 8) for x in (filters, searched)]
    units = [x / np.linalg.norm(x, axis=2, keepdims=True) for x in units]
    each = [id_mrf_reference(f, s) for f, s in zip(*units)]
    expected = sum(each) if name == "pytorch" else np.mean(each)
    assert float(id_mrf_loss(generated, target, name)) == pytest.approx(
        expected, rel=1e-4
    )


@pytest.mark.parametrize("formula", id_mrf.FORMULAS)
def test_id_mrf_of_identical_features_is_0(formula):
    features = random(2, 6, 6, 32)
    assert float(id_mrf_loss(features, features, formula)) == pytest.approx(0, abs=1e-5)
    assert float(id_mrf_loss(random(2, 6, 6, 32, seed=1), features, formula)) > 0.5


def test_id_mrf_of_moved_patches_is_0_but_in_the_pytorch_program():
    features = random(2, 6, 6, 32)
    moved = features[:, ::-1]
    for formula in ("paper", "tf1"):
        assert float(id_mrf_loss(moved, features, formula)) == pytest.approx(
            0, abs=1e-5
        )
    # It subtracts another mean at each position, so the same patch elsewhere differs.
    assert float(id_mrf_loss(moved, features, "pytorch")) > 1e-3


def test_id_mrf_wants_every_target_patch_matched():
    target = random(1, 4, 4, 16)
    # One patch everywhere matches one target patch of 16, eight match half of them.
    one = np.broadcast_to(target[:, :1, :1], target.shape)
    assert float(id_mrf_loss(one, target)) == pytest.approx(math.log(16), rel=1e-2)
    eight = np.concatenate([target[:, :2]] * 2, axis=1)
    assert float(id_mrf_loss(eight, target)) == pytest.approx(math.log(2), rel=1e-2)


@pytest.mark.parametrize("formula", id_mrf.FORMULAS)
@pytest.mark.parametrize("dead", ["some", "generated", "target", "all"])
def test_id_mrf_survives_dead_features(formula, dead):
    target, generated = random(1, 4, 4, 8), random(1, 4, 4, 8, seed=1)
    if dead == "some":
        target[:, :2], generated[:, 1:3] = 0, 0
    generated = generated * (dead not in ("generated", "all"))
    target = target * (dead not in ("target", "all"))

    def loss(x):
        return id_mrf_loss(x, target, formula)

    generated = ops.convert_to_tensor(generated)
    assert np.isfinite(float(loss(generated)))
    gradient = ops.convert_to_numpy(input_gradient(loss, generated))
    assert np.isfinite(gradient).all()
    assert np.abs(gradient).max() < 1e6


def test_id_mrf_does_not_depend_on_the_chunk(monkeypatch):
    generated = ops.convert_to_tensor(random(2, 5, 7, 8))
    target = random(2, 5, 7, 8, seed=1)
    values = []
    for chunk in (2**24, 2 * 35 * 35, 2 * 35 * 8, 1):
        monkeypatch.setattr(id_mrf, "MAX_CHUNK", chunk)
        gradient = input_gradient(lambda x: id_mrf_loss(x, target), generated)
        values.append((float(id_mrf_loss(generated, target)), gradient))
    for loss, gradient in values[1:]:
        assert loss == pytest.approx(values[0][0], rel=1e-6)
        np.testing.assert_allclose(gradient, values[0][1], rtol=1e-4, atol=1e-7)


def test_id_mrf_subsamples_both_at_the_same_positions(monkeypatch):
    monkeypatch.setattr(id_mrf, "MAX_POSITIONS", 9)
    features = random(1, 6, 6, 32)
    assert float(id_mrf_loss(features, features, seed=1)) == pytest.approx(0, abs=1e-4)
    other = random(1, 6, 6, 32, seed=1)
    drawn = [float(id_mrf_loss(other, features, seed=seed)) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert drawn[0] < math.log(9)  # no more than 9 filters


def test_id_mrf_reduces_the_batch_by_mean_and_the_pytorch_program_by_sum():
    generated, target = random(3, 4, 4, 8), random(3, 4, 4, 8, seed=1)
    for formula, reduce in (("paper", np.mean), ("pytorch", np.sum)):
        alone = [
            float(id_mrf_loss(g[None], t[None], formula))
            for g, t in zip(generated, target)
        ]
        together = float(id_mrf_loss(generated, target, formula))
        assert together == pytest.approx(reduce(alone), rel=1e-5)
    with pytest.raises(InputError, match="one of paper, pytorch, tf1"):
        id_mrf_loss(generated, target, "kp")


REAL, FAKE = np.array([[1.0], [3.0]]), np.array([[-0.5], [-2.5]])


def test_wasserstein_losses():
    critic_loss, generator_loss = sides("wasserstein")
    assert float(critic_loss(REAL, FAKE)) == -3.5
    assert float(generator_loss(FAKE)) == 1.5


def test_hinge_losses():
    critic_loss, generator_loss = sides("hinge")
    assert float(critic_loss(REAL, FAKE)) == 0.25  # (0 + 0)/2 + (0.5 + 0)/2
    assert float(critic_loss(FAKE, REAL)) == (1.5 + 3.5) / 2 + (2 + 4) / 2
    assert float(generator_loss(FAKE)) == 1.5
    with pytest.raises(InputError, match="one of wasserstein, hinge"):
        presets.build("gmcnn_small", adversarial="vanilla")


def linear(slope):
    return lambda x: ops.sum(slope * x, axis=(1, 2, 3))[:, None]


def penalty(critic, mask, alpha=0.3):
    real, fake = (ops.convert_to_tensor(random(2, 4, 4, 3, seed=s)) for s in (0, 1))
    alpha = np.full((2, 1, 1, 1), alpha, "float32")
    return float(
        gradient_penalty(critic, real, fake, ops.convert_to_tensor(mask), alpha)
    )


def test_the_penalty_of_a_linear_critic():
    mask = np.zeros((2, 4, 4, 1), "float32")
    mask[0, :2], mask[1, 0, :1] = 1, 1  # 8 and 1 pixels of 3 channels
    slopes = 0.5 * np.sqrt([24, 3])
    expected = np.mean((slopes - 1) ** 2)
    assert penalty(linear(0.5), mask) == pytest.approx(expected, rel=1e-5)
    assert penalty(linear(0.5), mask, alpha=0.9) == pytest.approx(expected, rel=1e-5)
    full = np.ones((2, 4, 4, 1), "float32")
    assert penalty(linear(1 / math.sqrt(48)), full) == pytest.approx(0, abs=1e-6)


def test_the_penalty_is_taken_between_real_and_fake():
    ones = np.ones((1, 2, 2, 1), "float32")
    real, fake = (
        np.full((1, 2, 2, 3), 1.0, "float32"),
        np.zeros((1, 2, 2, 3), "float32"),
    )

    def squared(x):
        return ops.sum(x * x, axis=(1, 2, 3))[:, None]  # slope 2 |x|

    value = gradient_penalty(squared, real, ops.convert_to_tensor(fake), ones, 0.25)
    assert float(value) == pytest.approx((2 * 0.75 * math.sqrt(12) - 1) ** 2, rel=1e-5)


def test_the_penalty_of_an_empty_hole_is_finite_with_its_gradient():
    empty = np.zeros((2, 4, 4, 1), "float32")
    assert penalty(linear(0.5), empty) == pytest.approx(1, abs=1e-5)
    x = ops.convert_to_tensor(random(2, 4, 4, 3))

    def total(x):
        return gradient_penalty(
            lambda y: ops.sum(y**3, axis=(1, 2, 3)),
            x,
            x,
            ops.convert_to_tensor(empty),
            0,
        )

    assert np.isfinite(ops.convert_to_numpy(input_gradient(total, x))).all()


def test_kl_divergence_from_the_standard_normal():
    zeros, log_4 = np.zeros(2, "float32"), np.full(2, math.log(4), "float32")
    assert float(kl_divergence(zeros, zeros)) == 0
    assert float(kl_divergence(np.array([0, 2], "float32"), zeros)) == 1
    expected = (4 - 1 - math.log(4)) / 2
    assert float(kl_divergence(zeros, log_4)) == pytest.approx(expected)


def test_perceptual_similarity_is_of_directions():
    """(3, 4) and (4, 3) differ by 0.2 in each channel, whatever their lengths."""
    generated, target = (np.array([[[x]]], "float32") for x in ([3, 4], [40, 30]))
    flat, heads = np.zeros_like(target), [np.array([1, 2], "float32")]
    loss = perceptual_similarity_loss([generated], [target], heads)
    assert float(loss) == pytest.approx(0.04 + 2 * 0.04)
    gradient = input_gradient(
        lambda x: perceptual_similarity_loss([x], [flat], heads),
        ops.convert_to_tensor(flat),
    )
    assert np.isfinite(ops.convert_to_numpy(gradient)).all()


def test_perceptual_similarity_is_the_measure():
    pictures = np.random.default_rng(0).integers(0, 256, (2, 1, 40, 40, 3), np.uint8)
    network, heads = lpips_network("alexnet")
    features = [network(np.float32(x) / 127.5 - 1) for x in pictures]
    expected = Lpips().distance(pictures[1][0], pictures[0][0])
    assert float(perceptual_similarity_loss(*features, heads)) == pytest.approx(
        expected, rel=1e-5
    )
