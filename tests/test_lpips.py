"""LPIPS: the authors' numbers, the files that it reads, and answers known by hand."""

import math
import os

import keras
import numpy as np
import pytest
from keras import ops
from PIL import Image

from conftest import ROOT, needs
from inpainting_zoo.errors import InputError, WeightsError
from inpainting_zoo.features.load import in_bfloat16
from inpainting_zoo.features.lpips import PLANS, lpips_network
from inpainting_zoo.features.vgg import vgg16
from inpainting_zoo.metrics.lpips import Lpips
from parity import difference
from torch_writer import save_state_dict

GOLDENS = ROOT / "tests" / "goldens" / "lpips"


@pytest.fixture(scope="module")
def alexnet():
    return Lpips()


def picture(name):
    return np.asarray(Image.open(GOLDENS / f"{name}.png").convert("RGB"))


@pytest.mark.both_engines
def test_the_authors_pictures_are_as_far_apart_as_they_say(alexnet):
    """They print 0.722 and 0.138, these are of float32."""
    reference = picture("ex_ref")
    near, far = (alexnet.distance(reference, picture(f"ex_p{i}")) for i in (1, 0))
    assert near == pytest.approx(0.1376, abs=1e-3)
    assert far == pytest.approx(0.7219, abs=1e-3)
    assert alexnet.distance(reference, reference) == 0


@pytest.mark.both_engines
@pytest.mark.skipif("LPIPS_VGG16" not in os.environ, reason="is not shipped")
def test_vgg16_sees_the_authors_pictures_as_far_apart_as_theirs():
    """By their program; LPIPS_VGG16 names its file, see `-lpips_weights`."""
    network = Lpips("vgg16", os.environ["LPIPS_VGG16"])
    reference = picture("ex_ref")
    near, far = (network.distance(reference, picture(f"ex_p{i}")) for i in (1, 0))
    assert near == pytest.approx(0.4217, abs=1e-3)
    assert far == pytest.approx(0.5686, abs=1e-3)


@pytest.mark.both_engines
def test_pictures_that_are_too_small_have_no_distance(alexnet):
    small = np.zeros((30, 40, 3), np.uint8)
    assert math.isnan(alexnet.distance(small, small))
    assert alexnet.distance(np.zeros((31, 40, 3)), np.zeros((31, 40, 3))) == 0


@pytest.mark.both_engines
def test_features_in_bfloat16_are_nearly_the_same():
    """Products of 8 bits; what comes out is float32, as is what goes in."""
    needs("bfloat16")
    network, _ = lpips_network("alexnet")
    image = np.random.default_rng(0).uniform(-1, 1, (1, 64, 64, 3)).astype("float32")
    expected = [ops.convert_to_numpy(x) for x in network(image)]
    lighter = in_bfloat16(network)
    assert not lighter.trainable_variables
    for found, x in zip(lighter(image), expected, strict=True):
        assert keras.backend.standardize_dtype(found.dtype) == "float32"
        error = np.linalg.norm(ops.convert_to_numpy(found) - x) / np.linalg.norm(x)
        assert 1e-5 < error < 0.02


@pytest.mark.both_engines
def test_torchvisions_file_with_the_authors_heads(alexnet, tmp_path):
    """AlexNet's convolutions are layers 0, 3, 6, 8 and 10 of its features."""
    convolutions = [x for x in alexnet.network.layers if "_conv" in x.name]
    state = {"classifier.1.weight": np.zeros((2, 9216), "float32")}
    for number, layer in zip((0, 3, 6, 8, 10), convolutions, strict=True):
        kernel, bias = layer.get_weights()
        state[f"features.{number}.weight"] = kernel.transpose(3, 2, 0, 1).copy()
        state[f"features.{number}.bias"] = bias
    path = tmp_path / "alexnet.pth"
    save_state_dict(path, state)
    with pytest.raises(InputError, match=r"heads of LPIPS beside it, .*alex\.pth"):
        Lpips("alexnet", path)
    heads = {
        f"lin{i}.model.1.weight": head.reshape(1, -1, 1, 1)
        for i, head in enumerate(alexnet.heads)
    }
    save_state_dict(tmp_path / "alex.pth", heads)
    pictures = picture("ex_ref"), picture("ex_p0")
    found = Lpips("alexnet", path).distance(*pictures)
    assert found == pytest.approx(alexnet.distance(*pictures), abs=1e-6)


def test_vgg16_is_that_of_keras(tmp_path):
    """In a file of LPIPS, with random weights."""
    rng, arrays, below = np.random.default_rng(0), {}, 3
    for i, (channels, side, _) in enumerate(sum(PLANS["vgg16"].blocks, ())):
        kernel = rng.standard_normal((side, side, below, channels), "float32")
        arrays[f"VGG16_0.Conv_{i}.kernel"] = np.float16(kernel / (3 * below**0.5))
        arrays[f"VGG16_0.Conv_{i}.bias"] = rng.standard_normal(channels, "float32")
        below = channels
    np.savez(tmp_path / "vgg.npz", **arrays)
    with pytest.raises(WeightsError, match=r"vgg.npz: lacks 5 \(NetLin"):
        Lpips("vgg16", tmp_path / "vgg.npz")
    for i, channels in enumerate((64, 128, 256, 512, 512)):
        head = np.ones((1, 1, channels, 1), "float32")
        arrays[f"NetLinLayer_{i}.Conv_0.kernel"] = head
    np.savez(tmp_path / "vgg.npz", **arrays)
    image = rng.uniform(-1, 1, (1, 16, 18, 3)).astype("float32")
    network, _ = lpips_network("vgg16", tmp_path / "vgg.npz")
    taps = [f"block{b}_conv{c}" for b, c in ((1, 2), (2, 2), (3, 3), (4, 3), (5, 3))]
    theirs = vgg16(taps, str(tmp_path / "vgg.npz"))
    for ours, expected in zip(network(image), theirs(image), strict=True):
        assert difference(ours, np.asarray(expected)) < 1e-4
