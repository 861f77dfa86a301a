"""The READMEs: Python that runs, extras, and tables from reports made by hand."""

import json
import re
import shlex
import tomllib

import numpy as np
import pytest
from PIL import Image

from conftest import ROOT
from inpainting_zoo import arguments, presets
from inpainting_zoo.evaluation.tables import (
    cell,
    headlines,
    interval,
    markdown,
    number,
    text,
)
from inpainting_zoo.storage.arrays import FORMATS
from inpainting_zoo.storage.files import sha256
from inpainting_zoo.tools import make_readme, measure, publish, train_weights
from inpainting_zoo.tools.curves import draw
from inpainting_zoo.tools.readme_benchmarks import exported, lambda_ratios
from inpainting_zoo.tools.training_report import in_order

SHIPPED = presets.shipped()


BLOCKS = re.findall(r"```python\n(.+?)```", (ROOT / "README.md").read_text(), re.S)


@pytest.mark.long
@pytest.mark.parametrize("block", BLOCKS)
def test_python_of_the_readme_runs_as_it_stands(block, monkeypatch):
    monkeypatch.chdir(ROOT)
    names = {}
    exec(block, names)
    image, hole = (
        np.asarray(Image.open(ROOT / "docs" / name))
        for name in ("removal.jpg", "removal_hole.png")
    )
    completed = names["completed"]
    assert (completed[~hole] == image[~hole]).all()
    assert (completed[hole] != image[hole]).any()


