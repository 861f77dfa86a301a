"""Masks as people have them: labels, brushes, erased areas."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

from inpainting_zoo.data import embedded
from inpainting_zoo.data.holes import hole_of
from inpainting_zoo.errors import InputError

VOC = [0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0]  # the palette's first colours
LABELS = np.array([[0, 1, 2, 3, 0, 2]], np.uint8)


def palette(labels, colours=VOC):
    picture = Image.fromarray(labels).convert("P")
    picture.putdata(labels.ravel().tolist())
    picture.putpalette(colours)
    return picture


def places(hole):
    """The columns of the hole in a picture of one row."""
    return np.flatnonzero(hole[0]).tolist()


@pytest.mark.parametrize(
    "mask",
    [
        palette(LABELS),
        Image.fromarray(LABELS),
        Image.fromarray(LABELS.astype(np.uint16)),
        Image.fromarray(np.dstack([LABELS] * 3)),
    ],
    ids=["palette", "grey", "16 bits", "equal channels"],
)
def test_labels_are_named_and_chosen(mask):
    _, (note,) = hole_of(mask)
    assert "-mask_label" in note and ("1, 2, 3" in note)
    assert places(hole_of(mask, 2)[0]) == places(hole_of(mask, "2")[0]) == [2, 5]
    assert places(hole_of(mask, "any")[0]) == [1, 2, 3, 5]
    assert places(hole_of(mask, 9)[0]) == []
    assert hole_of(mask, 2)[1] == []


def test_labels_beside_a_white_void_are_noticed():
    """As in the segmentation of VOC, read as grey: 255 marks borders."""
    hole, (note,) = hole_of(Image.fromarray(np.array([[0, 15, 255, 7]], np.uint8)))
    assert places(hole) == [2] and "7, 15" in note


def test_large_labels_of_16_bits_are_noticed():
    mask = Image.fromarray(np.array([[0, 26001, 24000]], np.uint16))
    hole, (note,) = hole_of(mask)
    assert not hole.any() and "24000, 26001" in note


@pytest.mark.parametrize(
    "values",
    [[0, 255], [0, 1], [0, 0], [0, 40, 128, 200, 255], [255, 255], [1, 1]],
)
def test_usual_masks_are_no_labels(values):
    assert hole_of(Image.fromarray(np.array([values], np.uint8)))[1] == []


def test_labels_need_a_mask_that_has_some():
    colours = Image.fromarray(np.arange(12, dtype=np.uint8).reshape(1, 4, 3))
    with pytest.raises(InputError, match=r"mask_label: .* received one of RGB"):
        hole_of(colours, "any")
    with pytest.raises(InputError, match=r"mask_label: .* received 'cat'"):
        hole_of(palette(LABELS), "cat")


@pytest.mark.parametrize(
    "colour", [(255, 0, 0), (0, 0, 255), (0, 128, 0), (255, 40, 200)]
)
def test_a_coloured_brush_on_black_means_what_a_white_one_would(colour):
    """Soft edges are cut in the middle, whatever the luminance of the colour."""
    strength = np.array([[0, 0.2, 0.48, 0.52, 0.9, 1, 0]])
    brush = np.rint(strength[..., None] * np.array(colour)).astype(np.uint8)
    hole, notes = hole_of(Image.fromarray(brush))
    assert places(hole) == [3, 4, 5] and notes == []


def test_a_coloured_brush_saved_as_jpeg(tmp_path):
    mask = np.zeros((64, 64, 3), np.uint8)
    mask[16:48, 16:48] = 255, 0, 0
    Image.fromarray(mask).save(tmp_path / "a.jpg")
    with Image.open(tmp_path / "a.jpg") as picture:
        hole, _ = hole_of(picture)
    inner, outer = np.zeros((2, 64, 64), bool)
    inner[18:46, 18:46] = outer[14:50, 14:50] = True
    assert hole[inner].all() and not hole[~outer].any()


@pytest.mark.parametrize("second", [(0, 255, 0), (255, 255, 0), (224, 224, 192)])
def test_brushes_of_several_colours_all_count(second):
    """Also red, whose luminance is low; but a photograph is no drawing."""
    mask = np.array([[[160, 0, 0], second, [0, 0, 0], [0, 0, 255]]], np.uint8)
    assert places(hole_of(Image.fromarray(mask))[0]) == [0, 1, 3]


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_photograph_is_noticed(mode):
    photograph = Image.fromarray(embedded.face()).convert(mode)
    _, (note,) = hole_of(photograph)
    assert "neither black nor white, as of a photograph" in note
    soft = Image.new("L", (64, 64))
    soft.paste(255, (20, 20, 44, 44))
    assert hole_of(soft.filter(ImageFilter.GaussianBlur(4)))[1] == []


def test_an_erased_area_is_the_hole():
    pixels = np.full((1, 4, 4), 200, np.uint8)
    pixels[0, :, 3] = 0, 127, 128, 255
    assert places(hole_of(Image.fromarray(pixels), source="alpha")[0]) == [0, 1]
    with pytest.raises(InputError, match=r"mask_from: alpha needs .* received RGB"):
        hole_of(Image.fromarray(pixels[..., :3]), source="alpha")
    with pytest.raises(InputError, match=r"mask_from: alpha, or nothing"):
        hole_of(Image.fromarray(pixels), source="red")


def test_labels_beyond_a_short_palette():
    """The void of VOC, 255, where the file keeps the colours of the classes alone."""
    mask = palette(np.array([[0, 1, 255, 2]], np.uint8))
    hole, (note,) = hole_of(mask)
    assert "1, 2, 255" in note and not hole.any()
    assert places(hole_of(mask, "any")[0]) == [1, 2, 3]
