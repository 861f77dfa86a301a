"""The networks of Stable Diffusion against diffusers and transformers."""

import json

import keras
import numpy as np
import pytest

from conftest import needs
from inpainting_zoo.engine import backend, operations
from inpainting_zoo.errors import InputError
from inpainting_zoo.layers.dot_product_attention import DotProductAttention
from inpainting_zoo.stable_diffusion.autoencoder import build_decoder, build_encoder
from inpainting_zoo.stable_diffusion.text_encoder import build_text_encoder
from inpainting_zoo.stable_diffusion.unet import build_unet, encode_time
from inpainting_zoo.storage.variables import without_memory
from parity import difference, golden, nhwc
from tiny_diffusion import TINY, load

pytestmark = pytest.mark.both_engines
UNETS = {
    "unet_sd15_tiny": {"heads": (2, 2), "context_channels": 32},
    "unet_sd2_tiny": {"heads": (2, 4), "context_channels": 48},
}
UNET, AUTOENCODER = TINY["unet"], TINY["autoencoder"]


def left(arrays, *others):
    """Names of weights that no network has taken, but for those of others."""
    names = {k.removeprefix("sd/") for k in arrays if k.startswith("sd/")}
    return {name for name in names if not name.startswith(others)}


@pytest.mark.parametrize("name", UNETS)
def test_unets(name):
    """The output, and what every kind of layer passes on."""
    arrays = golden(f"diffusion/{name}")
    unet = load(build_unet(**{**UNET, **UNETS[name]}), arrays)
    assert not left(arrays)
    block = "down_blocks.0.attentions.0.transformer_blocks.0"
    inner = {
        "temb": "time_embedding.linear_2",
        "conv_in": "conv_in",
        "down_0_attn_0_self": f"{block}.attn1.to_out.0",
        "down_0_attn_0_cross": f"{block}.attn2.to_out.0",
        "down_0_attn_0_ff": f"{block}.ff.net.2",
        "down_0": "down_blocks.0.downsamplers.0.conv",
        "up_0": "up_blocks.0.upsamplers.0.conv",
    }
    outputs = [unet.get_layer(layer).output for layer in inner.values()]
    network = keras.Model(unet.inputs, [*outputs, unet.output])
    timesteps = arrays["in/timestep"].astype("float32")
    inputs = [nhwc(arrays["in/sample"]), timesteps, arrays["in/context"]]
    *found, noise = network.predict(inputs, verbose=0)
    assert difference(noise, nhwc(arrays["out/sample"])) < 1e-5
    for key, value in zip(inner, found):
        expected = arrays[f"act/{key}"]
        expected = nhwc(expected) if expected.ndim == 4 else expected
        assert difference(value.reshape(expected.shape), expected) < 1e-5, key
    encoded = encode_time(timesteps, 32)
    assert difference(encoded, arrays["act/time_proj"]) < 1e-5


def test_attention_by_hand():
    """Two heads of one channel: weights e^0 and e^1, then e^0 and e^0."""
    q = np.array([[[1.0, 0.0]]], "float32")
    k = np.array([[[0.0, 5.0], [1.0, 7.0]]], "float32")
    v = np.array([[[2.0, 4.0], [6.0, 8.0]]], "float32")
    share = np.e / (1 + np.e)
    expected = [[[2 + 4 * share, 6]]]
    assert difference(DotProductAttention(2)(q, k, v), expected) < 1e-5
    q = np.random.default_rng(0).normal(size=(1, 7, 2)).astype("float32")
    whole, sliced = (DotProductAttention(2, slices=n)(q, k, v) for n in (1, 3))
    assert difference(whole - sliced, np.zeros((1, 7, 2))) < 1e-6
    # Of two views each sees its own half, here one key, whose value it takes.
    views = DotProductAttention(2, views=2)(q[:, :6], k, v)
    assert difference(views, np.repeat(v, 3, axis=1)) < 1e-6
    causal = DotProductAttention(2, causal=True)(v, k, v)
    assert difference(causal[:, 0], v[:, 0]) < 1e-6  # the first sees itself alone
    for wrong in ({"heads": 0}, {"heads": 2, "slices": 0}, {"heads": 2, "views": 0}):
        with pytest.raises(InputError, match="must be at least 1, received 0"):
            DotProductAttention(**wrong)
    layer = DotProductAttention(2, slices=4, views=3)
    again = DotProductAttention.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()


