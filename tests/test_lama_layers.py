"""Layers of LaMa against the official program, and what holds at any size."""

import keras
import numpy as np
import pytest
from keras import ops

from conftest import needs
from inpainting_zoo.engine.backend import accelerators
from inpainting_zoo.layers import fourier_transform
from inpainting_zoo.layers.batch_normalization import BatchNormalization
from inpainting_zoo.layers.fourier_convolution import FourierConvolution
from inpainting_zoo.layers.fourier_unit import FourierUnit, SpectralTransform
from inpainting_zoo.weights.convert_lama import KINDS, PARTS, tensor
from parity import difference, golden, nhwc

pytestmark = pytest.mark.both_engines
SIZES = ("8x8", "5x7", "6x5", "1x4", "16x12")
WAYS = pytest.mark.parametrize("way", fourier_transform.TRANSFORMS)


@pytest.fixture(scope="module")
def units():
    return golden("lama/ffc_units")


def load(layer, arrays, unit):
    """Sets the weights of a layer from those of the official unit."""
    for variable in layer.variables:
        _, *parts, kind = variable.path.split("/")
        official = ".".join([*map(PARTS.get, parts), KINDS[kind]])
        shape, to_ours = tensor(variable.path, tuple(variable.shape))
        array = arrays[f"{unit}/sd/{official}"]
        assert array.shape == shape
        variable.assign(to_ours(array))


@WAYS
@pytest.mark.parametrize("size", SIZES)
def test_transforms_are_the_official_ones(units, way, size):
    forward, backward = fourier_transform.TRANSFORMS[way]
    x = ops.convert_to_tensor(nhwc(units[f"fourier_{size}/x"]))
    spectrum = forward(x)
    parts = [units[f"fourier_{size}/rfft_{part}"] for part in ("real", "imag")]
    assert difference(spectrum, nhwc(np.concatenate(parts, axis=1))) < 1e-5
    assert difference(backward(spectrum, x.shape[2]), x) < 1e-5


@WAYS
def test_what_no_real_image_has_is_ignored(way):
    """An imaginary part at frequency 0, and of the columns' transform at the last."""
    _, backward = fourier_transform.TRANSFORMS[way]
    spectrum = np.zeros((1, 4, 3, 2), "float32")
    spectrum[0, 0, 0] = 4.0, 9.0
    spectrum[0, 0, 2, 1] = 9.0
    assert (
        difference(backward(ops.convert_to_tensor(spectrum), 4), np.ones((1, 4, 4, 1)))
        < 1e-6
    )


def test_products_are_chosen_where_they_are_faster():
    names = {v: k for k, v in fourier_transform.TRANSFORMS.items()}
    engine = keras.backend.backend()
    most = 0 if accelerators() else fourier_transform.PRODUCTS_UP_TO[engine]
    chosen = [
        names[fourier_transform.transforms(*size)]
        for size in ((most, most), (most + 1, most), (most, None))
    ]
    assert chosen[1:] == ["fft", "fft"]
    assert most == 0 or chosen[0] == "products"


@pytest.mark.parametrize("size", SIZES)
def test_fourier_units(units, size):
    x = nhwc(units[f"fourier_{size}/x"])
    layer = FourierUnit(6, name="fourier")
    layer.build(x.shape)
    load(layer, units, f"fourier_{size}")
    assert difference(layer(x), nhwc(units[f"fourier_{size}/y"])) < 1e-5


@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("local", [False, True])
def test_spectral_transforms(units, strides, local):
    unit = f"spectral_s{strides}_{'lfu' if local else 'nolfu'}"
    x, y = (nhwc(units[f"{unit}/{name}"]) for name in "xy")
    layer = SpectralTransform(y.shape[-1], strides, local)
    layer.build(x.shape)
    load(layer, units, unit)
    assert difference(layer(x), y) < 1e-5
    assert layer.compute_output_shape(x.shape) == y.shape


@pytest.mark.parametrize(
    ("unit", "channels", "options"),
    [
        ("ffc_l2lg", 32, {"strides": 2, "ratio": 0.75}),
        ("ffc_lg2lg", 32, {"ratio": 0.75}),
        ("ffc_lg2l", 32, {}),
        ("ffc_lg2lg_gated", 32, {"ratio": 0.5, "gated": True}),
    ],
)
def test_fourier_convolutions(units, unit, channels, options):
    x, y = (
        [nhwc(units[k]) for n in "lg" if (k := f"{unit}/{name}_{n}") in units]
        for name in "xy"
    )
    layer = FourierConvolution(channels, **options)
    layer.build([part.shape for part in x])
    load(layer, units, unit)
    found = layer(x)
    assert len(found) == len(y)
    assert max(map(difference, found, y)) < 1e-5
    assert layer.compute_output_shape([p.shape for p in x]) == [p.shape for p in y]


def test_moving_variance_is_unbiased():
    """Of 1, 2, 3, 6: mean 3, variance 14 / 4; over 3 it is 14 / 3."""
    x = np.array([1, 2, 3, 6], "float32").reshape(1, 2, 2, 1)
    layer = BatchNormalization()
    y = layer(x, training=True)
    assert difference(y, (x - 3) / 3.5**0.5) < 1e-5
    assert float(layer.moving_mean[0]) == pytest.approx(0.3)
    assert float(layer.moving_variance[0]) == pytest.approx(0.9 + 0.1 * 14 / 3)
    expected = (x - 0.3) / (0.9 + 0.1 * 14 / 3 + 1e-5) ** 0.5
    assert difference(layer(x), expected) < 1e-5


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision(dtype):
    """Features are narrow; a transform of them would be far less exact."""
    needs(dtype)
    layer_dtype = dtype.removeprefix("mixed_")
    x = np.random.default_rng(0).normal(size=(2, 9, 12, 6)).astype("float32")
    wide, narrow = FourierUnit(6), FourierUnit(6, dtype=dtype)
    wide(x)
    narrow.build(x.shape)
    narrow.set_weights(wide.get_weights())
    for training in (False, True):
        found = narrow(x, training=training)
        assert keras.backend.standardize_dtype(found.dtype) == layer_dtype
        reference = wide(x, training=training)
        assert difference(ops.cast(found, "float32"), reference) < 0.05


def test_layers_are_rebuilt_from_their_configurations():
    layer = FourierConvolution(32, 5, 2, 0.5, True, True, activation=None)
    again = FourierConvolution.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert again.activation is keras.activations.linear
