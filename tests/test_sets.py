"""Measures of sets: goldens, answers known by hand, and the networks behind them."""

import dataclasses
import json

import numpy as np
import pytest
from keras import ops
from PIL import Image

from inpainting_zoo import cli
from inpainting_zoo.data.images import fit_image, list_images, read_image
from inpainting_zoo.errors import InputError, WeightsError
from inpainting_zoo.evaluation.baselines import mean_colour
from inpainting_zoo.features import inception_files as features
from inpainting_zoo.features.inception import fit_inception
from inpainting_zoo.features.inception_files import by_network
from inpainting_zoo.metrics import measures, separability, sets
from inpainting_zoo.metrics.inception import Inception
from inpainting_zoo.metrics.lpips import lpips
from parity import difference, golden
from torch_writer import save_state_dict


@pytest.fixture(scope="module")
def ids():
    return golden("ids_metrics")


@pytest.fixture(scope="module")
def narrow(tmp_path_factory):
    """A file of Inception with a 16th of its channels, and what it gives."""
    arrays = golden("inception_c16")
    state = {k.removeprefix("w:"): a for k, a in arrays.items() if k.startswith("w:")}
    folder = tmp_path_factory.mktemp("inception")
    for name, classes in (("inception", 1008), ("inception_torchvision", 1000)):
        classifier = {"fc.bias": np.zeros(classes, "float32")}
        save_state_dict(folder / f"{name}.pth", state | classifier)
    return folder, arrays


def test_golden_of_fid_and_of_the_linear_classifier(ids):
    real, fake = ids["in/real"], ids["in/fake"]
    assert sets.fid(real, fake) == pytest.approx(ids["out/fid"][0], rel=1e-6)
    assert separability.u_ids(real, fake) == pytest.approx(ids["out/u_ids"][0])
    assert separability.p_ids(real, fake) == pytest.approx(ids["out/p_ids"][0])
    *weights, intercept = separability.linear_svm(real, fake)
    assert difference(weights, ids["out/svm_coef"][0]) < 1e-5
    assert intercept == pytest.approx(ids["out/svm_intercept"][0], abs=1e-5)


def test_fid_of_normal_distributions(monkeypatch):
    """Deviations 1 and 2 in each of two dimensions, means (0, 0) and (3, 4)."""
    monkeypatch.setattr(sets, "BLOCK", 7)
    square = np.float64([[1, 1], [1, -1], [-1, 1], [-1, -1]]) * np.sqrt(3 / 4)
    assert sets.fid(square, 2 * square + [3, 4]) == pytest.approx(25 + 2)
    many = np.random.default_rng(0).normal(50, 1, (40, 3)).astype("float32")
    assert sets.fid(many, many) == pytest.approx(0, abs=1e-9)


def test_kid_by_hand():
    """In one dimension the kernel is (x y + 1)^3; x = 0, 1 and y = 1, 2."""
    found = sets.kid(np.float32([[0], [1]]), np.float32([[1], [2]]))
    assert found == 1 + 27 - 2 * (1 + 8) / 2  # of 0 with 2 and of 1 with 1


def test_kid_is_of_pairs():
    with pytest.raises(InputError, match=r"as many .* pictures, received 3 and 2"):
        sets.kid(np.zeros((3, 2)), np.zeros((2, 2)))


def test_kid_of_equal_sets_is_0():
    """They are few, and far from independent."""
    x = np.random.default_rng(0).normal(size=(5, 3))
    assert sets.kid(x, x) == 0


def test_kid_of_one_distribution_is_around_0_in_parts_of_any_size(monkeypatch):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 300, 8))
    whole = sets.kid(x, y)
    monkeypatch.setattr(sets, "BLOCK", 70)
    assert abs(whole) < 0.1 and abs(sets.kid(x, y)) < 0.1
    assert sets.kid(x, y + 1) > 1


def test_sets_that_cannot_be_told_apart_and_those_that_can():
    rng = np.random.default_rng(0)
    real = rng.normal(size=(60, 3))
    assert separability.u_ids(real, real) == 0.5
    others = rng.normal(size=(60, 3))
    assert separability.p_ids(real, others) == pytest.approx(0.5, abs=0.2)
    assert separability.u_ids(real, real + 20) == 0
    assert separability.p_ids(real, real + 20) == 0


@pytest.mark.both_engines
@pytest.mark.parametrize("name", ["inception", "inception_torchvision"])
def test_inception_is_that_of_its_program(name, narrow):
    folder, arrays = narrow
    network = Inception(name, folder / f"{name}.pth")
    found = network.vector(arrays["images"][0])
    assert difference(found, arrays[name][0]) < 1e-4


