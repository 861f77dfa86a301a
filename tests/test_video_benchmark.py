"""What docs/video.md was measured with: the clip, the methods, the warping error."""

import re
import subprocess
import sys

import numpy as np
import pytest

from clips import pan, psnr, read, square
from clips import texture as texture_of
from conftest import ROOT
from conftest import frames as frames_of
from inpainting_zoo.benchmarks import video
from inpainting_zoo.evaluation.baselines import telea
from inpainting_zoo.tools import clip


def test_the_warping_error_of_a_flicker_is_its_square():
    frames = np.repeat(texture_of(48, 64)[None], 2, axis=0)
    holes = square(frames) > 0
    assert video.warping_error(frames, frames, holes) < 0.01
    flicker = frames.copy()
    flicker[0], flicker[1] = 100, 151
    assert video.warping_error(frames, flicker, holes) == pytest.approx(40, rel=1e-4)


def test_the_median_shows_what_moves_away():
    truth = np.repeat(texture_of(48, 64)[None], 5, axis=0)
    holes = np.zeros(truth.shape[:3], bool)
    for i in range(5):
        holes[i, 10:20, 10 + 4 * i : 20 + 4 * i] = True
    hidden = np.where(holes[..., None], np.uint8(0), truth)
    np.testing.assert_array_equal(video.median(hidden, holes), truth)
    fixed = square(truth) > 0
    hidden = np.where(fixed[..., None], np.uint8(0), truth)
    wanted = np.stack([telea(*pair) for pair in zip(hidden, fixed)])
    np.testing.assert_array_equal(video.median(hidden, fixed), wanted)


def test_a_synthetic_pan_reaches_what_was_promised():
    """5 dB more than frame by frame, at most 1.5 times the truth's warping error."""
    truth = clip.pan(texture_of(160, 400), 12, (96, 144))
    holes = video.square(truth)
    hidden = np.where(holes[..., None], np.uint8(0), truth)
    ours, alone = (
        way(telea)(hidden, holes) for way in (video.along_flow, video.per_frame)
    )
    assert psnr(truth, ours, holes) > psnr(truth, alone, holes) + 5
    errors = [video.warping_error(truth, x, holes) for x in (truth, ours, alone)]
    assert errors[1] < 1.5 * errors[0] < errors[2]


def test_the_clip_is_the_truth_where_no_object_is(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["clip.py", "-save_to", str(tmp_path)])
    monkeypatch.setattr(clip, "FRAMES", 6)
    clip.main()
    truth, frames = (read(tmp_path / f"{name}.mkv") for name in ("truth", "clip"))
    masks = sorted((tmp_path / "masks").iterdir())
    assert len(masks) == len(frames) == len(truth) == 6
    known = np.stack([video.read_mask(path) for path in masks]) == 0
    np.testing.assert_array_equal(frames[known], truth[known])
    assert (frames[~known] != truth[~known]).any()
    clip.save_gif(tmp_path / "a.gif", frames, pan(6, size=clip.SIZE))
    assert (tmp_path / "a.gif").stat().st_size > 1000


@pytest.mark.slow
def test_the_commands_of_the_page_take_the_object_off_its_clip(tmp_path):
    """Nearer to the truth by 5 dB than each frame alone; the GIF shows both."""
    page = (ROOT / "docs/video.md").read_text()
    lines = re.findall(r"^    python (.* outputs/clip.*)$", page, re.MULTILINE)
    make, complete, show = [re.sub("outputs|docs", str(tmp_path), x) for x in lines]
    alone = complete.replace("completed", "alone") + " -per_frame"
    for line in (make, complete, alone, show):
        words = [sys.executable, *line.split()]
        found = subprocess.run(words, capture_output=True, text=True, cwd=ROOT)
        assert found.returncode == 0, found.stderr
    masks = sorted((tmp_path / "clip/masks").iterdir())
    holes = np.stack([video.read_mask(path) for path in masks]) > 0
    names = "clip/truth", "clip/clip", "completed", "alone"
    truth, given, completed, alone = (read(tmp_path / f"{n}.mkv") for n in names)
    np.testing.assert_array_equal(completed[~holes], given[~holes])
    assert psnr(truth, completed, holes) > psnr(truth, alone, holes) + 5
    shown = frames_of(tmp_path / "video.gif")
    assert [(x.shape, duration) for x, duration in shown] == [((144, 432, 3), 120)] * 20
