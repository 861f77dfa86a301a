"""Which network ID-MRF looks through: VGG16's real layers in place of VGG19's."""

import numpy as np
import pytest
from keras import ops

from inpainting_zoo import presets
from inpainting_zoo.errors import InputError
from inpainting_zoo.features.load import loader
from inpainting_zoo.features.normalization import imagenet
from parity import difference
from tiny_vgg import write, write_as_lpips

TINY = {"image_size": 32, "base_channels": 4, "critic_channels": 4, "critic_steps": 1}


def build(**overrides):
    return presets.build("gmcnn_small", **TINY | overrides)


@pytest.mark.both_engines
def test_vgg16_taps_conv3_2_and_conv4_2(tmp_path, caplog):
    """Convolutions 5 and 8, counted from 0, of the chain written out."""
    kernels = write_as_lpips(tmp_path / "vgg.npz")
    model = build(id_mrf_network="vgg16")
    model.make_stage("wgan", loader({"vgg16": tmp_path / "vgg.npz"}))
    assert "is taken" not in caplog.text  # nothing is substituted
    image = np.random.default_rng(1).uniform(-1, 1, (1, 16, 16, 3)).astype("float32")
    x, expected = imagenet(image), []
    for i, kernel in enumerate(kernels):
        if i in (2, 4, 7):
            x = ops.max_pool(x, 2, 2)
        x = ops.relu(ops.conv(x, kernel.astype("float32"), padding="same"))
        expected += [x] if i in (5, 8) else []
    for found, true in zip(model.features(image), expected, strict=True):
        assert difference(found, ops.convert_to_numpy(true)) < 1e-5


def test_vgg16_has_no_substitute(tmp_path):
    """A file that ends before conv4_2 is refused, and told how to do without."""
    write(tmp_path / "vgg.npz")  # VGG19 as far as block 3, whose shapes VGG16 shares
    files = loader({"vgg16": tmp_path / "vgg.npz"})
    with pytest.raises(InputError, match=r"no block4_conv2.*-id_mrf_weight 0"):
        build(id_mrf_network="vgg16").make_stage("wgan", files)


def test_a_file_of_the_other_network_is_refused(tmp_path):
    write_as_lpips(tmp_path / "vgg.npz")
    files = loader({"vgg19": tmp_path / "vgg.npz"})
    with pytest.raises(InputError, match="must be of vgg19, received vgg16's"):
        build().make_stage("wgan", files)


def test_another_network_is_refused():
    with pytest.raises(InputError, match="id_mrf_network: one of vgg19, vgg16, rec"):
        build(id_mrf_network="alexnet")
