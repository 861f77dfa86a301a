"""Layers and blocks of MAT against the official program."""

import keras
import numpy as np
import pytest
from keras import ops

from inpainting_zoo.engine.inference import compiled
from inpainting_zoo.engine.steps import input_gradient
from inpainting_zoo.layers.bias_activation import biased
from inpainting_zoo.layers.equalized import EqualizedConv2D, EqualizedDense
from inpainting_zoo.layers.minibatch_deviation import MinibatchDeviation
from inpainting_zoo.layers.modulated_convolution import ModulatedConv2D
from inpainting_zoo.layers.partial_convolution import PartialConv2D
from inpainting_zoo.layers.resampling import TAPS, downsample, filtered, upsample
from inpainting_zoo.layers.window_attention import WindowAttention
from inpainting_zoo.losses.adversarial import r1_penalty
from inpainting_zoo.mat.first_stage import block
from inpainting_zoo.mat.networks import build_head, build_mapping
from inpainting_zoo.weights.convert_mat import official_tensors
from parity import difference, golden, hwio, logged_gradients, nhwc

pytestmark = pytest.mark.both_engines
CLOSE = 1e-5


@pytest.fixture(scope="module")
def units():
    return golden("mat/units")


# From the names of our layers' weights to theirs.
NAMES = {"kernel": "weight", "query": "q", "key": "k", "value": "v", "project": "proj"}


def load(layer, units, unit, inner=""):
    """Sets the weights of a layer from those of the official unit."""
    for variable in layer.variables:
        parts = [NAMES.get(part, part) for part in variable.path.split("/")[1:]]
        if inner == "conv." and (parts[0] in ("affine", "weight")):
            parts = ["conv", *parts]
        if inner == "partial.":
            parts = ["conv", *parts]
        names = (f"{unit}/sd/{'.'.join(parts)}", f"{unit}/sd/{parts[-1]}_const")
        array = next((units[name] for name in names if name in units), None)
        if array is None:  # a bias that the unit lacks
            assert parts[-1] == "bias"
            continue
        if array.ndim == 5:
            array = array[0]
        variable.assign(hwio(array) if parts[-1] == "weight" else array)


def test_filters(units):
    x, skew = nhwc(units["fir/x"]), units["fir/asym_filter"]
    np.testing.assert_allclose(TAPS, units["fir/filter_4x4"], rtol=1e-6)
    for suffix, taps in (("", TAPS), ("_asym", skew)):
        expected = nhwc(units[f"fir/upsample2d{suffix}"])
        assert difference(upsample(x, taps), expected) < CLOSE
        expected = nhwc(units[f"fir/downsample2d{suffix}"])
        assert difference(downsample(x, taps), expected) < CLOSE
    assert difference(filtered(x), nhwc(units["fir/filter2d"])) < CLOSE


def test_bias_and_activation(units):
    x, bias = nhwc(units["bias_act/x"]), units["bias_act/b"]
    expected = nhwc(units["bias_act/lrelu"])
    assert difference(biased(x, bias, "lrelu"), expected) < CLOSE
    expected = nhwc(units["bias_act/lrelu_gain_sqrt_half"])
    assert difference(biased(x, bias, "lrelu", 0.5**0.5), expected) < CLOSE


@pytest.mark.parametrize(
    ("unit", "options"),
    [("fc_lrelu", {}), ("fc_lrmul0p01", {"rate": 0.01})],
)
def test_dense(units, unit, options):
    layer = EqualizedDense(5, "lrelu", **options)
    x = units[f"{unit}/x"]
    layer.build(x.shape)
    load(layer, units, unit)
    assert difference(layer(x), units[f"{unit}/y"]) < CLOSE


CONVOLUTIONS = {
    "conv_k3": {},
    "conv_k1": {"kernel_size": 1},
    "conv_k3_down2": {"resampling": "down"},
    "conv_k1_down2_nobias": {
        "kernel_size": 1,
        "resampling": "down",
        "activation": "linear",
        "use_bias": False,
    },
    "conv_k3_up2": {"resampling": "up"},
    "conv_k1_up2": {"kernel_size": 1, "resampling": "up", "activation": "linear"},
    "conv_k3_down2_gain": {"resampling": "down", "gain": 0.5**0.5},
}


