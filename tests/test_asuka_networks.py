"""The networks of ASUKA against the released program, and their further forms."""

import keras
import numpy as np
import pytest
from keras import ops

from inpainting_zoo.asuka.networks import FORMS, build_alignment
from inpainting_zoo.errors import InputError
from inpainting_zoo.stable_diffusion.autoencoder import (
    any_of,
    build_decoder,
    first_of,
    known_features,
)
from inpainting_zoo.weights.convert_stable_diffusion import KINDS
from inpainting_zoo.weights.stable_diffusion_names import autoencoder
from parity import difference, golden, hwio, nhwc
from tiny_diffusion import TINY

pytestmark = pytest.mark.both_engines
TINY_ALIGNMENT = {"tokens": 6, "inputs": 8, "width": 12, "heads": 3}


def test_the_alignment_released_for_flux():
    arrays = golden("diffusion/asuka_alignment_fluxrelease_tiny")
    options = {"inputs": 24, "width": 32, "heads": 2, "form": "parallel_attention"}
    network = build_alignment(**options)
    for variable in network.variables:
        layer, kind = variable.path.split("/")
        official = {"kernel": "weight", "gamma": "weight", "beta": "bias"}.get(
            kind, kind
        )
        official = "scale" if layer.endswith("_norm") else official
        variable.assign(hwio_or_same(arrays.pop(f"sd/{layer}.{official}")))
    assert not [key for key in arrays if key.startswith("sd/")]
    after_first = keras.Model(network.input, network.get_layer("2.norm").input)
    features = arrays["in/mae_feature"]
    found = after_first.predict(features, verbose=0)
    assert difference(found, arrays["act/after_block_1"]) < 1e-4
    found = network.predict(features, verbose=0)
    assert difference(found, arrays["out/condition"]) < 1e-4


def hwio_or_same(array):
    return hwio(array) if array.ndim > 1 else array


@pytest.mark.parametrize("form", FORMS)
def test_forms(form):
    """A condition as wide as asked, whose tokens see others but in the linear one."""
    rng = np.random.default_rng(0)
    network = build_alignment(**TINY_ALIGNMENT, form=form, blocks=2)
    features = rng.normal(size=(1, 6, 8)).astype("float32")
    found = ops.convert_to_numpy(network(features))
    assert found.shape == (1, 6, 12) and found.dtype == "float32"
    features[:, 0] += rng.normal(size=8)
    moved = np.abs(ops.convert_to_numpy(network(features)) - found).max(axis=-1)[0]
    assert moved[0] > 1e-4
    assert (moved[1:] == 0).all() if form == "linear" else (moved[1:] > 0).all()
    block = 12 * 12 * 12 + (3 + 1 + 4 + 1 + 4) * 12  # of a vision transformer
    counts = {
        "linear": 0,
        "self_attention": 2 * block + 24,
        "cross_attention": 2 * block + 24 + 6 * 12,
        # Neither scale nor shift of tokens, and a scale of queries and of keys.
        "parallel_attention": 2 * (12 * 12 * 12 + 8 * 12 + 2 * 4) + 24,
    }
    assert network.count_params() == 8 * 12 + 12 + counts[form]


def test_wrong_forms():
    with pytest.raises(InputError, match="form: one of linear, self_attention"):
        build_alignment(form="quadratic")
    with pytest.raises(InputError, match="heads: must divide the condition's 12"):
        build_alignment(**{**TINY_ALIGNMENT, "heads": 5})


def test_the_decoder_of_asuka():
    """With the mask as a fourth channel, shrunk by its area."""
    arrays = golden("diffusion/asuka_decoder_tiny")
    options = {**TINY["autoencoder"], "channels": (8, 16, 32, 32)}
    options |= {"conditional": True, "sees_mask": True, "mask_rule": "area"}
    decoder = build_decoder(**options)
    for variable in decoder.variables:
        layer, kind = variable.path.split("/")
        if layer == "post_quant_conv":  # of Stable Diffusion alone
            same = np.eye(4, dtype="float32")[None, None]
            variable.assign(same if kind == "kernel" else np.zeros(4))
            continue
        official = autoencoder(layer, 4).removeprefix("decoder.")
        official = official.replace("condition_encoder.layers", "encoder.layers")
        array = hwio_or_same(arrays.pop(f"sd/{official}.{KINDS[kind]}"))
        variable.assign(array.reshape(variable.shape))
    assert not [key for key in arrays if key.startswith("sd/")]
    image, mask = nhwc(arrays["in/image"]), nhwc(arrays["in/mask"])
    inputs = [nhwc(arrays["in/latent"]), image * (1 - mask), mask]
    seen = [f"decoder.condition_encoder.layers.{i}" for i in range(5)]
    outputs = [decoder.get_layer(name).output for name in seen]
    network = keras.Model(decoder.inputs, [*outputs, decoder.output])
    *known, found = network.predict(inputs, verbose=0)
    assert difference(found, nhwc(arrays["out/decoded"])) < 1e-4
    for i, features in enumerate(known):
        assert difference(features, nhwc(arrays[f"act/cond_{i}"])) < 1e-4


def test_masks_of_features():
    """One pixel of the hole, not the first of its cell, on 4 x 4 at half the size."""
    mask = np.zeros((1, 4, 4, 1), "float32")
    mask[0, 1, 3] = 1
    cells = ops.convert_to_numpy(any_of(mask, 2))[0, ..., 0]
    assert cells.tolist() == [[0, 1], [0, 0]]
    assert not ops.convert_to_numpy(first_of(mask, 2)).any()
    for rule in (any_of, first_of):
        assert difference(rule(mask, 1), mask) == difference(rule(mask, 0), mask) == 0


def test_gated_features():
    """x clip(1 - tanh(g), 0, 1): a gate of 0 leaves them, one of 0.5 takes 0.4621."""
    image = keras.Input((8, 8, 4))
    network = keras.Model(image, known_features(image, 2, gated=True))
    gate = network.get_layer("decoder.condition_encoder.layers.0.gate")
    gate.kernel.assign(0 * gate.kernel)
    x = np.random.default_rng(0).normal(size=(1, 8, 8, 4)).astype("float32")
    plain, halved, none = (
        (gate.bias.assign([bias] * 2), ops.convert_to_numpy(network(x)[0]))[1]
        for bias in (-1.0, 0.5, 20.0)
    )
    np.testing.assert_allclose(halved, (1 - 0.46211716) * plain, rtol=1e-4, atol=1e-6)
    assert np.abs(plain).max() > 0.1 and np.abs(none).max() < 1e-6
    with pytest.raises(InputError, match="conditional: must be true where"):
        build_decoder(gated=True)
    with pytest.raises(InputError, match="mask_rule: one of first, area"):
        build_decoder(conditional=True, mask_rule="mean")
