"""Programs, machines and terminals that are set up otherwise than ours."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from conftest import ROOT, save_tiny
from inpainting_zoo.engine import choice
from inpainting_zoo.storage.downloads import cache_folder

HOST = """
import logging, random, signal, sys, warnings
import keras
import numpy as np
from PIL import Image

def state():
    config = keras.config
    return {
        "warnings": (warnings.formatwarning, warnings.showwarning),
        "logging": [logging.getLogger().level, *logging.getLogger().handlers],
        "Pillow": Image.MAX_IMAGE_PIXELS,
        "NumPy": np.geterr(),
        "keras": (config.floatx(), config.image_data_format(), config.epsilon()),
        "policy": config.dtype_policy().name,
        "signals": [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)],
        "streams": (sys.stdout, sys.stderr),
    }

before = state()
assert before["policy"] == "float16", before
import inpainting_zoo
import inpainting_zoo.evaluation.evaluate
import inpainting_zoo.exporting.command
import inpainting_zoo.inpainting.inpaint
import inpainting_zoo.training.train
assert state() == before

rng = np.random.default_rng(0)
image, mask = rng.integers(0, 256, (32, 32, 3), np.uint8), np.zeros((32, 32), np.uint8)
mask[8:20, 8:20] = 1
batch = {"image": image[None], "mask": mask[None, ..., None]}
numbers = random.getstate()
completed = inpainting_zoo.load("gmcnn_faces_128").inpaint(image, mask)
assert random.getstate() == numbers
large, hole = rng.integers(0, 256, (736, 736, 3), np.uint8), np.zeros((736, 736))
hole[300:400, 300:400] = 1
lama = inpainting_zoo.build("lama_small", base_channels=2, blocks=1)
refined = lama.inpaint(large, hole, refine=True)
model = inpainting_zoo.build("gmcnn_small", base_channels=4, image_size=32)
model.begin("warm_up_generator", lambda name, **_: keras.optimizers.Adam(name=name))
model.fit(((batch,) for _ in range(2)), steps_per_epoch=2, verbose=0)
model.evaluate(((batch,) for _ in range(1)), steps=1, verbose=0)
assert {v.dtype for v in model.generator.variables} == {"float32"}
assert state() == before

keras.config.set_image_data_format("channels_last")
keras.config.set_floatx("float32")
keras.config.set_dtype_policy("float32")
again = inpainting_zoo.load("gmcnn_faces_128").inpaint(image, mask)
assert np.array_equal(again, completed)
assert np.array_equal(lama.inpaint(large, hole, refine=True), refined)
print("kept")
"""


def python(script, *arguments, **environment):
    return subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **environment},
    )


@pytest.mark.slow
def test_a_host_program_keeps_its_settings_and_they_do_not_matter(tmp_path):
    settings = {"floatx": "float16", "image_data_format": "channels_first"}
    (tmp_path / "keras.json").write_text(json.dumps(settings))
    found = python(HOST, KERAS_HOME=str(tmp_path), KERAS_BACKEND="tensorflow")
    assert found.stdout == "kept\n", found.stderr


WINDOWS = """
import sys
sys.modules["fcntl"] = sys.modules["resource"] = None
from inpainting_zoo import environment, presets
from inpainting_zoo.storage import locks
assert environment.peak_memory() is None
with locks.locked(sys.argv[2], "x"):
    pass
with open(sys.argv[1]) as file:
    locks.wait_for(file)
"""


def test_systems_without_locks(tmp_path):
    found = python(WINDOWS, __file__, tmp_path)
    assert found.returncode == 0, found.stderr
    assert "not locked, no locks on this system" in found.stderr
    assert not list(tmp_path.iterdir())


def test_no_home_directory(tmp_path, monkeypatch, caplog):
    from inpainting_zoo.features.vgg import vgg19  # loads the engine
    from tiny_vgg import write

    monkeypatch.setenv("HOME", str(tmp_path / "none"))
    monkeypatch.delenv("KERAS_HOME", raising=False)
    monkeypatch.delenv("INPAINTING_ZOO_HOME", raising=False)
    choice.check_engine()
    vgg19(["block3_conv2"], write(tmp_path / "vgg.npz"))
    assert not caplog.messages  # of a download that a file makes needless
    assert cache_folder().name == "inpainting_zoo"
    assert "no home directory" in caplog.text
    assert not (tmp_path / "none").exists()


TERMINAL = """
import json, sys
from inpainting_zoo import cli
for words in json.loads(sys.argv[1]):
    sys.argv = ["runner.py", *words]
    try:
        cli.console()
    except SystemExit as end:
        print("ended", end.code)
"""


@pytest.mark.long
def test_terminals_that_cannot_show_a_name(tmp_path):
    folder, masks = tmp_path / "für", tmp_path / "masks"
    folder.mkdir(), masks.mkdir()
    for name in ("é.png", "写真.png"):
        Image.new("RGB", (24, 24), "grey").save(folder / name)
        hole = np.zeros((24, 24), np.uint8)
        hole[8:16, 8:16] = 255
        Image.fromarray(hole).save(masks / name)
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "ü.png").write_bytes(b"no picture")
    model = ["-from_weights", str(save_tiny(tmp_path / "tiny.npz"))]

    def inpaint(image, mask, save_to):
        paths = ("-image", image, "-mask", mask, "-save_to", tmp_path / save_to)
        return ["inpaint", *map(str, paths), *model]

    report = ["-report", str(tmp_path / "ä.json"), "-methods", "none"]
    commands = [
        inpaint(folder / "é.png", masks / "é.png", "ö.png"),
        inpaint(folder, masks, "out"),
        inpaint(tmp_path / "bad", masks / "é.png", "worse"),
        ["evaluate", "-test_path", str(folder), "-image_size", "32", *report, *model],
    ]
    found = python(TERMINAL, json.dumps(commands), PYTHONIOENCODING="ascii")
    ends = [x for x in found.stdout.splitlines() if x.startswith("ended")]
    assert ends == ["ended 0", "ended 0", "ended 2", "ended 0"], found.stderr
    assert "Traceback" not in found.stderr
    assert "\\xf6.png: ok" in found.stdout
    assert "warning: '\\xfc.png': " in found.stderr