def test_every_extra_is_a_file_of_requirements_and_told_of():
    """Also `diffusion` and `metrics`, which would be empty, are told of."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    files = project["tool"]["setuptools"]["dynamic"]["optional-dependencies"]
    found = {path.name for path in ROOT.glob("requirements-*.txt")}
    assert {f"requirements-{name}.txt" for name in files} == found
    for name, place in files.items():
        assert place == {"file": [f"requirements-{name}.txt"]}
    page = (ROOT / "docs" / "command_line.md").read_text()
    install = page.split("## Install")[1].split("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", install, re.M)) == set(files)
    assert "Stable Diffusion need nothing further" in install
    assert "All measures" in install


def test_the_page_is_made_of_the_reports_of_the_repository():
    page = (ROOT / "weights" / "README.md").read_text()
    assert page == make_readme.readme(make_readme.REPORTS)


def test_shipped_weights_are_small_intact_and_reported():
    files = {
        weights.file: weights.digest
        for name in SHIPPED
        for weights in presets.get(name)["weights"].values()
    }
    found = {p.name for p in presets.WEIGHTS.iterdir() if p.suffix in FORMATS}
    assert found == {*files, "lpips_alexnet.safetensors"}
    for file, digest in files.items():
        path = presets.WEIGHTS / file
        assert path.stat().st_size <= publish.MOST_BYTES
        assert sha256(path) == digest
    for name in SHIPPED:
        presets.load(name)
    trainings, evaluations = make_readme.read(make_readme.REPORTS)
    digests = {
        report["preset"]: " ".join(file["sha256"] for file in report["files"].values())
        for report in trainings
    }
    assert digests == {name: presets.digest(name) for name in SHIPPED}
    for report in evaluations:
        assert report["weights_sha256"] == presets.digest(report["preset"])
    if (exported := make_readme.REPORTS / "exported.json").is_file():
        report = json.loads(exported.read_text())
        assert report["weights_sha256"] == digests[report["preset"]]
    for report in trainings:
        arguments.parse(shlex.split(report["command"])[1:])  # it could be typed
        for stage in make_readme.stages_of(report):
            curve = make_readme.curve_of(report, stage)
            assert (make_readme.REPORTS / curve).is_file()


def test_every_shipped_weight_can_be_trained_again():
    """By the settings that its report tells of."""
    paths = ("mask_path", "vgg_weights", "train_path", "validation_path", "cache")
    paths = dict.fromkeys(paths, "DIR")
    folders = dict.fromkeys(train_weights.PATHS, "DIR")
    about = {"output_path": "outputs", "save_every": 0, "sample_every": 0}

    def settings(words):
        found = arguments.parse(words)[1].as_dict()
        return found | {k: v for k, v in (paths | about).items() if found.get(k)}

    assert set(train_weights.PUBLISHED) == set(SHIPPED)
    trainings, _ = make_readme.read(make_readme.REPORTS)
    for report in trainings:
        name = train_weights.PUBLISHED[report["preset"]]
        for part in reversed(in_order(report)):
            words = train_weights.TRAININGS[name].format(**folders | about).split()
            told = settings(shlex.split(part["command"])[1:])
            assert told == settings([*words, "-experiment_name", name])
            if told.get("from_weights"):
                name = told["from_weights"].split("/")[1]
                assert name in train_weights.TRAININGS


def scores(psnr, bins):
    """A row of an evaluation, with bins of (area, images, PSNR)."""
    row = {"psnr": psnr, "psnr_hole": psnr - 6, "ssim": 0.9, "l1": 0.01, "l1_hole": 0.1}
    row |= {"l2": 0.002, "l2_hole": 0.02, "lpips": 0.05, "kid_alexnet": 0.25}
    return row | {
        "outside_max": 0,
        "intervals": {"psnr": [psnr - 1.23456789, psnr + 1], "ssim": None},
        "bins": {a: row | {"images": n, "psnr": p} for a, n, p in bins},
    }


def evaluation(side=256, **methods):
    return {
        "protocol": "completed_1",
        "images": 4,
        "methods": methods,
        "versions": {"numpy": "2"},
        "seed": 0,
        "weights_sha256": "ab",
        "image_size": side,
        "strategy": "resize",
    }


@pytest.fixture
def reports(tmp_path):
    """A folder of reports: two presets, one test set."""
    bins = [
        ("0-10", 1, 40.0),
        ("10-20", 0, None),
        ("40-50", 2, 20.0),
        ("50-60", 1, 17.0),
    ]
    telea = scores(24.25, bins)
    for preset, psnr in (("one", 25.125), ("two", 26.0)):
        found = evaluation(telea=telea, **{preset: scores(psnr, bins)})
        kept = {"preset": preset, "test_set": "faces"} | measure.trimmed(found)
        (tmp_path / f"{preset}_on_faces_at_256.json").write_text(json.dumps(kept))
    training = {
        "preset": "one",
        "files": {"generator": {"file": "one.npz", "bytes": 6_300_000, "sha256": "ab"}},
        "stages": [],
        "stage": "warm_up_generator",
        "command": "runner.py -train_path TRAIN -preset one -steps 9",
        "seed": 3,
        "steps": 8,
        "planned_steps": 9,
        "batch_size": 2,
        "image_size": 64,
        "hours": 1.5,
        "cpu": {"model": "Abacus", "cores": 2},
        "devices": ["CPU:0"],
        "engine": "jax",
        "precision": "bfloat16",
        "versions": {"jax": "1"},
        "history": [
            {"step": 4, "reconstruction": 0.5},
            {"step": 8, "reconstruction": 0.25, "validation_psnr": 20.0},
        ],
    }
    (tmp_path / "one_training.json").write_text(json.dumps(training))
    return tmp_path


def test_reports_become_tables(reports):
    page = make_readme.readme(reports)
    assert "| `one` | `one.npz` | 6.3 MB | `ab` |" in page
    assert "    python runner.py -train_path TRAIN -preset one -steps 9\n" in page
    assert "8 of 9 steps of 2 images of 64 px, seed 3, bfloat16" in page
    assert "1.5 hours on Abacus, 2 cores (CPU:0)" in page
    assert "### faces at 256 px, 4 pictures" in page
    lines = page.splitlines()
    rows = [line for line in lines if line.startswith(("| one", "| two", "| telea"))]
    others = "0.9000 | 0.0100 | 0.1000 | 0.0500 | 0.2500 |"
    assert rows == [
        f"| one | 25.12 (23.89 to 26.12) | 19.12 | {others}",
        f"| two | 26.00 (24.77 to 27.00) | 20.00 | {others}",
        f"| telea | 24.25 (23.02 to 25.25) | 18.25 | {others}",
        *(f"| {m} | 40.00 | 20.00 | 17.00 | 19.00 |" for m in ("one", "two", "telea")),
    ]
    assert "| PSNR by hole area in % | 0-10 | 40-50 | 50-60 | over 40 |" in page
    assert "| pictures | 1 | 2 | 1 | 3 |" in page


def test_kept_reports_hold_no_names_of_pictures():
    found = evaluation(telea=scores(24.123456789, [("0-10", 1, 40.0)]))
    kept = measure.trimmed(found | {"rows": ["face.png"]})
    assert "face.png" not in json.dumps(kept)
    assert kept["methods"]["telea"]["psnr"] == 24.123457
    assert kept["methods"]["telea"]["l2_hole"] == 0.02
    intervals = {"psnr": [22.888889, 25.123457], "ssim": None}
    assert kept["methods"]["telea"]["intervals"] == intervals
    assert kept["methods"]["telea"]["bins"]["0-10"]["images"] == 1


def test_a_report_is_done_with_the_same_weights_and_settings(reports):
    path = reports / "one_on_faces_at_256.json"
    assert measure.is_done(path, {"preset": "one", "weights_sha256": "ab"})
    assert not measure.is_done(path, {"preset": "one", "weights_sha256": "cd"})
    assert not measure.is_done(path, {"limit": 3})
    assert not measure.is_done(reports / "none.json", {})
    report = json.loads(path.read_text())
    del report["methods"]["telea"]["l2"]  # as before that was kept
    path.write_text(json.dumps(report))
    assert not measure.is_done(path, {})


def test_without_reports_the_page_says_so(tmp_path):
    assert "No weights are shipped yet" in make_readme.readme(tmp_path)


def test_curves_are_drawn(reports):
    trainings, _ = make_readme.read(reports)
    draw(trainings[0], reports / "one.png")
    picture = np.asarray(Image.open(reports / "one.png").convert("L"))
    assert picture.shape == (300, 900)
    assert picture.std() > 10


def test_numbers_and_deviations():
    assert number(25.125, "psnr") == "25.12"
    assert number({"mean": 25.7, "deviation": 0.25}, "psnr") == "25.70 ± 0.25"
    assert number({"mean": 0.9, "deviation": None}, "ssim") == "0.9000"
    assert number(None, "l1") == "-"
    assert number(3, "outside_max") == "3"
    assert interval([25.126, 26], "psnr") == "25.13 to 26.00"
    assert interval(None, "psnr") == "-"
    sure = {"psnr": 25.5, "ssim": None, "intervals": {"psnr": [25, 26], "ssim": None}}
    assert cell(sure, "psnr") == "25.50 (25.00 to 26.00)"
    assert cell(sure, "ssim") == cell({}, "ssim") == "-"


def test_columns_are_the_headlines_that_any_report_has():
    assert headlines([{"l2": 1, "ssim": 2}, {"psnr": 3}]) == ["psnr", "ssim"]


def test_tables():
    rows = [["a", 2], ["long", 10]]
    assert text(rows) == "a      2\nlong  10"
    assert markdown(["x", "y"], rows[:1]) == "| x | y |\n| --- | ---: |\n| a | 2 |"


def test_the_ratios_become_a_table():
    row = {"psnr_hole": 15.0, "l1_hole": 0.125, "l2_hole": 0.04}
    row |= {"psnr": 21.0, "l1": 0.03, "l2": 0.01}
    page = lambda_ratios(
        {
            "preset": "small",
            "steps": 9,
            "images": 4,
            "ratios": {"1": row, "1000": row | {"psnr_hole": 16.5}},
        }
    )
    assert "`small` trained for 9 steps" in page and "on\n4 pictures" in page
    assert "| ratio | centre L1 | centre L2 | centre PSNR | L1 | L2 | PSNR |" in page
    assert "| 1000 | 0.1250 | 0.0400 | 16.50 | 0.0300 | 0.0100 | 21.00 |" in page


def test_exported_files_become_a_table():
    keras = {"psnr": 27.5, "psnr_difference": 0.0, "seconds": 0.2, "cpu_seconds": 0.35}
    file = keras | {"bytes": 3_200_000, "psnr": 27.25, "psnr_difference": -0.25}
    page = exported(
        {
            "preset": "small",
            "images": 4,
            "image_size": 64,
            "files": {"keras": keras, "onnx int8": file},
        }
    )
    assert "`small` exported" in page and "on 4 pictures of 64 px" in page
    assert "| keras |  | 27.50 | +0.000 | 0.200 | 0.350 |" in page
    assert "| onnx int8 | 3.2 | 27.25 | -0.250 | 0.200 | 0.350 |" in page
