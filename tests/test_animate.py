"""Moving pictures of an experiment's samples."""

import json

import numpy as np
import pytest

from conftest import frames, run
from inpainting_zoo.drawing import save_png
from inpainting_zoo.errors import InputError
from inpainting_zoo.storage.checkpoints import Checkpoints
from inpainting_zoo.training.animate import STRIP, animate

RED, BLUE, GREY = (255, 0, 0), (0, 0, 255), (128, 128, 128)


def sample(folder, stage, step, colour, height=40, width=240):
    picture = np.full((height, width, 3), colour, np.uint8)
    save_png(folder / "predicted_pics" / stage / f"step_{step:08d}.png", picture)


def near(picture, colour):
    return np.abs(picture.astype(int) - colour).max() < 8


def of_a_preset(folder):
    """The record that says which stages the model has, and in which order."""
    config = {"settings": {"preset": "context_encoder_small"}}
    (folder / "config.json").write_text(json.dumps(config))


def test_frames_follow_the_stages_of_the_model(tmp_path):
    of_a_preset(tmp_path)
    sample(tmp_path, "joint", 50, BLUE)
    sample(tmp_path, "warm_up_generator", 200, RED)
    sample(tmp_path, "warm_up_generator", 100, GREY)
    path = tmp_path / "new" / "samples.gif"
    animate(tmp_path, path, frames_per_second=4)
    shown = frames(path)
    assert [duration for _, duration in shown] == [250, 250, 750]
    for (picture, _), colour in zip(shown, (GREY, RED, BLUE), strict=True):
        assert picture.shape == (40 + STRIP, 240, 3)
        assert near(picture[:40], colour)
        assert picture[40:].min() < 128  # the caption
        assert near(picture[40:, :9], (255, 255, 255))


def test_the_epoch_is_that_of_the_saved_state(tmp_path):
    for step in (10, 20):
        sample(tmp_path, "joint", step, GREY)
    plain, counted = tmp_path / "plain.gif", tmp_path / "counted.gif"
    animate(tmp_path, plain)
    states = Checkpoints(tmp_path / "weights")
    states.save("joint", 20, {"x": np.zeros(1)}, {"epoch": 2.5})
    animate(tmp_path, counted)
    for (one, _), (two, _) in zip(frames(plain), frames(counted), strict=True):
        longer = [np.flatnonzero((x[40:] < 200).any((0, 2))).max() for x in (one, two)]
        assert longer[1] > longer[0] + 30


def test_pictures_of_two_sizes_fit_in_one_frame(tmp_path):
    of_a_preset(tmp_path)
    sample(tmp_path, "warm_up_generator", 1, RED, 20, 300)
    sample(tmp_path, "joint", 1, BLUE, 40, 200)
    animate(tmp_path, tmp_path / "x.gif")
    (first, _), (second, _) = frames(tmp_path / "x.gif")
    assert first.shape == second.shape == (40 + STRIP, 300, 3)
    assert near(first[:20], RED)
    assert near(second[:40, :200], BLUE)
    assert near(second[:40, 200:], (255, 255, 255))


def test_captions_are_whole_under_small_pictures(tmp_path):
    sample(tmp_path, "joint", 12, RED, 20, 30)
    animate(tmp_path, tmp_path / "x.gif")
    ((picture, _),) = frames(tmp_path / "x.gif")
    ink = np.flatnonzero((picture[20:] < 200).any((0, 2)))
    assert ink.min() >= 10 and 60 < ink.max() < picture.shape[1] - 8


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        (("x.gif",), "experiment_name: must hold pictures"),
        (("x.png",), r"save_to: a path that ends in .gif, received x.png"),
        (("x.gif", 0.004), "frames_per_second: from 0.01 to 50"),
    ],
)
def test_what_cannot_be_shown_is_named(tmp_path, arguments, rule):
    with pytest.raises(InputError, match=rule):
        animate(tmp_path, *arguments)
    assert not list(tmp_path.iterdir())


@pytest.mark.long
def test_command(tmp_path):
    sample(tmp_path / "faces", "joint", 7, RED)
    found = run("animate", "-experiment_name", "faces", "-output_path", tmp_path)
    assert found.returncode == 0, found.stderr
    path = tmp_path / "faces" / "animation.gif"
    assert found.stdout == f"animation: {path}\n"
    assert near(frames(path)[0][0][:40], RED)
