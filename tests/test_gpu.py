"""What needs a GPU: `make gpu` trains, resumes and inpaints on the first one."""

import numpy as np
import pytest
from PIL import Image

from conftest import TINY, run
from inpainting_zoo.engine import backend
from tiny_vgg import write as write_vgg

pytestmark = pytest.mark.gpu


def test_there_is_a_gpu():
    assert backend.accelerators(), f"received {backend.devices()}"


@pytest.mark.parametrize("way", [(), ("-run_eagerly",), ("-jit_compile",)])
def test_both_stages_a_resume_and_an_inpainting(way, pictures, tmp_path):
    common = ["-train_path", pictures / "images", "-output_path", tmp_path, *TINY]
    common += ["-experiment_name", "gpu", "-gpu", "0", *way]
    warm_up = [*common, "-warm_up_generator"]
    vgg = write_vgg(tmp_path / "vgg.npz")
    adversarial = [*common, "-from_weights", "-vgg_weights", vgg]
    commands = {
        "stage 1": [*warm_up, "-steps", 2],
        "resumed": [*warm_up, "-resume", "-steps", 4],
        "stage 2": [*adversarial, "-steps", 2],
    }
    for name, command in commands.items():
        found = run(*command, engine=backend.BACKEND, timeout=600)
        assert found.returncode == 0, f"{name}: {found.stderr}"
    image, mask = pictures / "images" / "0.png", pictures / "masks" / "0.png"
    model = ["-experiment_name", "gpu", "-output_path", tmp_path, "-gpu", "0"]
    files = ["-image", image, "-mask", mask, "-save_to", tmp_path / "out.png"]
    found = run("inpaint", *model, *files, engine=backend.BACKEND, timeout=600)
    assert found.returncode == 0, found.stderr
    completed, known = (
        np.asarray(Image.open(tmp_path / "out.png")),
        np.asarray(Image.open(image)),
    )
    outside = np.asarray(Image.open(mask)) == 0
    np.testing.assert_array_equal(completed[outside], known[outside])
