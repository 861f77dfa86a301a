"""The command `evaluate`, as it is typed: methods, names of masks, former reports."""

import csv
import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from inpainting_zoo import cli
from inpainting_zoo.errors import InputError
from inpainting_zoo.evaluation.baselines import BASELINES
from inpainting_zoo.evaluation.evaluate import choose_baselines, completions
from inpainting_zoo.options import EvaluateSettings


def test_classical_methods_are_chosen_by_name():
    assert choose_baselines(None) == BASELINES
    assert [*choose_baselines("telea, mean_colour")] == ["telea", "mean_colour"]
    assert choose_baselines("none") == {}
    with pytest.raises(InputError, match="none must stand alone, received none,telea"):
        choose_baselines("none,telea")
    with pytest.raises(InputError, match=r"methods: .*mean_colour, telea.*'magic'"):
        choose_baselines("telea,magic")


def test_methods_may_be_left_out(evaluate, tmp_path):
    report = tmp_path / "r.json"
    assert evaluate("-report", report, "-methods", "telea", "-limit", 1) == 0
    found = json.loads(report.read_text())
    assert [*found["methods"]] == ["gmcnn_small", "telea"]
    assert (found["image_size"], found["strategy"]) == (32, "original")
    # Its own former report is replaced.
    assert evaluate("-report", report, "-methods", "none", "-limit", 1) == 0
    assert [*json.loads(report.read_text())["methods"]] == ["gmcnn_small"]


def test_the_rule_of_report_004_is_an_option(evaluate, tmp_path, capsys):
    report = tmp_path / "r.json"
    rule = ("-protocol", "report_004", "-methods", "none", "-limit", 1)
    assert evaluate("-report", report, *rule) == 0
    found = json.loads(report.read_text())
    assert found["protocol"] == "report_004"
    scores = found["methods"]["gmcnn_small"]
    assert scores["psnr"] > 6 and scores["ssim"] is None
    assert evaluate("-report", report, "-protocol", "psnr") == 4
    assert (
        "-protocol: one of completed_1, report_000, report_004"
        in capsys.readouterr().err
    )


def test_options_of_the_model(tmp_path, capsys):
    report = tmp_path / "r.json"
    command = ["evaluate", "-preset", "patchmatch", "-methods", "none", "-limit", "1"]
    command += ["-image_size", "64", "-metrics", "psnr", "-report", str(report)]
    found = {}
    for side in ("3", "15"):
        assert cli.main([*command, "-with", f"patch_size={side}"]) == 0
        found[side] = json.loads(report.read_text())
        note = f"the model's options: patch_size={side}"
        assert note in found[side]["notes"] and note in capsys.readouterr().out
    three, fifteen = (r["methods"]["patchmatch"]["psnr"] for r in found.values())
    assert three != fifteen
    assert cli.main([*command, "-with", "size=3"]) == 4
    assert "-with: " in capsys.readouterr().err
    assert cli.main([*command, "-with", "patch_size=3", "-protocol", "report_004"]) == 4


def test_measures_may_be_chosen(evaluate, tmp_path, capsys):
    report = tmp_path / "r.json"
    chosen = ("-report", report, "-methods", "telea", "-limit", 2)
    assert evaluate(*chosen, "-metrics", "psnr,lpips") == 0
    found = json.loads(report.read_text())["methods"]["telea"]
    assert 0 < found["lpips"] < 1 and found["ssim"] is None
    assert [*found["intervals"]] == ["psnr", "lpips"]
    low, high = found["intervals"]["lpips"]
    assert low <= found["lpips"] <= high
    with open(report.with_suffix(".csv")) as file:
        rows = [row for row in csv.DictReader(file) if row["method"] == "telea"]
    mean = np.mean([float(row["lpips"]) for row in rows])
    assert mean == pytest.approx(found["lpips"])
    capsys.readouterr()
    for refused, rule in (
        (("-metrics", "magic"), "-metrics: one of psnr"),
        (("-metrics", "lpips_vgg16"), "-lpips_weights: must be a file of vgg16"),
        (("-metrics", "fid"), "-metrics: fid needs at least 2048 pictures, received 2"),
        (("-metrics", "psnr", "-protocol", "report_004"), "-metrics: none but its own"),
    ):
        assert evaluate(*chosen, *refused) == 4
        assert rule in capsys.readouterr().err


