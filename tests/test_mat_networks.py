"""The networks of MAT against the official program, and its official weights."""

import inspect

import keras
import numpy as np
import pytest
from keras import ops

from inpainting_zoo.engine.inference import compiled
from inpainting_zoo.losses.adversarial import (
    logistic_critic_loss,
    non_saturating_generator_loss,
    r1_penalty,
)
from inpainting_zoo.mat.model import MAT
from inpainting_zoo.mat.networks import HEADS, build_discriminator, build_generator
from inpainting_zoo.weights.convert_mat import IGNORED, official_tensors
from parity import difference, golden, hwio, nhwc

pytestmark = pytest.mark.both_engines
TINY = {
    "image_size": 128,
    "channels": (6, 8, 10, 12),
    "width": 12,
    "latent": 16,
    "mapping_layers": 4,
}


@pytest.fixture(scope="module")
def arrays():
    return golden("mat/tiny_128")


@pytest.fixture(scope="module")
def generator(arrays):
    """The official one: its parameters, and what it stores beside them."""
    generator = build_generator(**TINY)
    variables = {f"generator/{v.path}": v for v in generator.variables}
    names = official_tensors(variables, TINY)
    official = [k.removeprefix("sd/") for k in arrays if k.startswith("sd/")]
    assert set(names) == {k for k in official if not IGNORED.fullmatch(k)}
    for theirs, (ours, shape, to_ours) in names.items():
        assert arrays[f"sd/{theirs}"].shape == shape
        variables[ours].assign(to_ours(arrays[f"sd/{theirs}"]))
    stored = {"noise", "average"}
    learned = [v for v in generator.variables if v.name not in stored]
    assert sum(int(np.prod(v.shape)) for v in learned) == 74_214
    assert {id(v) for v in learned} == {id(v) for v in generator.trainable_variables}
    return generator


def given(generator, arrays):
    """What the golden was made of, by our names and layouts."""
    maps = arrays["mul_map_stage1"].reshape(2, 16, 16, 12), arrays["mul_map_stage2"]
    return {
        "image": nhwc(arrays["images_in"]),
        "mask": 1 - nhwc(arrays["masks_in"]),  # 1 is known there
        "z": arrays["z"],
        "truncation": np.ones((2, 1), "float32"),
        "stage1_map": maps[0].astype("float32"),
        "stage2_map": nhwc(maps[1]).astype("float32"),
        "noise": np.zeros((2, *generator.input["noise"].shape[1:]), "float32"),
        "noise_shares": np.array([[1, 0]] * 2, "float32"),
    }


@pytest.fixture(scope="module")
def predict(generator):
    return compiled(generator, generator.variables)


def close(found, expected):
    expected = nhwc(expected)
    off = np.abs(ops.convert_to_numpy(found) - expected)
    return (off <= 1e-3 + 1e-4 * np.abs(expected)).all()


CASES = {
    "const": {},
    "none": {"noise_shares": 0.0},
    "const_trunc0p5": {"truncation": 0.5},
    "none_expected_mulmap0p5": {
        "noise_shares": 0.0,
        "stage1_map": 0.5,
        "stage2_map": 0.5,
    },
}


@pytest.mark.parametrize("case", CASES)
def test_generator(generator, predict, arrays, case):
    inputs = given(generator, arrays)
    for name, value in CASES[case].items():
        inputs[name] = np.full_like(inputs[name], value)
    inputs = {name: ops.convert_to_tensor(x) for name, x in inputs.items()}
    prediction, coarse = predict(inputs)
    assert close(prediction, arrays[f"output_{case}"])
    if f"stage1_{case}" in arrays:
        assert close(coarse, arrays[f"stage1_{case}"])


def test_a_picture_alone(generator, predict, arrays):
    """Its kernels are made for it; of several, features are multiplied."""
    inputs = given(generator, arrays)
    for i in range(2):
        alone = {k: ops.convert_to_tensor(x[i : i + 1]) for k, x in inputs.items()}
        assert close(predict(alone)[0], arrays["output_const"][i : i + 1])


