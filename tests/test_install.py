"""The package as a user installs it: built, put elsewhere, and used there."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from conftest import ROOT
from inpainting_zoo.data.embedded import face

pytestmark = pytest.mark.long

LEFT_OUT = (".venv", ".git", "outputs", "build", "*.egg-info", "__pycache__", "tests")
STRANGER = """
import sys
import keras, numpy as np
import inpainting_zoo as zoo
assert not {"losses", "data"} & set(sys.modules)
model = zoo.build("gmcnn_small", base_channels=2, image_size=16)
pairs = zoo.TrainingPairs(zoo.list_images("photos"), "strokes=1", 16, 2, seed=0)
def adam(name, factor, clip):
    return keras.optimizers.Adam(4e-4 * factor, global_clipnorm=clip)
model.begin("warm_up_generator", adam)
history = model.fit(zoo.stream(pairs.batch, 0, 2), steps_per_epoch=2, verbose=0)
assert np.isfinite(history.history["generator_loss"]).all()
image = np.full((20, 30, 3), 200, np.uint8)
mask = np.zeros((20, 30), np.uint8)
mask[5:9, 7:20] = 1
completed = model.inpaint(image, mask)
assert (completed[mask == 0] == 200).all() and completed.shape == image.shape
import losses, data
assert losses.MINE and data.MINE
print("trained and completed by", zoo.__version__, zoo.__file__)
"""


def run(*command, **options):
    found = subprocess.run(command, capture_output=True, text=True, **options)
    assert found.returncode == 0, found.stdout + found.stderr
    return found.stdout


def build(folder, kind="wheel"):
    """Builds the wheel from a copy of the checkout; returns its path."""
    source = shutil.copytree(
        ROOT, folder / "source", ignore=shutil.ignore_patterns(*LEFT_OUT)
    )
    options = ("--no-deps", "--no-build-isolation", "--quiet", "-w", str(folder))
    run(sys.executable, "-m", "pip", "wheel", *options, str(source), cwd=folder)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """An environment with the wheel, which sees the packages of this one."""
    folder = tmp_path_factory.mktemp("install")
    environment = folder / "environment"
    run(sys.executable, "-m", "venv", "--without-pip", str(environment))
    python = environment / "bin" / "python"
    places = run(
        str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"
    )
    Path(places.strip(), "seen.pth").write_text(sysconfig.get_path("purelib"))
    pip = (sys.executable, "-m", "pip", "--python", str(python))
    run(*pip, "install", "--no-deps", "--quiet", str(build(folder)))
    return environment / "bin"


def test_every_room_is_in_it():
    """A folder of the checkout with code in it is a package, or a test."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    patterns = ("*/__init__.py", "inpainting_zoo/*/__init__.py")
    found = [path.parent for pattern in patterns for path in ROOT.glob(pattern)]
    folders = {path.relative_to(ROOT).as_posix() for path in found}
    assert folders == set(project["package-dir"].values())
    assert set(project["package-dir"]) == set(project["packages"])


def test_a_strangers_script_trains_and_completes(installed, tmp_path):
    """Beside files that have the names of our folders."""
    (tmp_path / "losses.py").write_text("MINE = True\n")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "__init__.py").write_text("MINE = True\n")
    (tmp_path / "photos").mkdir()
    rng = np.random.default_rng(0)
    for i in range(3):
        pixels = rng.integers(0, 256, (24, 20, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{i}.png")
    (tmp_path / "stranger.py").write_text(STRANGER)
    printed = run(str(installed / "python"), "stranger.py", cwd=tmp_path)
    assert str(installed.parent) in printed and str(ROOT) not in printed


def test_the_console_command_completes_a_picture_elsewhere(installed, tmp_path):
    image = face(margin=20)
    mask = np.zeros(image.shape[:2], np.uint8)
    mask[60:90, 50:100] = 255
    Image.fromarray(image).save(tmp_path / "image.png")
    Image.fromarray(mask).save(tmp_path / "mask.png")
    arguments = ["inpaint", "-preset", "gmcnn_faces_128", "-image", "image.png"]
    arguments += ["-mask", "mask.png", "-save_to", "out.png"]
    run(str(installed / "inpainting-zoo"), *arguments, cwd=tmp_path)
    completed = np.asarray(Image.open(tmp_path / "out.png"))
    np.testing.assert_array_equal(completed[mask == 0], image[mask == 0])
    assert (completed[mask != 0] != image[mask != 0]).any()


@pytest.mark.slow
def test_with_all_its_dependencies(tmp_path):
    """In an environment that has nothing else."""
    run(sys.executable, "-m", "venv", str(tmp_path / "bare"))
    python = str(tmp_path / "bare" / "bin" / "python")
    run(python, "-m", "pip", "install", "--quiet", str(build(tmp_path)))
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    test = (
        "import inpainting_zoo as zoo, numpy as np\n"
        "model = zoo.load('gmcnn_faces_128')\n"
        "image = np.zeros((40, 50, 3), np.uint8)\n"
        "print(model.inpaint(image, np.eye(40, 50)).shape)"
    )
    printed = run(python, "-c", test, cwd=tmp_path, env=environment)
    assert printed.split("\n")[0] == "(40, 50, 3)"