@pytest.mark.both_engines
def test_large_pictures_are_shrunk_as_by_the_programs():
    """Between two pixels without looking around, and by Pillow's triangles."""
    image = np.random.default_rng(0).uniform(-1, 1, (1, 420, 640, 3)).astype("float32")
    expected = image[0]
    for axis, side in enumerate(expected.shape[:2]):
        at = np.clip((np.arange(299) + 0.5) * side / 299 - 0.5, 0, side - 1)
        low = np.minimum(np.int64(at), side - 2)
        share = (at - low).reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
        first, second = (np.take(expected, low + i, axis) for i in (0, 1))
        expected = (1 - share) * first + share * second
    found = fit_inception("inception", ops.convert_to_tensor(image))
    assert difference(found, expected[None]) < 5e-4
    channels = [Image.fromarray(image[0, ..., i], "F") for i in range(3)]
    size = 342 * 640 // 420, 342
    shrunk = np.stack([x.resize(size, Image.BILINEAR) for x in channels], axis=-1)
    left, top = ((length - 299) / 2 for length in size)
    left, top = round(left), round(top)
    expected = shrunk[None, top : top + 299, left : left + 299]
    found = fit_inception("inception_torchvision", ops.convert_to_tensor(image))
    assert difference(found, expected) < 5e-4


def test_files_of_the_other_inception_are_refused(narrow, tmp_path, monkeypatch):
    folder, _ = narrow
    with pytest.raises(WeightsError, match=r"with 1008 classes, .* with \(1000,\)"):
        Inception("inception", folder / "inception_torchvision.pth")
    with pytest.raises(InputError, match="must be a file of inception_torchvision"):
        Inception("inception_torchvision")
    both = [folder / f"{name}.pth" for name in ("inception_torchvision", "inception")]
    assert by_network(both) == {path.stem: path for path in both}
    with pytest.raises(InputError, match=r"at most one of 1008 .* with \(1000,\)"):
        by_network(both[:1] * 2)
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    with pytest.raises(InputError, match=r"other.npz' with None"):
        by_network([tmp_path / "other.npz"])
    monkeypatch.setenv("INPAINTING_ZOO_HOME", str(tmp_path))
    nowhere = dataclasses.replace(features.OF_2015, urls=())
    monkeypatch.setattr(features, "OF_2015", nowhere)
    with pytest.raises(InputError, match="name the file with -inception_weights"):
        Inception("inception")


def test_measures_of_a_set_by_the_command(narrow, pictures, tmp_path, monkeypatch):
    """By both networks; of as few pictures as nobody should compare."""
    folder, _ = narrow
    names = [f"{m}{n}" for n in ("", "_torchvision") for m in ("fid", "u_ids", "p_ids")]
    for name in names:
        few = dataclasses.replace(measures.MEASURES[name], least=2)
        monkeypatch.setitem(measures.MEASURES, name, few)
    monkeypatch.setenv("INPAINTING_ZOO_HOME", str(tmp_path))
    files = [folder / f"{name}.pth" for name in ("inception_torchvision", "inception")]
    report = tmp_path / "r.json"
    words = ["-preset", "patchmatch", "-methods", "mean_colour", "-masks", "centre=1"]
    words += ["-test_path", pictures / "images", "-limit", 4, "-image_size", 64]
    words += ["-metrics", ",".join(names), "-inception_weights", *files]
    assert cli.main(["evaluate", *map(str, words), "-report", str(report)]) == 0
    found = json.loads(report.read_text())
    assert "FID: of 4 pictures, under 5000" in " ".join(found["notes"])
    images = [
        fit_image(read_image(path), 64) for path in list_images(pictures / "images")[:4]
    ]
    mask = np.zeros((64, 64), np.uint8)
    mask[16:48, 16:48] = 1
    network = Inception("inception", str(files[1]))
    true, completed = (
        np.stack([network.vector(make(image)) for image in images])
        for make in (np.copy, lambda image: mean_colour(image, mask))
    )
    row = found["methods"]["mean_colour"]
    assert row["fid"] == pytest.approx(sets.fid(true, completed), rel=1e-5)
    assert row["u_ids"] == separability.u_ids(true, completed)
    assert row["fid_torchvision"] not in (None, row["fid"])


def test_pictures_that_are_too_small_have_no_features():
    network = lpips("alexnet")
    assert network.vector(np.zeros((31, 32, 3), np.uint8)).shape == (256,)
    with pytest.raises(InputError, match="alexnet needs sides of at least 31 pixels"):
        network.vector(np.zeros((30, 32, 3), np.uint8))
