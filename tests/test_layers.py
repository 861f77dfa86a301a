"""Padding, upsampling, smooth fill and windows: hand answers, and any size."""

import math

import keras
import numpy as np
import pytest
import skimage.data
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops
from skimage.restoration import inpaint_biharmonic

from conftest import needs
from inpainting_zoo.engine import operations
from inpainting_zoo.engine.steps import input_gradient
from inpainting_zoo.gmcnn.networks import build_generator
from inpainting_zoo.layers.concatenated import ConcatenatedConv2D
from inpainting_zoo.layers.convolution import Conv2D
from inpainting_zoo.layers.initializers import GlorotUniform
from inpainting_zoo.layers.padding import pad_to_multiple
from inpainting_zoo.layers.pull_push import PullPush
from inpainting_zoo.layers.upsampling import PaddedUpsampling2D
from inpainting_zoo.layers.window import crop, hole_window
from parity import difference, golden, nhwc


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


@pytest.mark.both_engines
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("rate", [1, 2, 5])
def test_dilated_convolution_is_kerass(rate, padding, dtype):
    """So are its gradients, by pixels and by the kernel."""
    needs(dtype)
    layer = Conv2D(4, 3, padding=padding, dilation_rate=rate, dtype=dtype)
    x, kernel = (ops.convert_to_tensor(random(*s)) for s in ((2, 13, 11, 3), KERNEL))
    layer.build(x.shape)

    def ours(x, kernel):
        x, kernel = ops.cast(x, dtype), ops.cast(kernel, dtype)
        return ops.cast(layer.convolution_op(x, kernel), "float32")

    def kerass(x, kernel, dtype="float32"):
        x, kernel = ops.cast(x, dtype), ops.cast(kernel, dtype)
        y = ops.conv(x, kernel, 1, padding, dilation_rate=rate)
        return ops.cast(y, "float32")

    tolerance = {"float32": 1e-5, "bfloat16": 0.02, "float16": 0.002}[dtype]
    upstream = random(*kerass(x, kernel).shape)

    def results(convolve):
        def projection(x, kernel):
            return ops.sum(convolve(x, kernel) * upstream)

        yield convolve(x, kernel)
        yield input_gradient(lambda x: projection(x, kernel), x)
        yield input_gradient(lambda kernel: projection(x, kernel), kernel)

    # A CPU without arithmetic of 16 bits sums up in 16 bits, and so does Keras there.
    narrow = results(lambda x, kernel: kerass(x, kernel, dtype))
    for mine, exact, same in zip(results(ours), results(kerass), narrow, strict=True):
        allowed = tolerance * np.abs(exact).max() + 2 * difference(same, exact)
        assert difference(mine, exact) < allowed


KERNEL = (3, 3, 3, 4)


def test_machines_without_gradients_of_dilated_kernels_take_kerass(monkeypatch):
    needs("bfloat16")
    monkeypatch.setattr(operations, "_dilates", lambda dtype: False)
    x, kernel = (ops.cast(random(*s), "bfloat16") for s in ((1, 9, 9, 3), KERNEL))
    ours = operations.dilated_convolution(x, kernel, "valid", (2, 2))
    theirs = ops.conv(x, kernel, 1, "valid", dilation_rate=2)
    assert difference(*(ops.cast(y, "float32") for y in (ours, theirs))) == 0


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (2, 3), (6, 4), (9, 17)])
@pytest.mark.parametrize("padding", [0, 1, 3, 48])
def test_reflection_is_numpys_at_any_size(size, padding):
    x = random(2, *size, 3)
    ours = PaddedUpsampling2D(1, padding)(x)
    margins = [(0, 0), (padding, padding), (padding, padding), (0, 0)]
    assert difference(ours, np.pad(x, margins, mode="reflect")) == 0


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 70), st.integers(1, 16))
def test_any_reflection_is_numpys(height, width, padding, multiple):
    x = random(1, height, width, 2)
    inner, both = [(0, 0)], [(padding, padding)] * 2
    expected = np.pad(x, inner + both + inner, mode="reflect")
    np.testing.assert_array_equal(PaddedUpsampling2D(1, padding)(x), expected)
    after = [(0, -side % multiple) for side in (height, width)]
    for mode in ("reflect", "symmetric"):
        expected = np.pad(x, inner + after + inner, mode=mode)
        found = pad_to_multiple(x, multiple, padding=mode)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.both_engines
