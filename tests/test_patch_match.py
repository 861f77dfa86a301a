"""PatchMatch as a preset: known pixels, seeds, threads, sizes, and what it says."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from PIL import Image

from inpainting_zoo import cli, presets
from inpainting_zoo.errors import InputError
from inpainting_zoo.inpainting.picture import complete_bytes
from inpainting_zoo.inpainting.strategies import complete
from inpainting_zoo.patch_match.model import knows_a_patch


@pytest.fixture(scope="module")
def model():
    return presets.load("patchmatch")


def textured(height=60, width=70, seed=0):
    """Noise in blocks of 5 pixels and a hole of 14x16 pixels."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (height // 5, width // 5, 3), np.uint8)
    hole = np.zeros((height, width), np.uint8)
    hole[20:34, 30:46] = 1
    return image.repeat(5, axis=0).repeat(5, axis=1), hole


def test_stripes_go_on_through_the_hole(model):
    """Sharper and closer to them than a method that diffuses the edge's colours."""
    image = np.zeros((64, 64, 3), np.uint8)
    image[::8] = image[1::8] = image[2::8] = image[3::8] = 255
    hole = np.zeros((64, 64), np.uint8)
    hole[24:40, 24:40] = 1
    found = model.inpaint(image, hole), cv2.inpaint(image, hole, 3, cv2.INPAINT_TELEA)
    error, blurred = (np.abs(x.astype(int) - image)[hole > 0].mean() for x in found)
    assert error < 0.6 * blurred
    assert found[0][hole > 0].std() > found[1][hole > 0].std()


def test_a_seed_gives_the_same_bytes_in_threads_too(model):
    image, hole = textured()
    alone = [model.inpaint(image, hole, seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        seeds = [0, 1, 2, 3] * 4
        found = list(pool.map(lambda seed: model.inpaint(image, hole, seed), seeds))
    for seed, completed in zip(seeds, found):
        np.testing.assert_array_equal(completed, alone[seed])
    assert any((alone[0] != other).any() for other in alone[1:])
    for completed in alone:
        np.testing.assert_array_equal(completed[hole == 0], image[hole == 0])
        assert (completed[hole == 1] != image[hole == 1]).any()


def test_what_the_hole_hides_does_not_matter(model):
    image, hole = textured()
    other = np.where(hole[..., None] > 0, 255 - image, image)
    same = [model.inpaint(picture, hole) for picture in (image, other)]
    np.testing.assert_array_equal(*same)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (5, 3), (7, 7), (8, 40)])
