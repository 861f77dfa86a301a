"""The generator of LaMa against the official program, and its official weights."""

import keras
import numpy as np
import pytest
from keras import ops

from inpainting_zoo.lama.networks import build_generator
from inpainting_zoo.models.pixels import paste
from inpainting_zoo.weights.convert_lama import official_tensors
from parity import difference, golden, logged_gradients, nhwc

pytestmark = pytest.mark.both_engines
TINY = {
    "tiny_d3_b2": {"downsamplings": 3, "blocks": 2, "base_channels": 8},
    "tiny_d2_b2": {"downsamplings": 2, "blocks": 2, "base_channels": 8},
    "tiny_lfu_d2": {
        "downsamplings": 2,
        "blocks": 1,
        "base_channels": 16,
        "local_fourier": True,
    },
}
TRAINED = {"downsamplings": 2, "blocks": 1, "base_channels": 4}


def load(config, arrays, prefix):
    """Builds a generator with official weights; returns it and our names by theirs."""
    generator = build_generator(**config)
    variables = {f"generator/{v.path}": v for v in generator.variables}
    names = official_tensors(variables, config)
    official = {k.removeprefix(prefix) for k in arrays if k.startswith(prefix)}
    assert set(names) == {k for k in official if not k.endswith("num_batches_tracked")}
    for theirs, (ours, shape, to_ours) in names.items():
        assert arrays[prefix + theirs].shape == shape
        variables[ours].assign(to_ours(arrays[prefix + theirs]))
    return generator, names


@pytest.mark.parametrize("name", TINY)
def test_generators(name):
    """The prediction, and the features on the way to it."""
    arrays = golden(f"lama/{name}")
    generator, _ = load(TINY[name], arrays, "sd/")
    image, mask, expected = (nhwc(arrays[k]) for k in ("image", "mask", "predicted"))
    network = keras.Model(generator.input, features(generator, **TINY[name]))
    found = network.predict([2 * image - 1, mask], verbose=0)
    prediction = (found.pop("prediction") + 1) / 2
    assert difference(prediction, expected) < 2e-5
    if name == "tiny_lfu_d2":
        assert difference(prediction, nhwc(arrays["predicted_f64"])) < 2e-5
        completed = paste(prediction, image, mask)
        assert difference(completed, nhwc(arrays["inpainted"])) < 2e-5
        assert difference(found["net_input"], nhwc(arrays["net_input"])) < 1e-6
    for key in arrays:
        if key.startswith("act/"):
            expected = nhwc(arrays[key])
            off = 1e-5 * max(2, np.abs(expected).max())
            assert difference(found[key], expected) < off, key


def features(generator, downsamplings, blocks, **_):
    """Returns the features of a generator by the names that the goldens have."""
    layer, first = generator.get_layer, 2 + downsamplings  # of the blocks
    found = {1: layer("entry").output}
    found |= {2 + i: layer(f"down{i}").output for i in range(downsamplings)}
    found |= {first + i: layer(f"block{i + 1}_conv0").input for i in range(blocks - 1)}
    joined, local = layer("up0").input, layer("block0_conv1").output[0].shape[-1]
    found[first + blocks - 1] = [joined[..., :local], joined[..., local:]]
    pairs = {number: keras.tree.flatten(x) for number, x in found.items()}
    named = {
        f"act/{number}/{part}": x
        for number, pair in pairs.items()
        for part, x in zip(("local", "global"), pair)
    }
    up = first + blocks  # and what is joined
    last = up + 1 + 3 * downsamplings
    outer = {up: joined, last - 1: layer("exit_pad").input}
    outer |= {last: layer("exit_pad").output, last + 1: layer("exit").output}
    outer[last + 2] = (generator.output + 1) / 2
    for i in range(downsamplings):
        outer[up + 1 + 3 * i] = layer(f"up{i}").output
        outer[up + 2 + 3 * i] = layer(f"up{i}_norm").output
    named |= {f"act/{number}": x for number, x in outer.items()}
    (entered,) = keras.tree.flatten(layer("entry").input)
    named |= {"net_input": entered, "prediction": generator.output}
    return named


def test_gates():
    """Between local and global features, where there are both, with official names."""
    config = {**TRAINED, "gated": True}
    generator = build_generator(**config)
    variables = {f"generator/{v.path}": v for v in generator.variables}
    gates = {name for name in official_tensors(variables, config) if "gate" in name}
    kinds = ("weight", "bias")
    assert gates == {f"model.4.conv{i}.ffc.gate.{k}" for i in (1, 2) for k in kinds}
    x = np.random.default_rng(0).uniform(-1, 1, (1, 16, 16, 3)).astype("float32")
    mask = np.ones((1, 16, 16, 1), "float32")
    before = generator.predict([x, 0 * mask], verbose=0)
    for name, variable in variables.items():
        if name.endswith("gate/bias"):
            variable.assign([-20.0, -20.0])  # closed
    assert difference(generator.predict([x, 0 * mask], verbose=0), before) > 1e-4


def test_training_mode():
    """Output, moving statistics and the gradients of mean(output ** 2)."""
    arrays = golden("lama/tiny_trainmode")
    generator, names = load(TRAINED, arrays, "sd_before/")
    x, expected = nhwc(arrays["net_input"]), nhwc(arrays["output"])
    # What it takes has colours in the hole: they go in behind where it is emptied.
    network = keras.Model(generator.get_layer("entry").input, generator.output)

    def loss():
        output = (network(x, training=True) + 1) / 2
        value = ops.mean(ops.square(output))
        return value, {"value": value, "off": ops.max(ops.abs(output - expected))}

    logs, found = logged_gradients(generator, loss)
    assert logs["value"] == pytest.approx(float(arrays["loss"]), rel=1e-5)
    assert logs["off"] < 2e-5
    variables = {f"generator/{v.path}": v for v in generator.variables}
    for theirs, (ours, _, to_ours) in names.items():
        if "running" in theirs:
            expected = to_ours(arrays[f"sd_after_fwd/{theirs}"])
            assert difference(variables[ours], expected) < 1e-5, theirs
    trained = [k.removeprefix("grad/") for k in arrays if k.startswith("grad/")]
    assert len(trained) == len(found)
    for theirs in trained:
        ours, _, to_ours = names[theirs]
        gradient = found[ours.removeprefix("generator/")]
        expected = to_ours(arrays[f"grad/{theirs}"])
        assert difference(gradient, expected) < 2e-6 + 1e-4 * np.abs(expected).max()
