"""The nearest neighbour: three pictures by hand, and the command that takes it."""

import json

import numpy as np
import pytest
from PIL import Image

from inpainting_zoo.errors import InputError
from inpainting_zoo.evaluation.nearest_neighbour import nearest_neighbour


@pytest.fixture
def three(tmp_path):
    """Pictures grey outside their centre; those of 100, 120 and 200 hold 1, 2 and 3."""
    (tmp_path / "train").mkdir()
    for centre, ring in ((1, 100), (2, 120), (3, 200)):
        picture = np.full((64, 64, 3), ring, np.uint8)
        picture[16:48, 16:48] = centre
        Image.fromarray(picture).save(tmp_path / "train" / f"{centre}.png")
    return tmp_path / "train"


def hole():
    mask = np.zeros((64, 64), np.uint8)
    mask[16:48, 16:48] = 1
    return mask


@pytest.mark.parametrize(("ring", "centre"), [(0, 1), (109, 1), (111, 2), (255, 3)])
def test_the_centre_of_the_picture_of_the_nearest_ring(three, ring, centre):
    """Whatever the hole hides."""
    complete = nearest_neighbour(sorted(three.iterdir()))
    image = np.full((64, 64, 3), ring, np.uint8)
    image[hole() == 1] = 200
    completed = complete(image, hole())
    assert np.all(completed[hole() == 1] == centre)
    assert np.all(completed[hole() == 0] == ring)


def test_a_cell_counts_by_what_is_known_of_it(three):
    """Of 2x2 pixels one row is hidden; the other one says 120, so all say 120."""
    mask = hole()
    mask[::2] = 1
    image = np.where(mask[..., None] == 1, np.uint8(0), np.uint8(120))
    completed = nearest_neighbour(sorted(three.iterdir()))(image, mask)
    assert np.all(completed[hole() == 1] == 2)


def test_nothing_known_is_grey_and_no_hole_changes_nothing(three):
    complete = nearest_neighbour(sorted(three.iterdir()))
    image = np.full((64, 64, 3), 7, np.uint8)
    assert np.all(complete(image, np.ones((64, 64))) == 128)
    with pytest.raises(InputError, match=r"completes squares, received \(48, 64\)"):
        complete(image[:48], np.eye(48, 64))
    assert np.array_equal(complete(image, np.zeros((64, 64))), image)


def test_the_command_takes_it_where_training_pictures_are_named(
    evaluate, three, tmp_path, capsys
):
    given = ("-report", tmp_path / "r.json", "-limit", 2, "-metrics", "psnr")
    assert evaluate(*given, "-train_path", three) == 0
    found = json.loads((tmp_path / "r.json").read_text())["methods"]
    assert [*found][-1] == "nearest_neighbour" and "telea" in found
    alone = ("-methods", "nearest_neighbour")
    assert evaluate(*given, *alone, "-train_path", three) == 0
    found = json.loads((tmp_path / "r.json").read_text())["methods"]
    assert [*found] == ["gmcnn_small", "nearest_neighbour"]
    capsys.readouterr()
    for refused, rule in (
        (alone, "-train_path: is needed by nearest_neighbour, received none"),
        (
            (*alone, "-test_path", three, "-train_path", three),
            "-train_path: must hold no picture of -test_path, received",
        ),
    ):
        assert evaluate(*given, *refused) == 4
        assert rule in capsys.readouterr().err
