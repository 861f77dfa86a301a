"""Random masks: their shapes, their areas, and what they must never be."""

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from inpainting_zoo.data import masks
from inpainting_zoo.data.boxes import interval
from inpainting_zoo.data.images import PictureError, fit_image
from inpainting_zoo.data.objects import fit_objects, read_objects
from inpainting_zoo.errors import InputError

PYTORCH_TRAINING = {
    "parts": 10,
    "max_vertices": 20,
    "max_length": 100,
    "max_brush": 24,
}


def fractions(draw, size=256, count=400, **parameters):
    rngs = (np.random.default_rng([0, i]) for i in range(count))
    return np.array([draw(rng, size, size, **parameters).mean() for rng in rngs])


@pytest.mark.parametrize("size", [128, 256])
@pytest.mark.parametrize(
    ("parameters", "mean", "low", "high"),
    [
        ({}, 0.353, 0.245, 0.471),
        (PYTORCH_TRAINING, 0.598, 0.453, 0.730),
        ({"max_vertices": 20, "max_length": 100}, 0.484, 0.343, 0.608),
        ({"max_vertices": 20, "max_length": 100, "max_brush": 24}, 0.513, 0.362, 0.663),
    ],
)
def test_strokes_cover_what_the_official_code_does(size, parameters, mean, low, high):
    holes = fractions(masks.strokes, size, **parameters)
    assert holes.mean() == pytest.approx(mean, abs=0.015)
    np.testing.assert_allclose(np.quantile(holes, [0.05, 0.95]), [low, high], atol=0.03)


def test_rectangle_is_half_the_side_or_a_little_less():
    holes = fractions(masks.rectangle)
    assert holes.min() >= (96 / 256) ** 2
    assert holes.max() <= 1 / 4
    assert np.ptp(holes) > 0.08
    assert (fractions(masks.rectangle, max_shrink=0, count=20) == 1 / 4).all()


def test_rectangle_is_solid_and_goes_everywhere():
    draws = [masks.rectangle(np.random.default_rng(i), 64, 96) for i in range(400)]
    for mask in draws:
        rows, columns = mask.any(axis=1), mask.any(axis=0)
        np.testing.assert_array_equal(mask, np.outer(rows, columns))
        assert 24 <= rows.sum() <= 32
        assert 36 <= columns.sum() <= 48
    assert np.any(draws, axis=0)[6:-6, 9:-9].all()


def test_strokes_reach_all_of_a_wide_and_a_tall_image():
    for height, width, axis in ((64, 256, 0), (256, 64, 1)):
        draws = [
            masks.strokes(np.random.default_rng(i), height, width) for i in range(150)
        ]
        quarters = np.mean(draws, axis=(0, axis + 1)).reshape(4, 64).mean(axis=1)
        assert quarters.min() > 0.25
        assert quarters.max() < 0.45


def test_centre_is_a_quarter_and_holds_the_circle():
    rng = np.random.default_rng(0)
    expected = np.zeros((4, 8))
    expected[1:3, 2:6] = 1
    np.testing.assert_array_equal(masks.centre(rng, 4, 8), expected)
    disc = masks.circle(rng, 200, 300)
    assert disc.sum() == pytest.approx(np.pi * 50**2, rel=0.005)
    np.testing.assert_array_equal(disc, disc[::-1, ::-1])
    assert disc[50:150, 100:200].sum() == disc.sum()
    square = masks.circle(rng, 128, 128)
    np.testing.assert_array_equal(np.flatnonzero(square.any(0))[[0, -1]], [32, 95])


def test_inner_centre_leaves_four_of_128_pixels_on_each_side():
    expected = np.zeros((128, 128))
    expected[36:92, 36:92] = 1
    mask = masks.MASKS["inner_centre"](np.random.default_rng(0), 128, 128)
    np.testing.assert_array_equal(mask, expected)


def test_blocks_go_everywhere_and_cover_a_quarter_at_most():
    draws = [masks.blocks(np.random.default_rng(i), 64, 96) for i in range(300)]
    areas = np.mean(draws, axis=(1, 2))
    assert 0.01 < areas.min() < 0.1
    assert 0.24 < areas.max() <= 1 / 4
    assert np.any(draws, axis=0).mean() > 0.99


