"""What Python programs pass as pictures and masks."""

import numpy as np
import pytest
from PIL import Image

from inpainting_zoo.data.conversions import as_given, as_mask, as_picture
from inpainting_zoo.errors import InputError

COLOURS = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3) * 15
GREY = COLOURS[..., 0]
HOLE = np.array([[0, 1, 1], [0, 0, 1]], bool)


def tensor(array):
    from keras import ops

    return ops.convert_to_tensor(array)


def file_of(array, path):
    Image.fromarray(array).save(path)
    return path


PICTURES = {
    "uint8": lambda path: COLOURS,
    "float32": lambda path: (COLOURS / 255).astype(np.float32),
    "float64": lambda path: COLOURS / 255,
    "uint16": lambda path: COLOURS.astype(np.uint16) * 257,
    "RGBA": lambda path: np.dstack([COLOURS, GREY]),
    "Pillow": lambda path: Image.fromarray(COLOURS),
    "path": lambda path: file_of(COLOURS, path),
    "name": lambda path: str(file_of(COLOURS, path)),
    "tensor": lambda path: tensor((COLOURS / 255).astype(np.float32)),
    "list": lambda path: (COLOURS / 255).tolist(),
}


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_of_every_kind_are_the_same(tmp_path, name):
    picture = as_picture(PICTURES[name](tmp_path / "a.png"))
    assert picture.dtype == np.uint8 and picture.flags.c_contiguous
    np.testing.assert_array_equal(picture, COLOURS)


@pytest.mark.parametrize(
    "grey", [GREY, GREY[..., None], GREY / 255, GREY.astype(np.uint16) * 257]
)
def test_grey_is_repeated(grey):
    np.testing.assert_array_equal(as_picture(grey), np.dstack([GREY] * 3))


def test_black_and_white():
    np.testing.assert_array_equal(as_picture(HOLE)[..., 1], HOLE * 255)


def test_a_picture_is_not_the_callers():
    as_picture(given := COLOURS.copy())[:] = 0
    np.testing.assert_array_equal(given, COLOURS)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (COLOURS * 1.0, r"float64 \(2, 3, 3\) from 0 to 255; divide by 255"),
        (COLOURS / 127.5 - 1, r"from -1 to 1; take \(image \+ 1\) / 2"),
        (np.full((2, 2, 3), np.nan), "floats on .* from nan"),
        (COLOURS.astype(np.int64), r"uint8, uint16.* received int64 \(2, 3, 3\)"),
        (COLOURS[None], r"received uint8 \(1, 2, 3, 3\)"),
        (np.moveaxis(np.zeros((9, 9, 3)), 2, 0), r"received float64 \(3, 9, 9\)"),
        (np.zeros((0, 4, 3), np.uint8), r"received uint8 \(0, 4, 3\)"),
        (np.array(["a"]), "received ndarray of"),
        (None, "received NoneType of object"),
        ([[1, 2], [3]], "received list"),
    ],
)
def test_other_pictures_get_one_line(wrong, words):
    with pytest.raises(InputError, match=words) as caught:
        as_picture(wrong)
    assert str(caught.value).startswith("image: ") and "\n" not in str(caught.value)


MASKS = {
    "bool": HOLE,
    "0 and 1": HOLE.astype(np.int64),
    "0 and 255": HOLE * np.uint8(255),
    "soft": np.array([[127, 128, 200], [0, 3, 255]], np.uint8),
    "floats": HOLE * 0.9 + 0.05,
    "floats to 255": HOLE * 255.0,
    "16 bits": HOLE * np.uint16(65535),
    "one channel": HOLE[..., None],
    "three channels": np.dstack([HOLE] * 3) * np.uint8(255),
    "Pillow": Image.fromarray(HOLE),
    "tensor": HOLE.astype(np.float32),
}


@pytest.mark.parametrize("name", MASKS)
def test_masks_of_every_kind_are_the_same(name):
    given = tensor(MASKS[name]) if name == "tensor" else MASKS[name]
    mask = as_mask(given, (2, 3))
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, HOLE)


def test_a_mask_file(tmp_path):
    path = file_of(HOLE * np.uint8(255), tmp_path / "m.png")
    np.testing.assert_array_equal(as_mask(path, (2, 3)), HOLE)


def test_what_a_mask_file_is_doubted_for_is_said(tmp_path, caplog):
    as_mask(file_of(HOLE * np.uint8(2), tmp_path / "m.png"), (2, 3))
    assert "look like labels" in caplog.text


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (HOLE.T, r"mask: \(2, 3\) .* received bool \(3, 2\)"),
        (HOLE[None], r"received bool \(1, 2, 3\)"),
        (COLOURS, "channels must be equal"),
        (HOLE * np.uint8(2), r"0 to 255 .* received uint8 \(2, 3\) from 0 to 2"),
        (HOLE * -1.0, "from -1 to"),
        (HOLE * np.nan, "from nan"),
        ("gone.png", "gone.png"),
    ],
)
def test_other_masks_get_one_line(wrong, words):
    with pytest.raises(InputError, match=words) as caught:
        as_mask(wrong, (2, 3))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "given",
    [
        COLOURS,
        COLOURS / np.float32(256),
        COLOURS / np.float64(255),
        COLOURS.astype(np.uint16) * 200,
        (COLOURS / np.float32(256))[..., 0],
    ],
)
def test_the_answer_is_of_the_type_of_the_image(given):
    """Known pixels are the given ones, with all their bits."""
    completed = np.where(HOLE[..., None], np.uint8(51), as_picture(given))
    found = as_given(completed, given, HOLE)
    white = {"u": np.iinfo(given.dtype).max if given.dtype.kind == "u" else 1}
    assert found.dtype == given.dtype and found.shape == COLOURS.shape
    np.testing.assert_allclose(found[HOLE], white.get(given.dtype.kind, 1) / 5)
    known = given if given.ndim == 3 else np.dstack([given] * 3)
    np.testing.assert_array_equal(found[~HOLE], known[~HOLE])