def test_attention_of_long_sequences(monkeypatch):
    """More weights than a cache holds, cut in rows of which the last are fewer."""
    q, k, v = np.random.default_rng(0).normal(size=(3, 2, 1100, 6)).astype("float32")
    assert 2 * 1100 * 1100 > operations.CACHED > 1100 * 900
    expected = []
    for head in np.split(np.arange(6), 2):
        weights = np.exp(q[..., head] @ k[..., head].swapaxes(1, 2) / 3**0.5)
        weights /= weights.sum(axis=2, keepdims=True)
        expected.append(weights @ v[..., head])
    expected = np.concatenate(expected, axis=2)
    if backend.BACKEND == "tensorflow" and not backend.accelerators():
        monkeypatch.setattr(operations.ops, "dot_product_attention", None)
    inputs = [keras.Input((1100, 6)) for _ in range(3)]
    model = keras.Model(inputs, DotProductAttention(2)(*inputs))
    assert difference(model.predict([q, k, v], verbose=0), expected) < 1e-5
    assert difference(DotProductAttention(2, slices=2)(q, k, v), expected) < 1e-5


def test_autoencoder():
    arrays = golden("diffusion/vae_kl_tiny")
    encoder = load(build_encoder(**AUTOENCODER), arrays)
    decoder = load(build_decoder(**AUTOENCODER), arrays)
    assert not left(arrays)
    moments = encoder.predict(nhwc(arrays["in/image"]), verbose=0)
    assert difference(moments, nhwc(arrays["out/moments"])) < 1e-5
    decoded = decoder.predict(nhwc(arrays["in/latent"]), verbose=0)
    assert difference(decoded, nhwc(arrays["out/decoded"])) < 1e-4


def test_asymmetric_autoencoder():
    """With the known pixels, and with nothing known, as where there is no picture."""
    arrays = golden("diffusion/vae_asymmetric_tiny")
    encoder = load(build_encoder(**AUTOENCODER), arrays)
    options = {**AUTOENCODER, "channels": (8, 16, 32, 32), "conditional": True}
    decoder = load(build_decoder(**options), arrays)
    assert not left(arrays)
    image, mask = nhwc(arrays["in/image"]), nhwc(arrays["in/mask"])
    mean = encoder.predict(image, verbose=0)[..., :4]
    assert difference(mean, nhwc(arrays["out/mean"])) < 1e-5
    latents = nhwc(arrays["in/latent"])
    found = decoder.predict([latents, image * (1 - mask), mask], verbose=0)
    assert difference(found, nhwc(arrays["out/decoded_conditioned"])) < 1e-4
    found = decoder.predict([latents, 0 * image, mask * 0 + 1], verbose=0)
    assert difference(found, nhwc(arrays["out/decoded_unconditioned"])) < 1e-4


@pytest.mark.parametrize("name", ["gelu", "quickgelu"])
def test_text_encoders(name):
    arrays = golden(f"diffusion/clip_text_{name}_tiny")
    config = json.loads(str(arrays["config_json"]))
    encoder = build_text_encoder(
        config["hidden_size"],
        config["num_hidden_layers"],
        config["num_attention_heads"],
        config["hidden_act"],
        config["vocab_size"],
    )
    load(encoder, arrays)
    assert not left(arrays, "text_model.embeddings.position_ids", "text_projection")
    found = encoder.predict(arrays["in/input_ids"].astype("int32"), verbose=0)
    assert difference(found, arrays["out/last_hidden_state"]) < 1e-5


def test_narrow_numbers():
    """Of rounded weights about the same noise, in float32."""
    needs("bfloat16")
    options = {"channels": (8,), "heads": (2,), "attention": (True,), "layers": 1}
    options |= {"groups": 4, "context_channels": 6}
    rng = np.random.default_rng(0)
    inputs = [rng.normal(size=(1, *shape)) for shape in ((4, 4, 9), (), (3, 6))]
    wide, narrow = build_unet(**options), build_unet(**options, dtype="bfloat16")
    narrow.set_weights(wide.get_weights())
    expected, found = (u.predict(inputs, verbose=0) for u in (wide, narrow))
    assert found.dtype == "float32"
    assert 0 < difference(found, expected) < 0.1 * np.abs(expected).max()


def test_levels_need_heads():
    with pytest.raises(InputError, match="one for each of 2 levels, received 1 and 2"):
        build_unet((32, 64), (2,), (True, True))


def test_full_size_parameters():
    """As the published networks have; the U-Nets are counted in test_zoo.py."""
    with without_memory():
        counts = [
            build_encoder().count_params() + build_decoder().count_params(),
            build_text_encoder().count_params(),
            build_text_encoder(1024, 23, 16, "gelu").count_params(),
        ]
    assert counts == [83_653_863, 123_060_480, 340_387_840]


def test_full_size_parameters_of_asymmetric_autoencoders():
    """About 219 and 406 million, with the arguments that the page names."""
    with without_memory():
        encoder = build_encoder().count_params()
        decoders = [
            build_decoder(channels, layers, conditional=True).count_params()
            for channels, layers in (
                ((192, 384, 768, 768), 4),
                ((256, 512, 1024, 1024), 5),
            )
        ]
    assert [encoder + count for count in decoders] == [218_864_615, 406_130_151]