@pytest.mark.parametrize("name", ["mine.csv", "mine.png", "mine.json"])
def test_files_that_are_no_report_stay(name, evaluate, tmp_path, capsys):
    """The refusal comes before weights are read."""
    (tmp_path / name).write_text("precious,numbers\n1,2\n")
    (tmp_path / "weights.npz").write_text("damaged")
    given = ("-from_weights", tmp_path / "weights.npz")
    assert evaluate(*given, "-report", tmp_path / "mine.json") == 4
    error = capsys.readouterr().err
    assert "must replace nothing but a former report" in error and name in error
    assert (tmp_path / name).read_text() == "precious,numbers\n1,2\n"


@pytest.mark.parametrize("form", ["{}_mask", "hole_{}"])
def test_pictures_get_the_masks_of_their_names(form, evaluate, tmp_path, caplog):
    """The hole of mask i has i rows; without the name in it masks go in order."""
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    for i in (1, 2, 10):
        Image.new("RGB", (32, 32), (9, 9, 9 * i)).save(tmp_path / f"images/{i}.png")
        hole = np.zeros((32, 32), np.uint8)
        hole[:i] = 255
        Image.fromarray(hole).save(tmp_path / "masks" / f"{form.format(i)}.png")
    report = tmp_path / "r.json"
    paths = ("-test_path", tmp_path / "images", "-mask_path", tmp_path / "masks")
    assert evaluate(*paths, "-report", report, "-methods", "none") == 0
    rows = csv.DictReader(report.with_suffix(".csv").open())
    found = {row["name"]: float(row["hole_area"]) * 32 for row in rows}
    assert found == {"1.png": 1, "2.png": 2, "10.png": 10}
    said = [r.message for r in caplog.records if "in order" in r.message]
    assert len(said) == (form == "hole_{}")


@pytest.mark.parametrize("given", [True, False])
def test_masks_beside_their_pictures_are_no_pictures(given, evaluate, tmp_path, caplog):
    """The hole of mask i has i rows; without -mask_path holes are generated."""
    folder, report = tmp_path / "in", tmp_path / "r.json"
    folder.mkdir()
    for i in (1, 2):
        Image.new("RGB", (32, 32), (9, 9, 9 * i)).save(folder / f"{i}.png")
        hole = np.zeros((32, 32), np.uint8)
        hole[:i] = 255
        Image.fromarray(hole).save(folder / f"{i}_mask001.png")
    masks = ("-mask_path", folder) if given else ("-masks", "centre")
    options = ("-test_path", folder, *masks, "-report", report, "-methods", "none")
    assert evaluate(*options) == 0
    rows = csv.DictReader(report.with_suffix(".csv").open())
    found = {row["name"]: float(row["hole_area"]) * 32 for row in rows}
    assert [*found] == ["1.png", "2.png"]
    if given:
        assert [*found.values()] == [1, 2]
    said = [r.message for r in caplog.records if "left out" in r.message]
    assert len(said) == (not given)


def test_masks_within_the_folder_of_pictures_are_no_pictures(
    evaluate, pictures, tmp_path
):
    folder, report = tmp_path / "all", tmp_path / "r.json"
    shutil.copytree(pictures / "images", folder)
    shutil.copytree(pictures / "masks", folder / "masks")
    paths = ("-test_path", folder, "-mask_path", folder / "masks")
    assert evaluate(*paths, "-report", report, "-methods", "none") == 0
    rows = csv.DictReader(report.with_suffix(".csv").open())
    assert {row["name"] for row in rows} == {f"{i}.png" for i in range(8)}


def test_all_methods_complete_wider_holes(evaluate, pictures, tmp_path):
    """A hole is measured as it was, so 0 pixels around it change nothing else."""
    found = {}
    for width in (0, 4):
        report = tmp_path / f"{width}.json"
        paths = ("-test_path", pictures / "images", "-report", report)
        options = ("-masks", "centre", "-methods", "telea", "-mask_dilation", width)
        assert evaluate(*paths, *options) == 0
        rows = csv.DictReader(report.with_suffix(".csv").open())
        found[width] = [(r["method"], r["hole_area"], float(r["psnr"])) for r in rows]
    for narrow, wide in zip(found[0], found[4], strict=True):
        assert narrow[:2] == wide[:2] and narrow[2] > wide[2]


