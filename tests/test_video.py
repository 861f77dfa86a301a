"""Videos in memory: flow, what is carried, windows, cuts; answers known by hand."""

from itertools import pairwise

import cv2
import numpy as np
import pytest

from clips import pan, psnr, square, texture
from inpainting_zoo.video.cuts import is_cut
from inpainting_zoo.video.flow import agree, fetch, fill_smoothly, find_flow, grid
from inpainting_zoo.video.windows import (
    AHEAD,
    NEVER,
    Carried,
    complete_window,
    window_length,
    windows,
)


def telea(frame, hole):
    return cv2.inpaint(frame, np.uint8(hole), 3, cv2.INPAINT_TELEA)


def refuse(frame, hole):
    raise AssertionError("the frames show all of it")


def hidden(truth, holes):
    return [*np.where(holes[..., None] > 0, np.uint8(0), truth)]


def test_the_flow_of_a_shift_is_the_shift():
    picture = texture(64, 80)
    flow = find_flow(picture[:, 3:67], picture[:, :64])
    assert np.abs(np.median(flow[8:-8, 8:-8], axis=(0, 1)) - (3, 0)).max() < 0.1


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (8, 8), (12, 40), (33, 31)])
def test_frames_of_any_size_have_a_flow(shape):
    frame = texture(*shape)
    assert find_flow(frame, frame).shape == (*shape, 2)


def test_what_is_constant_or_linear_around_a_hole_goes_on_in_it():
    values = np.full((20, 30, 2), 7, np.float32)
    hole = square(values[None])[0]
    filled = fill_smoothly(np.where(hole[..., None] > 0, 0, values), hole)
    np.testing.assert_allclose(filled, values, rtol=1e-5)
    nothing = fill_smoothly(values, np.ones_like(hole))
    assert not nothing.any()


def test_values_between_pixels_are_their_means():
    values = np.float32([[[0], [2]], [[4], [6]]])
    places = np.float32([[0, 0], [1, 0], [0.5, 0.5], [1, 1]])
    np.testing.assert_allclose(fetch(values, places)[:, 0], [0, 2, 3, 6])
    np.testing.assert_allclose(fetch(values, grid((2, 2)))[:, 0], [0, 2, 4, 6])
    assert fetch(values, places[:0]).shape == (0, 1)
    many = np.zeros((70000, 2), np.float32)  # more than OpenCV has columns
    assert len(fetch(values, many)) == 70000


def test_a_way_back_that_misses_does_not_agree():
    there, back = np.float32([[3, 0], [3, 0]]), np.float32([[-3, 0], [1, 0]])
    assert agree(there, back, 2.0).tolist() == [True, False]


def test_a_pan_is_recovered_without_a_model():
    """Whole pixels a frame: what the hole hides was seen some frames before."""
    truth = pan(16)
    holes = square(truth)
    completed, ages = complete_window(hidden(truth, holes), [*holes], refuse)
    assert psnr(truth, np.stack(completed), holes > 0) > 40
    np.testing.assert_array_equal(np.stack(completed)[holes == 0], truth[holes == 0])
    ages = np.stack(ages)
    assert not ages[holes == 0].any()
    assert ages[holes > 0].min() == 1 and ages[holes > 0].max() <= 12 // 2 + 1


def test_what_no_frame_shows_is_filled_once_and_carried():
    """A camera that stands still: all frames get the completion of one."""
    truth = np.repeat(texture(48, 64)[None], 6, axis=0)
    holes, calls = square(truth), []

    def fill(frame, hole):
        calls.append(int(hole.sum()))
        return np.where(hole[..., None] > 0, np.uint8([200, 10, 10]), frame)

    completed, ages = complete_window(hidden(truth, holes), [*holes], fill)
    assert calls == [144]
    for frame, age in zip(completed, ages):
        np.testing.assert_array_equal(frame[holes[0] == 0], truth[0][holes[0] == 0])
        inside = np.int16(frame[holes[0] > 0]) - completed[0][holes[0] > 0]
        assert np.abs(inside).max() <= 1
        assert (age[holes[0] > 0] == NEVER).all()


