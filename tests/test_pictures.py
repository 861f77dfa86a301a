"""Picture grids pixel by pixel, and files that appear whole."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inpainting_zoo.drawing import grid, masked, save_png
from inpainting_zoo.errors import InputError
from inpainting_zoo.storage.files import remove_parts, replacing, write_bytes


def flat(*colour, height=20, width=30):
    return np.full((height, width, 3), colour, np.uint8)


def test_masked_shows_the_hole_in_white():
    shown = masked(np.uint8([[[1, 2, 3], [4, 5, 6]]]), np.uint8([[0, 1]]))
    assert shown.dtype == np.uint8
    assert shown.tolist() == [[[1, 2, 3], [255, 255, 255]]]


def test_grid_puts_every_picture_in_its_place():
    red, green, blue = flat(255, 0, 0), flat(0, 255, 0), flat(0, 0, 255)
    picture = grid([[red, green], [blue, red]], gap=2)
    assert picture.shape == (2 + 2 * 22, 2 + 2 * 32, 3)
    assert np.array_equal(picture[2:22, 2:32], red)
    assert np.array_equal(picture[2:22, 34:64], green)
    assert np.array_equal(picture[24:44, 2:32], blue)
    gaps = np.ones(picture.shape[:2], bool)
    for top in (2, 24):
        for left in (2, 34):
            gaps[top : top + 20, left : left + 30] = False
    assert np.all(picture[gaps] == 255)


@pytest.mark.parametrize("label", ["in", "a title far wider than its column"])
def test_labels_are_written_above_their_column_only(label):
    black, gap = flat(0, 0, 0), 4
    plain = grid([[black, black]], gap=gap)
    labelled = grid([[black, black]], ["", label], gap=gap)
    top = labelled.shape[0] - plain.shape[0]
    assert np.array_equal(labelled[-(20 + gap) :], plain[gap:])
    title = labelled[: top + gap]
    assert title[:, 38:68].min() < 128
    assert title[:, :37].min() == 255
    assert title[:, 69:].min() == 255


def test_row_labels_are_written_before_their_row_only():
    black, gap = flat(0, 0, 0), 4
    rows = [[black, black], [black, black]]
    plain = grid(rows, gap=gap)
    labelled = grid(rows, gap=gap, row_labels=["", "second row"])
    left = labelled.shape[1] - plain.shape[1]
    assert np.array_equal(labelled[:, left:], plain)
    assert labelled[28:, :left].min() < 128
    assert labelled[:24, :left].min() == 255
    with pytest.raises(InputError, match="row_labels: one for each of 2 rows"):
        grid(rows, row_labels=["a"])


@pytest.mark.parametrize(
    ("rows", "labels", "rule"),
    [
        ([], None, "rows: pictures of one shape"),
        ([[flat(0, 0, 0), flat(0, 0, 0, width=31)]], None, "one shape"),
        ([[np.zeros((4, 4), np.uint8)]], None, r"\(H, W, 3\)"),
        ([[flat(0, 0, 0)], [flat(0, 0, 0)] * 2], None, "rows: as many"),
        ([[flat(0, 0, 0)]], ["a", "b"], "labels: one for each of 1 columns"),
    ],
)
def test_what_does_not_fit_is_named(rows, labels, rule):
    with pytest.raises(InputError, match=rule):
        grid(rows, labels)


def test_save_png_is_lossless_and_makes_folders(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (7, 5, 3), np.uint8)
    path = tmp_path / "new" / "folder" / "picture.png"
    save_png(path, picture)
    assert np.array_equal(np.asarray(Image.open(path)), picture)
    assert [p.name for p in path.parent.iterdir()] == ["picture.png"]


def test_a_failed_write_leaves_the_old_file_and_no_rubbish(tmp_path):
    path = tmp_path / "report.json"
    write_bytes(path, b"old")
    with pytest.raises(TypeError):
        write_bytes(path, "text is not bytes")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["report.json"]


@pytest.mark.parametrize("fails", [False, True])
def test_a_folder_is_replaced_or_stays(fails, tmp_path, monkeypatch):
    path, rename = tmp_path / "model", os.replace
    path.mkdir()
    (path / "old").touch()

    def replace(source, target):
        if fails and Path(source).name == "part":
            raise OSError("no")
        rename(source, target)

    monkeypatch.setattr(os, "replace", replace)
    expected = pytest.raises(OSError) if fails else contextlib.nullcontext()
    with expected, replacing(path) as part:
        part.mkdir()
        (part / "new").touch()
    assert [p.name for p in path.iterdir()] == ["old" if fails else "new"]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("find", [remove_parts, replacing])
def test_a_folder_is_found_again_after_a_kill_between_two_renames(find, tmp_path):
    """The program kills itself as it puts the new folder in the former one's place."""
    path = tmp_path / "model"
    path.mkdir()
    (path / "old").touch()
    program = """if True:
        import os, pathlib, signal, sys
        from inpainting_zoo.storage import files
        rename = os.replace
        def replace(source, target):
            if pathlib.Path(source).name == "part":
                os.kill(os.getpid(), signal.SIGKILL)
            rename(source, target)
        os.replace = replace
        with files.replacing(sys.argv[1]) as part:
            part.mkdir()
    """
    found = subprocess.run([sys.executable, "-c", program, path], check=False)
    assert found.returncode == -signal.SIGKILL and not path.exists()
    if find is remove_parts:
        remove_parts(tmp_path)
        assert list(tmp_path.iterdir()) == [path]
    else:
        with pytest.raises(KeyboardInterrupt), replacing(path):
            raise KeyboardInterrupt
    assert [p.name for p in path.iterdir()] == ["old"]
