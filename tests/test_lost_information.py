"""What an autoencoder loses: pictures decoded again and again, and their spectra."""

import numpy as np
import pytest
from PIL import Image

from inpainting_zoo import presets
from inpainting_zoo.storage.checkpoints import as_arrays, save_weights
from inpainting_zoo.tools import lost_information
from tiny_diffusion import NARROW_SMALL


def test_spectra():
    """A point has all frequencies alike; of a wave one alone stands out."""
    point = np.zeros((16, 16, 3))
    point[3, 5] = 1
    np.testing.assert_allclose(
        lost_information.relative_log_amplitude(point), np.zeros(8), atol=1e-6
    )
    wave = 1 + np.cos(2 * np.pi * 4 * np.arange(16) / 16)
    found = lost_information.relative_log_amplitude(
        np.broadcast_to(wave[:, None], (16, 16, 3)[:2])[..., None].repeat(3, -1)
    )
    assert found[0] == 0 and found.argsort()[-2] == 4


def test_decoded_again_and_again():
    image = np.full((2, 2, 3), 64, np.uint8)
    found = lost_information.decoded(lambda x, mask: x // 2, image, [1, 3])
    assert [picture[0, 0, 0] for picture in found] == [64, 32, 8]


@pytest.mark.long
def test_the_command(tmp_path, capsys):
    folder = tmp_path / "tiny" / "weights"
    model = presets.build("sd_small", **NARROW_SMALL)
    for part in ("encoder", "decoder"):
        about = {"preset": "sd_small", "overrides": NARROW_SMALL}
        path = folder / f"{part}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        save_weights(path, as_arrays(model.use_state(part)), about)
    colours = np.random.default_rng(0).integers(0, 256, (20, 24, 3), np.uint8)
    Image.fromarray(colours).save(tmp_path / "image.png")
    given = ["-image", str(tmp_path / "image.png"), "-output_path", str(tmp_path)]
    lost_information.main([*given, "-experiment_name", "tiny", "-times", "2", "1"])
    written = capsys.readouterr().out.splitlines()
    assert [line.rsplit("/", 1)[1] for line in written] == [
        "decoded.png",
        "spectrum.png",
    ]
    for line in written:
        assert np.asarray(Image.open(line)).std() > 1