@pytest.mark.parametrize("size", [(1, 1), (1, 5), (2, 3), (6, 4), (9, 17)])
@pytest.mark.parametrize("padding", [0, 1, 3, 48])
@pytest.mark.parametrize("factor", [1, 2])
def test_reflection_and_its_gradient_after_upsampling(size, padding, factor):
    """The gradient returns to the pixels that were repeated."""
    pixels = np.arange(2 * math.prod(size) * 3, dtype="float32").reshape(2, *size, 3)
    repeated = pixels.repeat(factor, axis=1).repeat(factor, axis=2)
    margins = [(0, 0), (padding, padding), (padding, padding), (0, 0)]
    repeated = np.pad(repeated, margins, mode="reflect")
    layer = PaddedUpsampling2D(factor, padding)
    assert difference(layer(pixels), repeated) == 0
    assert layer.compute_output_shape(pixels.shape) == repeated.shape
    weight = random(*repeated.shape)
    ours = input_gradient(lambda x: layer(x) * weight, ops.zeros(pixels.shape))
    expected = np.bincount(repeated.ravel().astype(int), weight.ravel())
    expected = expected.reshape(pixels.shape)
    np.testing.assert_allclose(ours, expected, atol=1e-3 if padding == 48 else 1e-5)


@pytest.mark.both_engines
@pytest.mark.parametrize("size", [(1, 1), (2, 7), (6, 4)])
@pytest.mark.parametrize("padding", [1, 9])
def test_bilinear_upsampling_with_reflection(size, padding):
    x, layer = random(2, *size, 3), PaddedUpsampling2D(2, padding, "bilinear")
    expected = PaddedUpsampling2D(1, padding)(PaddedUpsampling2D(2, 0, "bilinear")(x))
    assert difference(layer(x), expected) < 1e-6
    assert layer.compute_output_shape(x.shape) == tuple(expected.shape)


@pytest.mark.both_engines
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_convolution_of_concatenated_features(padding):
    """It is that of one tensor, and so are its gradients by each of the features."""
    parts = [ops.convert_to_tensor(random(2, 6, 5, c, seed=c)) for c in (3, 1, 2)]
    options = {"padding": padding, "activation": "elu", "bias_initializer": "ones"}
    ours, theirs = (
        ConcatenatedConv2D(4, 3, **options),
        keras.layers.Conv2D(4, 3, **options),
    )
    joined = ops.concatenate(parts, -1)
    ours(parts), theirs(joined)
    theirs.set_weights(ours.get_weights())
    assert ours.compute_output_shape([p.shape for p in parts]) == theirs(joined).shape
    assert difference(ours(parts), theirs(joined)) < 1e-6
    gradient = input_gradient(lambda x: ops.square(theirs(x)), joined)
    start = 0
    for i, part in enumerate(parts):

        def alone(x, i=i):
            return ops.square(ours([*parts[:i], x, *parts[i + 1 :]]))

        stop = start + part.shape[-1]
        found = input_gradient(alone, part)
        assert difference(found, gradient[..., start:stop]) < 1e-5
        start = stop


def test_reflection_of_a_row_by_hand():
    x = np.array([1, 2, 3], "float32").reshape(1, 1, 3, 1)
    row = ops.convert_to_numpy(PaddedUpsampling2D(1, 5)(x))[0, 0, :, 0]
    assert row.tolist() == [2, 1, 2, 3, 2, 1, 2, 3, 2, 1, 2, 3, 2]