def test_any_size(model, size):
    image, hole = textured(60, 60)[0][: size[0], : size[1]], np.zeros(size, np.uint8)
    hole[size[0] // 2, size[1] // 2] = 1
    completed = model.inpaint(image, hole)
    np.testing.assert_array_equal(completed[hole == 0], image[hole == 0])
    assert completed.shape == image.shape


def test_a_patch_lies_within_the_picture_and_outside_of_the_hole():
    hole = np.zeros((9, 9), np.uint8)
    assert knows_a_patch(hole[:7, :7], 3) and not knows_a_patch(hole[:6], 3)
    hole[4, 4] = 1
    assert not knows_a_patch(hole, 3) and knows_a_patch(hole, 1)


def test_holes_that_leave_nothing_to_copy_are_said(model, tmp_path, capsys, caplog):
    image, hole = textured(20, 20)[0], np.zeros((20, 20), np.uint8)
    hole[::3] = 1
    paths = [str(tmp_path / name) for name in ("image.png", "mask.png", "out.png")]
    Image.fromarray(image).save(paths[0])
    Image.fromarray(hole * 255).save(paths[1])
    words = ("-image", paths[0], "-mask", paths[1], "-save_to", paths[2])
    with pytest.warns(UserWarning, match="leaves no known patch of 7x7 pixels"):
        assert cli.main(["inpaint", *words]) == 0
    assert "preset: patchmatch, because none was named" in capsys.readouterr().out
    completed = np.asarray(Image.open(paths[2]))
    np.testing.assert_array_equal(completed[hole == 0], image[hole == 0])
    assert "no known patch" not in caplog.text  # said once, with the picture's name
    everything = model.inpaint(image, np.ones_like(hole))
    assert (everything == 128).all()
    assert "leaves nothing known" in caplog.text
    (words,) = model.remarks(np.ones((8, 8)))
    assert words == "mask: leaves nothing known, so the picture becomes mid-grey"


@pytest.mark.parametrize("wrong", [0, 16, 1.5, True, "3"])
def test_the_size_of_patches_has_its_rule(model, wrong):
    with pytest.raises(InputError, match=r"patch_size: must be .* least 1 and"):
        model.inpaint(*textured(), patch_size=wrong)


def test_photographs_are_completed_near_their_holes(model):
    """What is far from a hole is neither changed nor looked at."""
    image, hole = np.zeros((900, 1200, 3), np.uint8), np.zeros((900, 1200), np.uint8)
    image[:320, :320] = textured(320, 320)[0]
    hole[100:120, 100:130] = 1
    far = image.copy()
    far[600:] = 200
    completed = [complete(model, picture, hole) for picture in (image, far)]
    np.testing.assert_array_equal(completed[0][:600], completed[1][:600])
    np.testing.assert_array_equal(completed[0][hole == 0], image[hole == 0])


def test_no_engine_is_loaded():
    program = """if True:
        import sys, numpy, inpainting_zoo
        model = inpainting_zoo.load("patchmatch")
        model.inpaint(numpy.zeros((9, 9, 3), "uint8"), numpy.eye(9, dtype="uint8"))
        print({"keras", "tensorflow", "jax"} & set(sys.modules))
    """
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "set()"


def test_the_command_loads_no_engine_and_is_the_default(tmp_path):
    """With the preset named and without; 16 bits and alpha come back as they were."""
    image, hole = textured()
    deep = (
        np.dstack([image, np.full(hole.shape, 200, np.uint8)]).astype(np.uint16) * 257
    )
    cv2.imwrite(str(tmp_path / "image.png"), deep[..., [2, 1, 0, 3]])
    Image.fromarray(hole * 255).save(tmp_path / "mask.png")
    program = """if True:
        import sys
        from inpainting_zoo import cli
        assert cli.main(sys.argv[1:]) == 0
        print({"keras", "tensorflow", "jax"} & set(sys.modules))
    """
    files = ("-image", "image.png", "-mask", "mask.png", "-save_to")
    for arguments in (("named.png", "-preset", "patchmatch"), ("default.png",)):
        command = [sys.executable, "-c", program, "inpaint", *files, *arguments]
        found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert found.stdout.splitlines()[-1] == "set()", found.stderr
    assert found.stdout.startswith("preset: patchmatch, because none was named: ")
    named, default = (tmp_path / name for name in ("named.png", "default.png"))
    assert named.read_bytes() == default.read_bytes()
    completed = cv2.imread(str(named), cv2.IMREAD_UNCHANGED)[..., [2, 1, 0, 3]]
    np.testing.assert_array_equal(completed[hole == 0], deep[hole == 0])
    assert completed.dtype == np.uint16 and (completed[..., 3] == 200 * 257).all()
    assert (completed[hole == 1] != deep[hole == 1]).any()


@pytest.mark.parametrize(
    ("command", "options", "said"),
    [
        ("train", ["-train_path", "embedded:", "-output_path"], "cannot be trained"),
        ("export", ["-format", "onnx", "-save_to"], "a model with networks can be"),
        (
            "evaluate",
            ["-limit", "1", "-protocol", "report_004", "-report"],
            "completed_1 for a model without networks",
        ),
    ],
)
def test_what_needs_networks_is_refused(command, options, said, tmp_path, capsys):
    place = tmp_path / {"train": "", "export": "a.onnx", "evaluate": "a.json"}[command]
    words = [command, "-preset", "patchmatch", *options, str(place)]
    assert cli.main(words) == 4
    assert said in capsys.readouterr().err
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


def test_weights_are_refused(tmp_path):
    path = tmp_path / "any.npz"
    np.savez(path, any=np.zeros(1))
    with pytest.raises(InputError, match=r"from_weights: none for patchmatch"):
        presets.load("patchmatch", path)


def test_a_crop_without_a_patch_is_said_of_a_large_picture(model):
    """The right has patches, which the crops of the left are not shown."""
    hole = np.zeros((400, 1300), np.uint8)
    hole[::5, :800] = hole[:, :800:5] = 1
    hole[:, 399:405] = 0  # two holes
    image = np.random.default_rng(0).integers(0, 256, (400, 1300, 3), np.uint8)
    assert knows_a_patch(hole, 3)
    png = [cv2.imencode(".png", x)[1].tobytes() for x in (image, 255 * hole)]
    _, notes = complete_bytes(model, *png)
    (note,) = notes
    assert note.startswith("mask: leaves no known patch of 7x7 pixels")


LARGE = """
import time
import numpy as np
from inpainting_zoo import complete, load
from inpainting_zoo.environment import peak_memory
tile = np.random.default_rng(0).integers(0, 256, (500, 750, 3), np.uint8)
image, hole = np.tile(tile, (8, 8, 1)), np.zeros((4000, 6000), np.uint8)
hole[500:540, 600:800] = hole[2000:2150, 3000:3050] = hole[3960:, 5900:] = 1
began = time.process_time()
completed = complete(load("patchmatch"), image, hole)
print(time.process_time() - began)
assert (completed == image)[hole == 0].all()
print(peak_memory())
"""


def test_24_megapixels_take_seconds_and_less_than_a_gigabyte():
    """Three small holes; brushed ones, read from a file, are rows of the bench."""
    command = [sys.executable, "-c", LARGE]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, megabytes = map(float, found.stdout.split())
    assert seconds < 15 and megabytes < 1000
