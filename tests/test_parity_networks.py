"""Generators and critics against the official PyTorch and TensorFlow 1 programs."""

import numpy as np
import pytest
from keras import ops

from inpainting_zoo.gmcnn.networks import (
    build_critic,
    build_generator,
)
from inpainting_zoo.weights.convert_gmcnn import official_tensors
from parity import difference, flattened, golden, gradients, hwio, nhwc

pytestmark = pytest.mark.both_engines


def load(generator, arrays, topology):
    """Sets a generator's weights from arrays with official names."""
    variables = {f"generator/{v.path}": v for v in generator.variables}
    padding = {"pytorch": "reflect", "tf1": "same"}[topology]
    names = official_tensors(variables, {"topology": topology, "padding": padding})
    for theirs, (ours, _, to_ours) in names.items():
        variables[ours].assign(to_ours(arrays[f"w:{theirs}"]))


@pytest.fixture(scope="module")
def pytorch():
    arrays = golden("generator_c4_196")
    generator = build_generator(base_channels=4)
    load(generator, arrays, "pytorch")
    return generator, arrays


def test_generator_of_the_pytorch_program(pytorch):
    generator, arrays = pytorch
    x = nhwc(arrays["input"])
    prediction = generator([x[..., :3], x[..., 3:]])
    assert difference(prediction, nhwc(arrays["output"])) < 2e-5


def test_generator_of_the_tf1_program():
    arrays = golden("tf1_generator_c4_128x96")
    generator = build_generator(base_channels=4, topology="tf1", padding="same")
    load(generator, arrays, "tf1")
    # That program works on blue, green, red; ours takes and gives red, green, blue.
    prediction = generator([arrays["input_nhwc"][..., ::-1], arrays["mask_nhwc"]])
    assert difference(prediction, arrays["output_nhwc"][..., ::-1]) < 2e-5


def test_gradients_of_the_generator(pytorch):
    generator, arrays = pytorch
    x, gt = nhwc(arrays["input"]), nhwc(arrays["gt"])

    def loss():
        return ops.mean(ops.abs(generator([x[..., :3], x[..., 3:]]) - gt))

    before = generator.get_weights()
    # One value lies 6e-7 inside the range where the output is not clipped, and float32
    # is coarser than that; moving it by 1e-6 keeps it there.
    generator.get_layer("decoder_conv1").bias.assign(before[-1] + [1e-6, 0, 0])
    value, found = gradients(generator, loss)
    generator.set_weights(before)
    assert value == pytest.approx(arrays["grad_target_loss"], rel=1e-5)
    variables = {f"generator/{v.path}": v for v in generator.variables}
    names = official_tensors(variables, {"topology": "pytorch"})
    assert len(names) == len(arrays["grad_names"]) == 88
    for theirs, norm in zip(arrays["grad_names"], arrays["grad_norm"]):
        ours = names[str(theirs)][0].removeprefix("generator/")
        assert np.linalg.norm(found[ours]) == pytest.approx(norm, rel=1e-4), theirs


def test_plain_hinge_critic():
    arrays = golden("critic_plain_c8_64")
    critic = build_critic(64, 8, topology="hinge")
    weights = [arrays[f"w:layers.{i}.weight"] for i in range(5)]
    kernels = [*map(hwio, weights[:4]), flattened(weights[4], 4, 4)]
    biases = [arrays[f"w:layers.{i}.bias"] for i in range(5)]
    critic.set_weights([w for pair in zip(kernels, biases) for w in pair])
    assert difference(critic(nhwc(arrays["input"])), arrays["logit"]) < 1e-5


def spectral_critic(arrays, prefix, side, base_channels):
    critic = build_critic(side, base_channels, topology="hinge_spectral")
    for i in range(5):
        name = "critic_score" if i == 4 else f"critic_conv{i}"
        layer, key = critic.get_layer(name), f"before:{prefix}layers.{i}.module."
        kernel = arrays[f"{key}weight_bar"]
        layer.layer.kernel.assign(
            flattened(kernel, side // 16, side // 16) if i == 4 else hwio(kernel)
        )
        layer.bias.assign(arrays[f"{key}bias"])
        layer.u.assign(arrays[f"{key}weight_u"][:, None])
    return critic


def test_spectral_critic_after_1_2_and_52_calls():
    arrays = golden("critic_sn_c8_64")
    critic = spectral_critic(arrays, "", 64, 8)
    x = ops.convert_to_tensor(nhwc(golden("critic_plain_c8_64")["input"]))
    for call in range(1, 53):
        scores = critic(x, training=True)
        if call in (1, 2, 52):
            assert difference(scores, arrays[f"logit_call{call}"]) < 1e-5


def test_spectral_local_critic():
    arrays = golden("critics_global_local_sn_c4")
    critic = spectral_critic(arrays, "local_discriminator.", 32, 4)
    scores = critic(nhwc(arrays["x_local"]), training=True)
    assert difference(scores, arrays["logit_local"]) < 1e-5