def test_layers_take_any_size_when_the_size_is_not_known_beforehand():
    image, hole = keras.Input((None, None, 3)), keras.Input((None, None, 1))
    x = PaddedUpsampling2D(1, 4)(PullPush()(image, hole))
    model = keras.Model([image, hole], PaddedUpsampling2D(2, 0, "bilinear")(x))
    for height, width in ((3, 5), (8, 8), (7, 2)):
        inputs = [random(1, height, width, 3), np.ones((1, height, width, 1))]
        output = model.predict(inputs, verbose=0)
        assert output.shape == (1, 2 * (height + 8), 2 * (width + 8), 3)


@pytest.mark.parametrize("factor", [2, 4])
def test_bilinear_upsampling_of_the_pytorch_program(factor):
    arrays = golden("ops")
    ours = PaddedUpsampling2D(factor, 0, "bilinear")(nhwc(arrays["up_x"]))
    assert difference(ours, nhwc(arrays[f"up_bilinear{factor}"])) < 1e-6


def test_nearest_upsampling_of_the_pytorch_program():
    arrays = golden("ops")
    ours = keras.layers.UpSampling2D(2)(nhwc(arrays["up_x"]))
    assert difference(ours, nhwc(arrays["up_nearest2"])) == 0


def test_aligned_corners_by_hand():
    row = np.array([0, 3], "float32").reshape(1, 1, 2, 1)
    ours = ops.convert_to_numpy(PaddedUpsampling2D(2, 0, "bilinear")(row))
    np.testing.assert_allclose(ours[0, :, :, 0], [[0, 1, 2, 3]] * 2, atol=1e-6)


@pytest.mark.parametrize("size", [(1, 1), (3, 4), (5, 1)])
def test_upsampling_keeps_a_constant(size):
    y = PaddedUpsampling2D(3, 0, "bilinear")(np.full((1, *size, 2), 0.7, "float32"))
    np.testing.assert_allclose(y, np.full(y.shape, 0.7), rtol=1e-6)


SIZES = [(1, 1), (1, 7), (2, 2), (16, 16), (33, 20)]
SIZES += [pytest.param((5, 3), marks=pytest.mark.both_engines)]


@pytest.mark.parametrize("iterations", [0, 16])
@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_pull_push_fills_a_constant_picture_with_it(size, soft, iterations):
    """Where pixels are known in part as well."""
    hole = np.random.default_rng(0).random((2, *size, 1)).astype("float32")
    hole = hole if soft else np.float32(hole < 0.8)
    hole[:, 0, 0] = 0
    image = np.full((2, *size, 3), -0.4, "float32")
    filled = PullPush(iterations=iterations)(image, hole)
    np.testing.assert_allclose(filled, np.full((2, *size, 3), -0.4), atol=1e-6)


@pytest.mark.parametrize("iterations", [0, 16])
@pytest.mark.parametrize("size", SIZES)
def test_pull_push_keeps_known_pixels_and_ignores_what_the_hole_holds(size, iterations):
    image = random(2, *size, 3)
    hole = (np.random.default_rng(0).random((2, *size, 1)) < 0.5).astype("float32")
    fill = PullPush(iterations=iterations)
    filled = ops.convert_to_numpy(fill(image, hole))
    assert np.array_equal(filled * (1 - hole), image * (1 - hole))
    other = np.where(hole, random(2, *size, 3, seed=1), image)
    assert difference(fill(other, hole), filled) == 0


@pytest.mark.parametrize("size", SIZES)
def test_a_bilinear_fill_stays_within_the_known_colours(size):
    image = random(2, *size, 3)
    hole = (np.random.default_rng(0).random((2, *size, 1)) < 0.5).astype("float32")
    filled = ops.convert_to_numpy(PullPush()(image, hole))
    inside = image * (1 - hole)
    assert filled.min() >= inside.min() - 1e-6
    assert filled.max() <= inside.max() + 1e-6


def test_iterations_continue_slopes_into_the_hole():
    rows, columns = np.mgrid[:32, :32]
    slope = ((rows + 2 * columns) / 93).astype("float32")[None, ..., None]
    hole = np.zeros_like(slope)
    hole[:, 10:22, 10:22] = 1
    errors = [difference(PullPush(iterations=n)(slope, hole), slope) for n in (0, 16)]
    assert errors[1] < errors[0] / 10