@pytest.mark.parametrize("unit", CONVOLUTIONS)
def test_convolutions(units, unit):
    x, y = (nhwc(units[f"{unit}/{name}"]) for name in "xy")
    layer = EqualizedConv2D(6, **CONVOLUTIONS[unit])
    layer.build(x.shape)
    load(layer, units, unit)
    assert difference(layer(x), y) < CLOSE
    assert layer.compute_output_shape(x.shape) == y.shape


@pytest.mark.parametrize("unit", ["partial_s1", "partial_s2", "partial_s2_softmask"])
def test_partial_convolutions(units, unit):
    base = unit.removesuffix("_softmask")
    x, mask = nhwc(units[f"{base}/x"]), nhwc(units[f"{unit}/mask"])
    layer = PartialConv2D(6, resampling="down" if "s2" in unit else None)
    layer.build([x.shape, mask.shape])
    load(layer, units, base, "partial.")
    y, known = layer([x, mask])
    assert difference(y, nhwc(units[f"{unit}/y"])) < CLOSE
    assert difference(known, nhwc(units[f"{unit}/mask_out"])) < CLOSE
    shapes = layer.compute_output_shape([x.shape, mask.shape])
    assert shapes == [y.shape, known.shape]


MODULATED = {
    "modconv_demod": {},
    "modconv_demod_up2": {"resampling": "up"},
    "modconv_nodemod_k1": {"kernel_size": 1, "demodulate": False},
}


@pytest.mark.parametrize("unit", MODULATED)
def test_modulated_convolutions(units, unit):
    x, style, y = nhwc(units[f"{unit}/x"]), units[f"{unit}/style"], units[f"{unit}/y"]
    layer = ModulatedConv2D(7, activation="linear", **MODULATED[unit])
    layer.build([x.shape, style.shape])
    load(layer, units, unit)
    assert difference(layer([x, style]), nhwc(y)) < CLOSE


def test_noise(units):
    """Stored noise, drawn noise instead of it, and none."""
    unit = "styleconv_up2_noise"
    x, style = nhwc(units[f"{unit}/x"]), units[f"{unit}/style"]
    shares = np.array([[1.0, 0.0]] * 2, "float32")
    drawn = np.broadcast_to(units[f"{unit}/sd/noise_const"][..., None], (2, 12, 12, 1))
    layer = ModulatedConv2D(7, resampling="up", noisy=True)
    layer.build([x.shape, style.shape, drawn.shape, shares.shape])
    load(layer, units, unit, "conv.")
    expected = nhwc(units[f"{unit}/y_const"])
    assert difference(layer([x, style, 0 * drawn, shares]), expected) < CLOSE
    layer.noise.assign(0 * layer.noise)
    assert difference(layer([x, style, drawn, 1 - shares]), expected) < CLOSE
    assert difference(layer([x, style, drawn, 0 * shares]), expected) > 0.1


def test_colours_of_features(units):
    x, skip, style = (units[f"torgb/{name}"] for name in ("x", "skip", "style"))
    layer = ModulatedConv2D(3, 1, activation="linear", demodulate=False)
    layer.build([nhwc(x).shape, style.shape])
    load(layer, units, "torgb", "conv.")
    y = layer([nhwc(x), style])
    assert difference(y, nhwc(units["torgb/y_noskip"])) < CLOSE
    assert difference(y + upsample(nhwc(skip)), nhwc(units["torgb/y"])) < CLOSE


def test_window_attention(units):
    """Windows that are all hole or all known among them; batches of one window."""
    x = units["winattn/x"].reshape(8, 4, 4, 12)
    mask = units["winattn/mask_windows"].reshape(8, 4, 4, 1)
    layer = WindowAttention(3, 4)
    layer.build([x.shape, mask.shape])
    load(layer, units, "winattn")
    y, known = layer([x, mask])
    assert difference(y, units["winattn/y"].reshape(x.shape)) < CLOSE
    assert difference(known, units["winattn/mask_out"].reshape(mask.shape)) == 0
    (y,) = layer([x])
    assert difference(y, units["winattn/y_nomask"].reshape(x.shape)) < CLOSE


def test_what_a_shifted_window_does_not_mix(units):
    layer = WindowAttention(3, 4, 2)
    layer.build([(2, 8, 8, 12)])
    for name in ("attn_mask_8x8_ws4_shift2", "sd/attn_mask"):
        expected = units[f"swinblock_shift/{name}"]
        assert difference(-layer.hidden[:, 0], expected) == 0


