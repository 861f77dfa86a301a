"""The gallery's page and its numbers, and the picture that the README begins with."""

import json
import shlex

import numpy as np
from PIL import Image

from conftest import ROOT, run
from inpainting_zoo import presets
from inpainting_zoo.tools import context, gallery, refinement


def test_the_page_is_made_of_the_report_of_the_repository():
    page = gallery.page(gallery.read_report())
    assert page == (ROOT / "docs" / "gallery.md").read_text()
    holes = gallery.read_holes()
    assert len(holes) == 12 and all(about["seen"] for about in holes.values())
    shown = [f"{name}_{part}" for name in holes for part in ("before", "hole")]
    shown += [f"{name}_{column}" for name in holes for column in gallery.COLUMNS]
    assert {path.stem for path in gallery.GALLERY.glob("*.jpg")} == set(shown)


def test_holes_have_texture():
    rows = gallery.read_report()["photographs"].values()
    texture = np.mean([row["patchmatch"]["texture"] for row in rows])
    assert texture >= 0.7


def test_the_context_is_the_one_that_was_measured():
    """To look at more of a photograph takes longer and gains less than 0.2 dB."""
    rows = json.loads(context.REPORT.read_text())["contexts"]
    assert context.table(rows) in (ROOT / "docs" / "patchmatch.md").read_text()
    chosen = rows.pop(str(presets.load("patchmatch").context))
    assert chosen["texture"] >= 0.7
    for row in rows.values():
        assert row["psnr_hole"] < chosen["psnr_hole"] + 0.2


def test_a_brush_is_round_and_joins_its_points():
    hole = gallery.brushed([[2, [5, 4], [12, 4]], [1, [3, 12]]], (16, 16))
    assert hole[4, 3:15].all() and not hole[4, 2] and not hole[7, 5:13].any()
    assert hole[11:14, 2:5].sum() == 5 and hole.max() == 1


def test_texture_is_that_of_the_hole_in_parts_of_its_ring():
    """Stripes of half the contrast within the hole have half the gradient."""
    image = np.zeros((120, 120, 3), np.uint8)
    image[:, ::4] = image[:, 1::4] = 100
    hole = np.zeros((120, 120), np.uint8)
    hole[40:80, 40:80] = 1
    assert abs(gallery.texture_of(image, hole) - 1) < 0.05
    image[40:80, 40:80] //= 2
    assert abs(gallery.texture_of(image, hole) - 0.5) < 0.05


def test_windows_and_rings_of_refinement():
    """The window stays within the picture; an error counts within 32 pixels alone."""
    hole = np.zeros((100, 300), np.uint8)
    hole[90, 100:201] = 1
    assert refinement.window_around(hole, 80) == (slice(20, 100), slice(110, 190))
    assert refinement.window_around(hole, 200) == (slice(0, 100), slice(50, 250))
    image = np.full((100, 300, 3), 7, np.uint8)
    prediction, far = np.full_like(image, 9), hole.copy()
    far[:50] = far[:, :60] = far[:, 240:] = 1
    prediction[hole > 0], prediction[far > hole] = 255, 255
    assert refinement.ring_error(prediction, image, hole) == 2


def test_the_readmes_first_picture_is_made_by_the_command_under_it(tmp_path):
    lines = (ROOT / "README.md").read_text().splitlines()
    command = next(line for line in lines if "runner.py inpaint" in line)
    _, _, *words = shlex.split(command)
    words.pop()  # where it is saved
    shown = ROOT / "docs" / "removal_completed.jpg"
    found = run(*words, tmp_path / "completed.jpg")
    assert found.returncode == 0, found.stderr
    made, kept = (
        np.asarray(Image.open(path), int)
        for path in (tmp_path / "completed.jpg", shown)
    )
    assert np.abs(made - kept).mean() < 1  # JPEG encoders differ
