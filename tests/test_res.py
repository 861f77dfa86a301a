"""The layout of ReS in miniature, and its numbers."""

import json

import numpy as np
import pytest
from PIL import Image

from inpainting_zoo import cli
from inpainting_zoo.data.res import MovePairs, centroid, list_views
from inpainting_zoo.errors import InputError


@pytest.fixture
def scenes(tmp_path):
    """Two scenes: a red box that goes 30 right and 10 down; one that is hidden once."""
    for scene, occluded in ((1, False), (2, True)):
        for view, (x, y) in ((1, (20, 30)), (2, (50, 40))):
            image = np.full((100, 120, 3), 128, np.uint8)
            mask = np.zeros((100, 120), np.uint8)
            image[y : y + 20, x : x + 10] = 255, 0, 0
            mask[y : y + 20, x : x + 10] = 255
            name = f"p{scene}_{view}"
            if occluded and view == 1:
                Image.fromarray(mask).save(tmp_path / f"{name}_amodal.png")
                mask[: y + 5] = 0
            Image.fromarray(image).save(tmp_path / f"{name}.jpg", quality=95)
            Image.fromarray(mask).save(tmp_path / f"{name}_mask.png")
    return tmp_path


def test_moves_of_both_directions(scenes):
    """But the scene with something hidden has one; shifts are of whole subjects."""
    pairs = MovePairs(list_views(scenes), side=100)
    assert [pair[0] for pair in pairs] == ["p1_1", "p1_2", "p2_1"]
    shifts = [move.shift for *_, move in pairs]
    assert shifts == [(30, 10), (-30, -10), (30, 10)]
    _, truth, mask, move = pairs[2]
    assert move.amodal.sum() == 21 * 11 and move.mask.sum() == 16 * 11
    assert mask.sum() == (21 + 16) * 11
    assert truth[50, 55, 0] > 200 > truth[35, 25, 0]
    small = MovePairs(list_views(scenes), side=50)
    assert small[0][1].shape == (50, 60, 3) and small[0][3].shift == (15, 5)


def test_the_middle_is_of_all_of_a_subject_in_both_views(scenes):
    """Where something hides it in either, its amodal mask counts."""
    hidden = np.zeros((100, 120), np.uint8)
    hidden[36:60, 50:60] = 255  # four rows more, above
    Image.fromarray(hidden).save(scenes / "p2_2_amodal.png")
    pairs = MovePairs(list_views(scenes), side=100)
    moves = {name: move.shift for name, _, _, move in pairs}
    assert moves["p2_1"] == (30, 8) and moves["p2_2"] == (-30, -8)


def test_a_mask_without_a_subject_is_refused(scenes):
    Image.new("L", (120, 100)).save(scenes / "p1_1_mask.png")
    with pytest.raises(InputError, match=r"p1_1_mask\.png must show a subject"):
        MovePairs(list_views(scenes))[0]


def test_the_middle_of_the_largest_part():
    mask = np.zeros((20, 20), np.uint8)
    mask[2:9, 4:7] = mask[15, 15] = 1
    assert centroid(mask) == (5, 5)
    assert centroid((np.arange(400) == 45).reshape(20, 20).astype(np.uint8)) == (5, 2)


def test_the_command(scenes, tmp_path, capsys):
    report = tmp_path / "report.json"
    command = ["evaluate", "-protocol", "res", "-dataset_layout", "res"]
    command += ["-test_path", scenes, "-report", report, "-preset", "patchmatch"]
    command += ["-methods", "telea", "-metrics", "psnr", "-image_size", "100"]
    assert cli.main([*map(str, command)]) == 0, capsys.readouterr().err
    found = json.loads(report.read_text())
    assert (found["protocol"], found["images"]) == ("res", 3)
    # A box on grey is moved and removed all but exactly.
    assert all(found["methods"][m]["psnr"] > 25 for m in ("patchmatch", "telea"))


def test_folders_of_something_else(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"must hold p1_1\.jpg"):
        list_views(tmp_path)
    with pytest.raises(InputError, match="to measure on alone"):
        list_views(tmp_path, "train")
