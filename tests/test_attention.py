"""Attention layers: hand answers, where they act, their size and their cost."""

import time

import keras
import numpy as np
import pytest
from keras import ops

from conftest import needs
from inpainting_zoo.errors import InputError
from inpainting_zoo.gmcnn.attention import ATTENTION
from inpainting_zoo.gmcnn.networks import build_critic, build_generator
from inpainting_zoo.layers.attention import DoubleAttention, SqueezeExcitation

# Parameters of a generator of 32 base channels with each variant.
PARAMETERS = {
    "pytorch": {
        "none": 12_561_891,
        "se": 12_564_075,
        "a2": 12_578_499,
        "se_report": 12_568_611,
        "a2_report": 12_577_859,
    },
    "keras_port": {
        "none": 12_806_595,
        "se": 12_808_779,
        "a2": 12_823_203,
        "se_report": 12_813_315,  # as the report built it
        "a2_report": 12_831_779,  # as the report built it
    },
}
CASES = [(t, a) for t, counts in PARAMETERS.items() for a in counts]


def random(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def test_every_variant_has_its_counts():
    assert all(set(counts) == set(ATTENTION) for counts in PARAMETERS.values())


@pytest.mark.parametrize(("topology", "attention"), CASES)
def test_parameters(topology, attention):
    generator = build_generator(topology=topology, attention=attention)
    assert generator.count_params() == PARAMETERS[topology][attention]


@pytest.mark.parametrize("attention", ATTENTION)
@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_generators_end_in_float32(attention, dtype):
    needs(dtype)
    generator = build_generator(2, attention=attention, dtype=dtype)
    image, mask = random(2, 8, 12, 3), np.ones((2, 8, 12, 1), "float32")
    prediction = generator([image, mask])
    assert prediction.shape == image.shape
    assert keras.backend.standardize_dtype(prediction.dtype) == "float32"
    assert np.isfinite(ops.convert_to_numpy(prediction)).all()


@pytest.mark.parametrize("attention", ["se", "se_report"])
def test_only_the_honest_variant_gates_the_column(attention):
    generator = build_generator(4, attention=attention)
    name = "column3_attention" if attention == "se" else "gather"
    excite = generator.get_layer(name).excite
    # A sigmoid is 0 far below 0, the report's tanh at 0.
    closed = -1e9 if attention == "se" else 0.0
    excite.set_weights(
        [np.zeros(excite.kernel.shape), np.full(excite.bias.shape, closed)]
    )
    image, mask = random(1, 16, 16, 3), np.zeros((1, 16, 16, 1))
    before = ops.convert_to_numpy(generator([image, mask]))
    kernel = generator.get_layer("column3_conv2").kernel
    kernel.assign(kernel * -2)
    after = ops.convert_to_numpy(generator([image, mask]))
    # A closed gate shuts the column's encoder off, if it stands in its way.
    assert np.array_equal(before, after) == (attention == "se")


def test_squeeze_excitation_by_hand():
    layer = SqueezeExcitation(reduction=2)
    layer.build((None, None, None, 2))
    layer.squeeze.set_weights([np.ones((2, 1)), np.zeros(1)])
    layer.excite.set_weights([np.array([[1, -1]]), np.zeros(2)])
    x = np.array([[[[1, 2], [3, 4]]]], "float32")  # means 2 and 3, hidden 5
    gates = 1 / (1 + np.exp([-5.0, 5.0]))
    np.testing.assert_allclose(layer(x), x * gates, rtol=1e-5)


def test_squeeze_excitation_takes_reduction_and_gate():
    layer = SqueezeExcitation(reduction=1, gate="tanh")
    x = random(2, 3, 5, 8)
    assert layer(x).shape == x.shape
    assert layer.squeeze.kernel.shape == (8, 8)
    layer.excite.set_weights([np.zeros((8, 8)), np.full(8, -0.5)])
    np.testing.assert_allclose(layer(x), x * np.tanh(-0.5), rtol=1e-5)
    assert SqueezeExcitation(reduction=16)(x).shape == x.shape  # one hidden unit


def softmax(x, axis):
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def test_double_attention_is_the_papers_formula():
    layer = DoubleAttention(reduction=2)
    x = random(2, 3, 4, 8)
    ours = ops.convert_to_numpy(layer(x))

    pixels = x.reshape(2, 12, 8).astype("float64")
    dense = {}
    for name in ("features", "maps", "vectors", "expand"):
        kernel, bias = map(ops.convert_to_numpy, getattr(layer, name).weights)
        dense[name] = lambda y, kernel=kernel, bias=bias: y @ kernel + bias
    maps = softmax(dense["maps"](pixels), axis=1)
    vectors = softmax(dense["vectors"](pixels), axis=2)
    # Each descriptor is an average of features, each pixel an average of descriptors.
    descriptors = np.einsum("bpn,bpm->bnm", maps, dense["features"](pixels))
    received = np.einsum("bpn,bnm->bpm", vectors, descriptors)
    expected = x + dense["expand"](received).reshape(x.shape)
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-5)


def test_double_attention_without_preference_adds_the_mean():
    layer = DoubleAttention(reduction=1)
    layer.build((None, None, None, 3))
    for part in (layer.maps, layer.vectors):
        part.set_weights([np.zeros((3, 3)), np.zeros(3)])
    for part in (layer.features, layer.expand):
        part.set_weights([np.eye(3), np.zeros(3)])
    x = random(2, 4, 5, 3)
    mean = x.mean(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(layer(x), x + mean, rtol=1e-4, atol=1e-5)


def compiled(layer, x):
    """Returns a compiled call, and the bytes that it holds by the engine's account."""
    if keras.backend.backend() == "jax":
        import jax

        call = jax.jit(layer).lower(x).compile()
        return lambda: call(x), call.memory_analysis().temp_size_in_bytes
    import tensorflow as tf

    call = tf.function(layer).get_concrete_function(tf.TensorSpec(x.shape))
    made = [y for op in call.graph.get_operations() for y in op.outputs]
    return lambda: call(x), sum(y.shape.num_elements() * y.dtype.size for y in made)


def test_double_attention_is_linear_in_the_pixels():
    layer = DoubleAttention(reduction=4)
    layer.build((None, None, None, 64))
    sizes = [ops.convert_to_tensor(random(1, side, side, 64)) for side in (64, 128)]
    (small, small_bytes), (large, large_bytes) = (compiled(layer, x) for x in sizes)
    assert large_bytes <= 4.5 * small_bytes
    # The similarities of pixels with pixels would alone be 2**30.
    assert large_bytes < 2**26

    def seconds(call):
        start = time.process_time()  # of this program only, on all cores
        for _ in range(20):
            ops.convert_to_numpy(call())
        return time.process_time() - start

    seconds(small), seconds(large)
    ratios = [seconds(large) / seconds(small) for _ in range(9)]
    assert np.median(ratios) <= 4.5, ratios


@pytest.mark.parametrize("layer", [SqueezeExcitation(4, "tanh"), DoubleAttention(2)])
def test_configurations_come_back(layer):
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()


def test_unknown_names_and_values():
    with pytest.raises(InputError, match="topology: one of pytorch, tf1, keras_port"):
        build_generator(topology="caffe")
    with pytest.raises(InputError, match="critic: one of wgan, "):
        build_critic(32, topology="caffe")
    with pytest.raises(InputError, match="base_channels: must be even"):
        build_generator(3)
    with pytest.raises(InputError, match="attention: one of none, se, a2"):
        build_generator(attention="self")
    with pytest.raises(InputError, match="reduction: must be at least 1"):
        SqueezeExcitation(reduction=0)