@pytest.mark.parametrize("size", [64, 128, 256])
def test_regions_cover_a_fifth_to_three_tenths_in_blobs_of_any_size(size):
    draws = [masks.regions(np.random.default_rng(i), size, size) for i in range(60)]
    areas = np.mean(draws, axis=(1, 2))
    assert 0.2 <= areas.min() < areas.max() <= 0.3
    assert np.any(draws, axis=0).mean() > 0.99
    # Edges in each row: blobs grow with the image, so their number stays.
    edges = np.abs(np.diff(np.array(draws, int), axis=2)).sum(axis=2).mean()
    assert edges == pytest.approx(3.1, abs=0.3)


def test_lama_masks_differ_in_width_and_stay_under_half():
    means, thickness = {}, []
    for name in ("lama_thin", "lama_medium", "lama_thick"):
        draws = [
            masks.MASKS[name](np.random.default_rng(i), 96, 96) for i in range(100)
        ]
        means[name] = np.mean(draws)
        assert max(mask.mean() for mask in draws) <= 0.5
        edges = np.abs(np.diff(np.array(draws, int), axis=2)).sum()
        thickness.append(np.sum(draws) / edges)
    assert all(0.15 < mean < 0.35 for mean in means.values())
    assert thickness[0] < 0.6 * thickness[1] < 0.6 * thickness[2]


BOXES = {  # shortest and longest side, and margin; of the published settings
    "lama_medium": (10, 50, 0),
    "lama_thick": (30, 150, 10),
    "lama_medium_256": (10, 50, 0),
    "lama_thick_256": (30, 150, 10),
    "lama_medium_512": (30, 150, 0),
    "lama_thick_512": (30, 300, 10),
    "lama_training": (30, 150, 10),
    "lama_training_thin": (30, 128, 0),
}


@pytest.mark.parametrize("name", BOXES)
def test_boxes_of_lama_have_the_sides_and_the_margin_of_its_settings(name):
    """A box alone, many times, at its size and at half of it."""
    mask, (least, most, margin) = masks.MASKS[name], BOXES[name]
    one = functools.partial(
        mask.func, **mask.keywords | {"box_probability": 1, "boxes": (1, 1)}
    )
    for scale in (1, 1 / 2):
        size = int(mask.keywords.get("side", 256) * scale)
        rows, columns, borders = set(), set(), set()
        for i in range(2000):
            hole = one(np.random.default_rng(i), size, size)
            y, x = (np.flatnonzero(hole.any(axis)) for axis in (1, 0))
            assert hole.sum() == len(y) * len(x)
            rows.add(len(y)), columns.add(len(x))
            borders.update((y[0], x[0], size - 1 - y[-1], size - 1 - x[-1]))
        assert {min(rows), min(columns)} == {round(least * scale)}
        assert {max(rows), max(columns)} == {round(most * scale)}
        assert min(borders) == margin * scale


@pytest.mark.parametrize("length", [1, 2, 3, 30])
def test_margins_leave_a_pixel_between_them(length):
    for i in range(50):
        start, stop = interval(np.random.default_rng(i), length, 99, margin=10)
        assert (start, stop) == {1: (0, 1), 2: (0, 2), 3: (1, 2)}.get(length, (10, 20))


def test_free_form_has_no_preferred_side():
    draws = [masks.free_form(np.random.default_rng(i), 64, 64) for i in range(600)]
    where = np.mean(draws, axis=0)
    halves = [where[:32], where[32:], where[:, :32], where[:, 32:]]
    np.testing.assert_allclose([half.mean() for half in halves], 0.16, atol=0.03)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from([n for n, m in masks.MASKS.items() if not masks.wanted(m)]),
    st.integers(1, 70),
    st.integers(1, 70),
    st.integers(0, 2**32),
)
def test_every_mask_has_a_hole_and_a_known_pixel(name, height, width, seed):
    mask = masks.MASKS[name](np.random.default_rng(seed), height, width)
    assert mask.shape == (height, width)
    assert mask.dtype == np.uint8
    assert set(np.unique(mask)) == ({0, 1} if height * width > 1 else {1})
    again = masks.MASKS[name](np.random.default_rng(seed), height, width)
    np.testing.assert_array_equal(mask, again)


def test_strokes_without_segments_or_with_too_many_are_usable():
    rng = np.random.default_rng(0)
    assert masks.strokes(rng, 32, 32, parts=0).sum() == 1
    assert masks.strokes(rng, 32, 32, parts=1, max_vertices=0).sum() == 1
    assert masks.strokes(rng, 32, 32, parts=200, max_brush=200).sum() == 32 * 32 - 1


