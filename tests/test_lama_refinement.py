"""LaMa's refinement: scales, halving, and known pixels that come nearer."""

import keras
import numpy as np
import pytest
from keras import ops

from inpainting_zoo import presets
from inpainting_zoo.engine.steps import descend
from inpainting_zoo.errors import InputError
from inpainting_zoo.inpainting.strategies import complete
from inpainting_zoo.lama import refinement
from inpainting_zoo.models.scaling import enlarge, shrink

TINY = {"base_channels": 4, "blocks": 1, "downsamplings": 2, "image_size": 32}


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((16, 16), 1),
        ((724, 2000), 1),
        ((725, 2000), 2),
        ((1448, 1448), 2),
        ((1449, 1449), 3),
        ((9000, 9000), 3),
    ],
)
def test_scales(size, expected):
    """As many as halve the short side to about 512 pixels, three at most."""
    assert refinement.scales(*size) == expected


@pytest.mark.both_engines
def test_halving_blurs_and_averages_pairs():
    """An impulse far from the edges keeps its sum, a constant stays itself."""
    x = np.zeros((1, 16, 18, 2), "float32")
    x[0, 8, 9] = 4
    y = ops.convert_to_numpy(refinement.halve(ops.convert_to_tensor(x)))
    assert y.shape == (1, 8, 9, 2)
    np.testing.assert_allclose(y.sum((0, 1, 2)), [1, 1], rtol=1e-5)
    # The pixels 8 and 9 of a row, of which 8 is at the centre of the Gaussian.
    weights = np.exp(-(np.array([0, 1]) ** 2) / 2) / 2
    weights = weights.sum() / np.exp(-(np.arange(-2, 3) ** 2) / 2).sum()
    assert y[0, 4, 4, 0] == pytest.approx(4 * weights**2, rel=1e-5)
    constant = refinement.halve(ops.full((1, 7, 5, 3), 0.5))
    np.testing.assert_allclose(ops.convert_to_numpy(constant), 0.5, rtol=1e-6)


def test_only_what_is_well_within_a_hole_counts():
    mask = np.zeros((1, 96, 96, 1), "float32")
    mask[:, 16:81, 16:81] = 1  # of which rows and columns 8 to 39 are whole halves
    inner = refinement.inside(mask)[0, :, :, 0]
    rows = np.flatnonzero(inner.any(axis=1))
    assert (rows[0], rows[-1]) == (8 + 7, 39 - 7)
    assert not refinement.inside(np.zeros((1, 32, 32, 1), "float32")).any()


@pytest.mark.both_engines
def test_tiny_gradients_move_as_in_pytorch():
    """By g / (|g| + 1e-8) of the rate in each step, whatever came before."""
    gradient = np.array([1e-8, -1e-8, 3e-8, 4e-7, 1.0], "float32")
    x = keras.Variable(np.zeros(5, "float32"))
    optimizer = refinement.Adam(0.002, epsilon=1e-8)
    optimizer.build([x])
    descend(lambda: (ops.sum(x * gradient), {}), [x], optimizer, 3)
    expected = -0.006 * np.array([1 / 2, -1 / 2, 3 / 4, 40 / 41, 1])
    np.testing.assert_allclose(ops.convert_to_numpy(x), expected, rtol=1e-3)


@pytest.mark.both_engines
@pytest.mark.parametrize("topology", ["fourier", "regular"])
def test_known_pixels_come_nearer(topology, monkeypatch):
    """At two scales, of a size that is no multiple of anything."""
    keras.utils.set_random_seed(0)
    model = presets.build("lama_small", topology=topology, **TINY)
    monkeypatch.setattr(refinement, "SHORT_SIDE", 24)
    monkeypatch.setattr(refinement, "LEARNING_RATE", 0.05)
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (47, 61, 3), np.uint8)
    mask = np.zeros((47, 61), np.uint8)
    mask[10:30, 20:45] = 1
    before = {k: ops.convert_to_numpy(v) for k, v in model.use_state().items()}
    plain, refined = (model.predict_image(image, mask, refine=r) for r in (False, True))

    def distance(prediction):
        return np.abs(prediction.astype(int) - image)[mask == 0].mean()

    assert distance(refined) < 0.99 * distance(plain)
    for name, variable in model.use_state().items():
        np.testing.assert_array_equal(ops.convert_to_numpy(variable), before[name])
    completed = model.inpaint(image, mask, refine=True)
    np.testing.assert_array_equal(completed[mask == 0], image[mask == 0])
    np.testing.assert_array_equal(completed[mask == 1], refined[mask == 1])