@pytest.mark.parametrize(
    ("unit", "shift", "suffix"),
    [
        ("swinblock", 0, ""),
        ("swinblock_shift", 2, ""),
        ("swinblock_shift", 2, "_nomask"),
    ],
)
def test_transformer_blocks(units, unit, shift, suffix):
    arrays = [units[f"{unit}/{name}"].reshape(2, 8, 8, -1) for name in ("x", "mask")]
    arrays = arrays[:1] if suffix else arrays
    inputs = [keras.Input(array.shape[1:]) for array in arrays]
    outputs = block(inputs, 3, 4, shift, "coarse_body0_block0")
    network = keras.Model(inputs, outputs)
    variables = {f"generator/{v.path}": v for v in network.variables}
    for theirs, (ours, _, to_ours) in official_tensors(variables, {}).items():
        name = theirs.removeprefix("synthesis.first_stage.tran.0.blocks.0.")
        variables[ours].assign(to_ours(units[f"{unit}/sd/{name}"]))
    y, *known = keras.tree.flatten(network(arrays))
    assert difference(y, units[f"{unit}/y{suffix}"].reshape(2, 8, 8, 12)) < CLOSE
    if not suffix:
        expected = units[f"{unit}/mask_out"].reshape(2, 8, 8, 1)
        assert difference(known[0], expected) == 0


def test_discriminator_blocks(units):
    x, y = (nhwc(units[f"disblock/{name}"]) for name in "xy")
    head = build_head(8, {8: 4, 4: 6}, 2, "head")
    before, after = head.get_layer("head_entry"), head.get_layer("head_deviation")
    network = keras.Model(before.output, after.input)
    for variable in network.variables:
        layer, kind = variable.path.removeprefix("head_block8_").split("/")
        array = units[f"disblock/sd/{layer}.{NAMES.get(kind, kind)}"]
        variable.assign(hwio(array))
    assert len(network.variables) == 5
    assert difference(network(x), y) < CLOSE


def test_mapping(units):
    """Of 8 numbers to 6 in the golden; the further two stay 0 here."""
    network = build_mapping(8, 3)
    for variable in network.variables:
        layer, kind = variable.path.split("/")
        if kind == "average":
            array = units["mapping/sd/w_avg"]
        else:
            name = f"{layer.removeprefix('mapping')}.{NAMES.get(kind, kind)}"
            array = units[f"mapping/sd/fc{name}"].T
        if array.shape == (6, 6):
            array = array * (8 / 6) ** 0.5  # is divided by the root of the inputs
        array = np.pad(array, [(0, n - m) for n, m in zip(variable.shape, array.shape)])
        variable.assign(array)
    for truncation, name in ((1.0, "ws"), (0.5, "ws_psi0p5")):
        given = np.full((4, 1), truncation, "float32")
        w = ops.convert_to_numpy(network([units["mapping/z"], given]))
        assert not w[:, 6:].any()
        for i in range(3):  # the same for every layer
            assert difference(w[:, :6], units[f"mapping/{name}"][:, i]) < CLOSE


@pytest.mark.parametrize(("name", "group"), [("x", 4), ("x_n2", 8)])
def test_minibatch_deviation(units, name, group):
    expected = units["mbstd/y_group4" if name == "x" else "mbstd/y_n2"]
    found = MinibatchDeviation(group)(nhwc(units[f"mbstd/{name}"]))
    assert difference(found, nhwc(expected)) < CLOSE