def test_a_window_goes_on_from_the_one_before():
    """What a model made of the last frame is carried on; no model is needed again."""
    truth = np.repeat(texture(48, 64)[None], 3, axis=0)
    holes = square(truth)
    last, ages = truth[0].copy(), np.where(holes[0] > 0, NEVER, 0).astype(np.uint16)
    last[holes[0] > 0] = 250, 240, 20
    before = Carried(last, ages)
    completed, after = complete_window(hidden(truth, holes), [*holes], refuse, before)
    assert len(completed) == len(after) == 3
    inside = np.int16(np.stack(completed)[holes > 0])
    assert np.abs(inside - (250, 240, 20)).mean() < 3
    assert (np.stack(after)[holes > 0] == NEVER).all()


def test_what_was_carried_to_the_window_before_keeps_its_age():
    truth = np.repeat(texture(48, 64)[None], 3, axis=0)
    holes = square(truth)
    ages = np.where(holes[0] > 0, 5, 0).astype(np.uint16)
    before = Carried(truth[0], ages)
    completed, after = complete_window(hidden(truth, holes), [*holes], refuse, before)
    assert psnr(truth, np.stack(completed), holes > 0) > 40
    assert [np.median(age[holes[0] > 0]) for age in after] == [6, 7, 8]


def test_frames_without_holes_come_back_and_nothing_is_computed(monkeypatch):
    truth = pan(4)
    monkeypatch.setattr(cv2, "DISOpticalFlow_create", None)
    completed, ages = complete_window([*truth], [*np.zeros_like(square(truth))], refuse)
    np.testing.assert_array_equal(np.stack(completed), truth)
    assert not np.stack(ages).any()


def test_a_frame_that_is_all_hole():
    truth = pan(6)
    holes = square(truth)
    holes[3] = 1
    completed, _ = complete_window(hidden(truth, holes), [*holes], telea)
    assert psnr(truth[3], completed[3], (slice(8, -8), slice(12, -12))) > 30


def test_the_same_input_gives_the_same_bytes():
    truth = pan(6)
    holes = square(truth)
    found = [complete_window(hidden(truth, holes), [*holes], telea) for _ in range(2)]
    np.testing.assert_array_equal(*(np.stack(completed) for completed, _ in found))


def test_cuts_are_where_another_scene_begins():
    one, other = pan(6, shift=3), pan(6, shift=3, seed=1)
    for scene in (one, other):
        assert not any(is_cut(*pair) for pair in pairwise(scene))
    assert is_cut(one[-1], np.uint8(other[0] // 3))
    assert is_cut(np.zeros_like(one[0]), one[0]) and not is_cut(one[0], one[0])
    dark = np.zeros_like(one[0])
    assert not is_cut(dark, dark)


def test_nothing_is_carried_across_a_cut():
    scenes = np.concatenate([pan(5), np.uint8(pan(5, seed=1) // 3)])
    holes = square(scenes)
    found = list(windows(zip(scenes, holes), length=20))
    assert [(len(pairs), count, ends) for pairs, count, ends in found] == [
        (5, 5, True),
        (5, 5, True),
    ]


def test_windows_hold_a_bounded_number_of_frames():
    """However long the video is, no more is read than a window and what it looks at."""
    read, written, most = 0, 0, 0

    def pairs():
        nonlocal read
        for frame in [pan(1)[0]] * 95:
            read += 1
            yield frame, np.zeros(frame.shape[:2], np.uint8)

    for group, count, ends in windows(pairs(), length=20):
        most = max(most, read - written)
        assert len(group) == count + (0 if ends else AHEAD)
        written += count
    assert written == read == 95
    assert most == 20 + AHEAD


def test_large_frames_have_shorter_windows():
    assert window_length((240, 432)) == 80
    assert AHEAD <= window_length((1080, 1920)) < 40
    assert window_length((20000, 20000)) == AHEAD