@pytest.mark.both_engines
@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "bfloat16"])
def test_features_of_16_bits_are_refined(monkeypatch, dtype):
    """In float32, so that steps of 0.002 of them are not lost."""
    monkeypatch.setattr(refinement, "SHORT_SIDE", 24)
    monkeypatch.setattr(refinement, "LEARNING_RATE", 0.05)
    keras.utils.set_random_seed(0)
    try:
        model = presets.build("lama_small", **TINY, dtype=dtype)
    except InputError:
        pytest.skip(f"the engine has no convolutions in {dtype} here")
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (48, 48, 3), np.uint8)
    mask = np.zeros((48, 48), np.uint8)
    mask[10:40, 12:36] = 1
    plain, refined = (model.predict_image(image, mask, refine=r) for r in (False, True))
    assert (plain != refined).any()

    def distance(prediction):
        return np.abs(prediction.astype(float) - image)[mask == 0].mean()

    assert distance(refined) < distance(plain)


def test_windows_are_wide_enough_to_be_refined(monkeypatch):
    """Around a small hole it is twice the coarsest scale, not the model's size."""
    keras.utils.set_random_seed(0)
    model = presets.build("lama_small", **TINY)
    monkeypatch.setattr(refinement, "SHORT_SIDE", 24)
    assert (model.least_window(), model.least_window(refine=True)) == (32, 48)
    image = np.random.default_rng(0).integers(0, 256, (130, 120, 3), np.uint8)
    mask = np.zeros((130, 120), np.uint8)
    mask[60:70, 50:60] = 1
    notes = []
    completed = complete(model, image, mask, notes=notes, refine=True)
    window = slice(41, 89), slice(31, 79)
    predicted = model.predict_image(image[window], mask[window], refine=True)
    inner = slice(62, 68), slice(52, 58)  # within the seam
    np.testing.assert_array_equal(completed[inner], predicted[21:27, 21:27])
    plain = model.predict_image(image[window], mask[window])
    assert (predicted != plain)[21:27, 21:27].any()
    complete(model, image, mask, "resize", notes=notes, refine=True)
    assert notes == []  # it was refined there, too


def test_large_pictures_are_shrunk_as_officially(monkeypatch):
    assert refinement.refined_side(1000, 1800) == 1800
    assert refinement.refined_side(2048, 2048) == 1341
    assert refinement.refined_side(724, 2000) is None
    assert refinement.refined_side(800, 4000) is None  # 600 x 3000 pixels
    keras.utils.set_random_seed(0)
    model = presets.build("lama_small", **TINY)
    monkeypatch.setattr(refinement, "SHORT_SIDE", 24)
    monkeypatch.setattr(refinement, "MOST_PIXELS", 48 * 40)
    image = np.random.default_rng(0).integers(0, 256, (80, 96, 3), np.uint8)
    hole = np.zeros((80, 96), np.uint8)
    hole[20:60, 30:70] = 1
    small = shrink(image, hole, 48)
    assert small[1].shape == (40, 48)
    expected = enlarge(model.predict_image(*small, refine=True), (80, 96))
    found = model.predict_image(image, hole, refine=True)
    np.testing.assert_array_equal(found, expected)
    (line,) = model.remarks(hole, refine=True)
    assert "is shrunk, 48x40 pixels" in line


def test_small_pictures_and_wrong_options_are_named():
    model = presets.build("lama_small", **TINY)
    image, hole = np.zeros((64, 72, 3), np.uint8), np.ones((64, 72), np.uint8)
    (line,) = model.remarks(hole, refine=True)
    assert "changes nothing in a picture or window of 72x64 pixels" in line
    assert line.endswith("under 725") and not model.remarks(hole)
    (line,) = model.remarks(np.ones((800, 4000), np.uint8), refine=True)
    assert line.endswith(
        "4000x800 pixels, whose short side is under 725 at 1.8 megapixels"
    )
    plain = model.predict_image(image, hole)
    refined = model.predict_image(image, hole, refine=True)
    np.testing.assert_array_equal(plain, refined)
    with pytest.raises(InputError, match="refine: must be true or false, received 3"):
        model.inpaint(image, hole, refine=3)