def test_iterations_approach_scikit_images_biharmonic_fill():
    image = skimage.data.astronaut()[64:128, 64:128][None] / 255
    rng = np.random.default_rng(0)
    hole = np.kron(rng.random((16, 16)) < 0.3, np.ones((4, 4)))[None, ..., None]
    fill = PullPush(levels=4, iterations=500)(
        image.astype("float32"), hole.astype("float32")
    )
    expected = inpaint_biharmonic(image[0], hole[0, ..., 0] > 0, channel_axis=-1)
    # The two continue the picture differently beyond its border.
    inner = np.s_[8:-8, 8:-8]
    distance = np.abs(ops.convert_to_numpy(fill)[0][inner] - expected[inner])
    assert distance.mean() < 0.005


@pytest.mark.parametrize("iterations", [0, 16])
def test_pull_push_without_known_pixels_is_0(iterations):
    filled = PullPush(iterations=iterations)(
        random(1, 12, 9, 3), np.ones((1, 12, 9, 1), "float32")
    )
    assert not ops.convert_to_numpy(filled).any()


def fullest(mask, side):
    """Top left corner of the first window with the most hole pixels."""
    height, width = mask.shape
    sums = [
        (-mask[top : top + side, left : left + side].sum(), top, left)
        for top in range(height - side + 1)
        for left in range(width - side + 1)
    ]
    return min(sums)[1:]


@pytest.mark.parametrize("size", [(8, 8), (7, 13), (12, 5)])
@pytest.mark.parametrize("side", [1, 3, 5])
def test_windows_are_the_fullest(size, side):
    rng = np.random.default_rng(sum(size) + side)
    mask = (rng.random((4, *size, 1)) < 0.3).astype("float32")
    mask[3] = 0  # no hole: the first window
    rows, columns = map(ops.convert_to_numpy, hole_window(mask, side))
    image = random(4, *size, 3)
    crops = ops.convert_to_numpy(crop(image, (rows, columns)))
    for i in range(4):
        top, left = fullest(mask[i, ..., 0], side)
        assert (rows[i, 0], columns[i, 0]) == (top, left)
        expected = image[i, top : top + side, left : left + side]
        assert np.array_equal(crops[i], expected)


def test_a_rectangle_of_the_windows_size_is_found():
    mask = np.zeros((1, 40, 50, 1), "float32")
    mask[0, 11:27, 30:46] = 1
    rows, columns = hole_window(mask, 16)
    assert ops.convert_to_numpy(rows)[0].tolist() == list(range(11, 27))
    assert ops.convert_to_numpy(columns)[0].tolist() == list(range(30, 46))


def test_initial_weights_repeat_and_have_glorots_spread():
    draws = []
    for _ in range(2):
        keras.utils.set_random_seed(3)
        draws.append(ops.convert_to_numpy(GlorotUniform()((3, 3, 20, 30))))
    assert np.array_equal(*draws)
    limit = np.sqrt(6 / (9 * 50))
    assert abs(draws[0]).max() <= limit
    assert draws[0].std() == pytest.approx(limit / np.sqrt(3), rel=0.05)
    assert abs(draws[0].mean()) < 0.02 * limit


@pytest.mark.parametrize(
    ("clip_gradient", "flows"), [("zero", False), ("straight", True)]
)
def test_straight_clip_keeps_the_gradient(clip_gradient, flows):
    generator = build_generator(base_channels=2, clip_gradient=clip_gradient)
    generator.get_layer("decoder_conv1").bias.assign([5.0, 5.0, 5.0])  # overshoots
    image = ops.convert_to_tensor(random(1, 8, 8, 3))
    mask = ops.zeros((1, 8, 8, 1))
    highest = ops.max(generator([image, mask]))
    gradient = input_gradient(lambda x: generator([x, mask]), image)
    assert float(highest) == pytest.approx(1.0)
    assert bool(ops.any(gradient != 0)) is flows