def test_masks_say_what_they_want_of_the_picture():
    found = {name: masks.wanted(mask) for name, mask in masks.MASKS.items()}
    assert {name: keywords for name, keywords in found.items() if keywords} == {
        "objects": ["objects"],
        "moved_object": ["objects"],
        "object_part": ["objects"],
        "subject": ["objects"],
        "files": ["mask_file"],
    }


def test_sources_are_asked_only_by_the_masks_that_want_them():
    def refuse(rng):
        raise AssertionError

    hole, rng = np.ones((4, 4), np.uint8), np.random.default_rng(0)
    sources = {"mask_file": lambda rng: hole, "objects": refuse}
    assert masks.draw({"files": 1}, rng, 4, 4, **sources) is hole
    drawn = masks.draw({"centre": 1}, rng, 4, 4, mask_file=refuse, objects=refuse)
    np.testing.assert_array_equal(drawn, masks.centre(rng, 4, 4))


def test_one_object_and_a_margin_are_hidden():
    objects = np.zeros((64, 64), np.uint8)
    objects[10:14, 20:26] = 3
    objects[40:50, 40:44] = 200
    objects[:, 60:] = 9  # 4 columns, 5 with the margin
    draws = [
        masks.one_object(np.random.default_rng(i), 64, 64, objects=objects)
        for i in range(60)
    ]
    # A disc of radius 1 is a cross: it widens a box by a line on each side.
    areas = {4 * 6 + 2 * (4 + 6): 0, 10 * 4 + 2 * (10 + 4): 0, 64 * 5: 0}
    for mask in draws:
        areas[int(mask.sum())] += 1
    assert min(areas.values()) > 8
    for mask in draws:
        hidden = [(objects[mask == 1] == label).any() for label in (3, 200, 9)]
        assert sum(hidden) == 1


@pytest.mark.parametrize("covered", [0, 40], ids=["none", "one of most of it"])
def test_without_an_object_to_hide_a_rectangle_is(covered):
    objects = np.zeros((64, 64), np.uint8)
    objects[:covered] = 1
    mask = masks.one_object(np.random.default_rng(0), 64, 64, objects=objects)
    rows, columns = mask.any(axis=1), mask.any(axis=0)
    np.testing.assert_array_equal(mask, np.outer(rows, columns))
    assert 24 <= rows.sum() <= 32 and 24 <= columns.sum() <= 32


def test_objects_are_read_as_numbers(tmp_path):
    labels = np.uint8([[0, 1, 2], [3, 250, 0]])
    palette = Image.fromarray(labels).convert("P")
    palette.putpalette([7] * 768)
    for name, picture in {"p.png": palette, "l.png": Image.fromarray(labels)}.items():
        picture.save(tmp_path / name)
        np.testing.assert_array_equal(read_objects(tmp_path / name), labels)
    Image.fromarray(labels > 1).save(tmp_path / "bits.png")
    assert read_objects(tmp_path / "bits.png").tolist() == [[0, 0, 1], [1, 1, 0]]
    Image.fromarray(labels).convert("RGB").save(tmp_path / "rgb.png")
    with pytest.raises(PictureError, match=r"numbers from 0 to 255.*rgb.png' of mode"):
        read_objects(tmp_path / "rgb.png")


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 40), st.integers(2, 40), st.integers(0, 99))
def test_objects_are_cut_as_their_picture(height, width, seed):
    labels = np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)
    image = np.stack([labels] * 3, axis=-1)
    side = min(height, width)
    for draw in (lambda: None, lambda: np.random.default_rng(seed)):
        picture = fit_image(image, side, draw(), max_zoom=1)
        found = fit_objects(labels, side, draw(), max_zoom=1)
        np.testing.assert_array_equal(found, picture[..., 0])
    zoomed = fit_objects(labels, 2 * side, np.random.default_rng(seed), 3)
    assert set(np.unique(zoomed)) <= set(np.unique(labels))


def test_mixtures():
    parse = masks.parse_mixture
    assert parse("rectangle") == {"rectangle": 1}
    assert parse("rectangle=1, files=.5") == {"rectangle": 1, "files": 0.5}
    assert parse({"strokes": 2}) == {"strokes": 2}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "received ''"),
        ("stroke", "strokes, .*files, received 'stroke'"),
        ("strokes=1,strokes=2", "once"),
        ("strokes=0", "positive, received 'strokes=0'"),
        ("strokes=nan", "positive"),
        ("strokes=inf", "positive"),
        ("strokes=two", "positive"),
    ],
)
def test_bad_mixtures_are_named(text, complaint):
    with pytest.raises(InputError, match=complaint):
        masks.parse_mixture(text)