@pytest.mark.parametrize("pictures", [1, 2])
def test_gradients_of_modulation(pictures):
    """Those of kernels that are made for each picture (Equations 1 and 3)."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((pictures, 5, 6, 3), "float32")
    style = rng.standard_normal((pictures, 4), "float32")
    layer = ModulatedConv2D(4, activation="linear")
    layer.build([x.shape, style.shape])
    start = layer.get_weights()

    def made():
        kernel = layer.kernel * layer.scale
        scales = layer.affine(style)
        outputs = []
        for i in range(pictures):
            w = kernel * scales[i][:, None]
            w = w * ops.rsqrt(ops.sum(ops.square(w), axis=(0, 1, 2)) + 1e-8)
            outputs.append(ops.conv(x[i : i + 1], w, padding="same"))
        return ops.concatenate(outputs)

    found = []
    for forward in (lambda: layer([x, style]), made):

        def loss(forward=forward):
            value = ops.sum(ops.square(forward() - 1))
            return value, {"value": value}

        layer.set_weights(start)
        found.append(logged_gradients(layer, loss))
    (a, first), (b, second) = found
    assert a["value"] == pytest.approx(b["value"], rel=1e-5)
    for name, gradient in first.items():
        if "bias" not in name or "affine" in name:
            np.testing.assert_allclose(gradient, second[name], rtol=1e-3, atol=1e-4)


FEATURES, MASK, STYLE, SHARES = (2, 8, 8, 4), (2, 8, 8, 1), (2, 3), (2, 2)
DIFFERENTIATED = {
    "partial": (lambda: PartialConv2D(4, resampling="down"), [FEATURES, MASK]),
    "attention": (lambda: WindowAttention(2, 4, 2), [FEATURES, MASK]),
    "noise": (
        lambda: ModulatedConv2D(4, resampling="up", noisy=True),
        [FEATURES, STYLE, (2, 16, 16, 1), SHARES],
    ),
    "deviation": (lambda: MinibatchDeviation(2), FEATURES),
    "rate": (lambda: EqualizedDense(4, "lrelu", rate=0.5), FEATURES),
}


@pytest.mark.parametrize("name", DIFFERENTIATED)
def test_gradients_are_slopes(name):
    """Of half the sum of squares, along a direction of features and weights."""
    rng = np.random.default_rng(0)
    make, shapes = DIFFERENTIATED[name]
    layer, listed = make(), isinstance(shapes, list)
    x, *rest = (
        rng.standard_normal(shape, "float32")
        for shape in (shapes if listed else [shapes])
    )
    if shapes == [FEATURES, MASK]:
        rest = [(rest[0] > 0).astype("float32")]
    layer.build(shapes)

    def value(x):
        found = layer([x, *rest]) if listed else layer(x)
        return ops.sum(ops.square(found[0] if isinstance(found, list) else found)) / 2

    def loss():
        found = value(ops.convert_to_tensor(x))
        return found, {"value": found}

    def run(x):
        found = both({"x": ops.convert_to_tensor(x)})
        return [ops.convert_to_numpy(y) for y in found]

    both = compiled(
        lambda inputs: [value(inputs["x"]), input_gradient(value, inputs["x"])],
        layer.variables,
    )
    learned = layer.trainable_variables
    start = [x, *(rng.standard_normal(v.shape, "float32") for v in learned)]
    for variable, array in zip(learned, start[1:]):
        variable.assign(array)
    gradients = [run(x)[1]]
    if learned:
        _, found = logged_gradients(layer, loss)
        gradients += [found[v.path] for v in learned]
    turned = [rng.standard_normal(array.shape, "float32") for array in start]
    slope = sum(float((g * d).sum()) for g, d in zip(gradients, turned))
    values = []
    for step in (-0.005, 0.005):
        moved, *weights = (w + step * d for w, d in zip(start, turned))
        for variable, array in zip(learned, weights):
            variable.assign(array)
        values.append(float(run(moved)[0]))
    size = float(sum(np.square(g).sum() for g in gradients)) ** 0.5
    assert slope == pytest.approx((values[1] - values[0]) / 0.01, abs=0.01 * size)


@pytest.mark.parametrize("resampling", [None, "down", "up"])
def test_gradients_of_gradients(resampling):
    """Of R1 of a critic that squares a convolution, along a direction of weights."""
    rng = np.random.default_rng(0)
    x = ops.convert_to_tensor(rng.standard_normal((2, 6, 4, 3), "float32"))
    layer = EqualizedConv2D(4, 3, resampling, "linear")
    layer.build(x.shape)
    shapes = [w.shape for w in layer.get_weights()]
    start, direction = (
        [rng.standard_normal(shape, "float32") for shape in shapes] for _ in range(2)
    )
    layer.set_weights(start)

    def loss():
        value = r1_penalty(lambda x: ops.square(layer(x)), x)
        return value, {"value": value}

    _, gradients = logged_gradients(layer, loss)
    slope = sum(
        float((gradients[v.path] * d).sum())
        for v, d in zip(layer.trainable_variables, direction)
    )
    values = []
    for step in (-0.001, 0.001):
        layer.set_weights([w + step * d for w, d in zip(start, direction)])
        values.append(float(loss()[0]))
    assert slope == pytest.approx((values[1] - values[0]) / 0.002, rel=0.01)