def test_pictures_are_not_their_own_masks(evaluate, pictures, capsys):
    where = ("-test_path", pictures / "images", "-mask_path", pictures / "images")
    assert evaluate(*where) == 4
    assert "-mask_path: must be called NAME_mask.png" in capsys.readouterr().err


def test_masks_of_labels_and_of_objects(evaluate, pictures, tmp_path, capsys):
    """Masks of the value 3 need a label; as places of objects they are widened."""
    labels = tmp_path / "labels"
    labels.mkdir()
    for path in (pictures / "masks").iterdir():
        grey = np.asarray(Image.open(path)) // 85
        Image.fromarray(grey).save(labels / path.name)
    report = tmp_path / "r.json"
    where = ("-test_path", pictures / "images", "-report", report, "-methods", "none")
    assert evaluate(*where, "-mask_path", labels) == 4
    assert "its values 3 look like labels; -mask_label N" in capsys.readouterr().err
    ratios = []
    for options in (
        ("-mask_path", labels, "-mask_label", 3),
        ("-masks", "objects", "-objects_path", labels),
    ):
        assert evaluate(*where, *options) == 0
        with open(report.with_suffix(".csv")) as file:
            ratios.append([float(row["hole_area"]) for row in csv.DictReader(file)])
    assert len(ratios[0]) == len(ratios[1]) == 8
    assert all(exact < widened for exact, widened in zip(*ratios))


def test_an_evaluation_that_was_cut_goes_on(evaluate, tmp_path, monkeypatch, capsys):
    """The folder of its parts is gone when the report is there."""
    report = tmp_path / "r.json"
    monkeypatch.setenv("INPAINTING_ZOO_HOME", str(tmp_path / "home"))
    chosen = ("-report", report, "-methods", "telea", "-metrics", "psnr,kid_alexnet")
    calls, complete = [], BASELINES["telea"]

    def cut(image, mask):
        calls.append(image)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return complete(image, mask)

    monkeypatch.setitem(BASELINES, "telea", cut)
    assert evaluate(*chosen) == 130
    assert (tmp_path / "r.parts").is_dir() and not report.is_file()
    assert evaluate(*chosen) == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        *("home", "r.csv", "r.json", "r.png")
    ]
    found = json.loads(report.read_text())
    assert len(calls) == found["images"] + 2  # the first again, for the grid
    assert found["methods"]["telea"]["kid_alexnet"] is not None
    assert "KID AlexNet" in capsys.readouterr().out


def test_wider_holes_fade_in_within_their_ring_alone():
    """Of the model as of classical methods; 3 pixels wider, 2 of which fade in."""
    image = np.random.default_rng(0).integers(0, 255, (24, 24, 3), np.uint8)
    image[:, 11] = 0
    hole = np.zeros((24, 24), np.uint8)
    hole[10:14, 6:18] = 1

    def white(image, mask, texture=None):
        return np.where(mask[..., None] != 0, np.uint8(255), np.uint8(128))

    settings = EvaluateSettings(preset="gmcnn_small", mask_dilation=3, feathering=2)
    model = SimpleNamespace(inpaint=white)
    found = completions(settings, "model", model, {"classical": white})
    squares = (
        np.indices((24, 24))[..., None] - np.argwhere(hole).T[:, None, None]
    ) ** 2
    wide = squares.sum(axis=0).min(axis=-1) <= 9
    assert [*found] == ["model", "classical"] and wide.sum() > 1.5 * hole.sum()
    for complete in found.values():
        completed = complete(image, hole)
        assert (completed[~wide] == image[~wide]).all()
        assert (completed[hole == 1] == 255).all()
        # The distance to what is known, of feathering + 1, of 255 in a column of 0.
        assert completed[6:11, 11, 0].tolist() == [0, 85, 170, 255, 255]