@pytest.mark.long
def test_features(generator, arrays):
    """Of the first picture, some of their pixels; what is known, of both."""
    features = golden("mat/tiny_128_features")
    synthesis = generator.get_layer("synthesis")
    inputs = given(generator, arrays) | {"styles": arrays["ws"]}
    after = {layer.name: layer.output for layer in synthesis.layers}
    names = {
        "conv_first": "coarse_entry",
        "enc_conv0": "coarse_down0",
        "tran0_block0": "coarse_body0_block0_out",
        "tran0_block1_shifted": "coarse_body0_block1_out",
        "stage1_ws_style": "coarse_w",
        "stage1_to_square": "coarse_square",
        "stage1_gs": "coarse_style",
        "stage2_gs": "style",
    }
    found = {theirs: keras.tree.flatten(after[ours]) for theirs, ours in names.items()}
    for i in (0, 1):
        _, known = after[f"coarse_body0_block{i}_attention"]
        found[f"tran0_block{i}{'_shifted' * i}"].append(known)
    for i in range(5):
        name = f"coarse_body{i}_entry" if i else "coarse_down0"
        (x, *known), (y, *_) = (
            keras.tree.flatten(after[n]) for n in (f"coarse_body{i}_exit", name)
        )
        found[f"tran{i}"] = [x + y, None, *known]  # the mask is their third
    named = {
        f"{name}/{i}": x
        for name, tensors in found.items()
        for i, x in enumerate(tensors)
    }
    named |= {name: named[f"{name}/0"] for name in names if "stage" in name}
    network = keras.Model(synthesis.input, {name: named[name] for name in features})
    inputs = {k: v for k, v in inputs.items() if k in synthesis.input}
    for name, x in network.predict(inputs, verbose=0).items():
        expected = features[name]
        if expected.dtype == np.uint8:
            assert difference(x[: len(expected)], expected) == 0, name
            continue
        if expected.ndim == 3:
            every = x.shape[1] // expected.shape[0]
            x = x[0, ::every, ::every]
        off = difference(x, expected)
        assert off < 1e-3 + 1e-4 * np.abs(expected).max(), name


def test_mapping(generator, arrays):
    mapping = generator.get_layer("mapping")
    truncation = np.ones((2, 1), "float32")
    w = ops.convert_to_numpy(mapping([arrays["z"], truncation]))
    for i in range(arrays["ws"].shape[1]):
        assert difference(w, arrays["ws"][:, i]) < 1e-5
    average = ops.convert_to_numpy(mapping([arrays["z"], 0 * truncation]))
    assert difference(average, np.tile(arrays["sd/mapping.w_avg"], (2, 1))) < 1e-5


@pytest.fixture(scope="module")
def discriminator():
    arrays = golden("mat/tiny_discriminator")
    network = build_discriminator(128, (4, 6, 6, 8), group=2)
    for variable in network.variables:
        array = arrays[f"sd/{official(variable.path)}"]
        variable.assign(hwio(array))
    return network, arrays


def official(path):
    """Returns what the official program calls a variable of the discriminator."""
    layer, kind = path.split("/")
    suffix = "_stg1" if layer.startswith("coarse_") else ""
    part = layer.removeprefix("coarse_").removeprefix("head_")
    block, _, conv = part.partition("_")
    number = {"entry": "0.conv", "exit": "7"}.get(part)
    if block.startswith("block"):
        number = f"{8 - int(np.log2(int(block[5:])))}.{conv}"
    dense = {"hidden": "fc0", "logits": "fc1"}.get(part)
    name = f"{dense}{suffix}" if dense else f"Dis{suffix}.{number}"
    return f"{name}.{'weight' if kind == 'kernel' else 'bias'}"


def test_discriminator(discriminator):
    """Logits, and R1 of each head and picture."""
    network, arrays = discriminator
    image, coarse, known = (
        ops.convert_to_tensor(nhwc(arrays[name]))
        for name in ("images_in", "images_stg1", "masks_in")
    )

    def run(inputs):
        images = [inputs[name] for name in HEADS]
        penalties = [
            r1_penalty(lambda x, h=h: network.get_layer(h)([x, 1 - known]), inputs[h])
            for h in HEADS
        ]
        return network([*images, 1 - known]), penalties

    inputs = dict(zip(HEADS, (image, coarse)))
    found, penalties = compiled(run, network.variables)(inputs)
    for logits, name in zip(found, ("logits", "logits_stg1")):
        assert difference(logits, arrays[name]) < 1e-5
    # Of the final image, as if it were made, and as if it were real as well.
    generated, both = (
        float(loss)
        for loss in (
            non_saturating_generator_loss(found[0]),
            logistic_critic_loss(found[0], found[0]),
        )
    )
    g_loss, *d_losses = (
        arrays[name].mean() for name in ("g_loss", "d_loss_real", "d_loss_fake")
    )
    assert generated == pytest.approx(g_loss, rel=1e-5)
    assert both == pytest.approx(sum(d_losses), rel=1e-5)

    for penalty, name in zip(penalties, ("r1_penalty", "r1_penalty_stg1")):
        expected = arrays[f"{name}_per_sample"].mean()
        assert float(penalty) == pytest.approx(expected, rel=1e-4)
    parameters = inspect.signature(MAT).parameters
    weight = parameters["gradient_penalty_weight"].default
    expected = arrays["r1_loss_gamma10"].mean()
    assert weight * float(penalties[0]) == pytest.approx(expected, rel=1e-4)
    assert parameters["gradient_penalty_every"].default == 16
