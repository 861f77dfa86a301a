"""The evaluation protocol on pictures small enough to work out by hand."""

import csv
import json
import math

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut, chelsea, coffee

from inpainting_zoo.errors import InputError
from inpainting_zoo.evaluation.baselines import BASELINES
from inpainting_zoo.evaluation.protocol import BINS, evaluate, hole_bin, versions
from inpainting_zoo.evaluation.report import (
    check_report,
    format_report,
    write_report,
)
from inpainting_zoo.metrics.measures import MEASURES, Measure


def perfect(truths):
    """A method that knows the answers, in the order of the pairs."""
    answers = iter(truths)
    return lambda image, mask: next(answers)


def off_by_51(image, mask):
    return np.where(mask[..., None] == 1, image + np.uint8(51), image)


def grey_pair(name, area, side=20):
    mask = np.zeros((side, side), np.uint8)
    mask.flat[: round(area * side * side)] = 1
    return name, np.full((side, side, 3), 100, np.uint8), mask


@pytest.fixture(scope="module")
def photographs():
    rng, pairs = np.random.default_rng(0), []
    for name, picture in [("cat", chelsea), ("cup", coffee), ("face", astronaut)]:
        mask = np.zeros((48, 48), np.uint8)
        y, x = rng.integers(0, 24, 2)
        mask[y : y + 20, x : x + 24] = 1
        pairs.append((name, picture()[60:252:4, 100:292:4], mask))
    return pairs


def test_means_over_images_by_hand():
    report = evaluate([grey_pair("a", 0.25), grey_pair("b", 1)], {"x": off_by_51}, 7)
    found = report["methods"]["x"]
    # MSE on [0, 1] is 0.04 in the hole: 13.98 dB; over a quarter 6.02 dB more.
    hole = -10 * math.log10(0.04)
    assert found["psnr_hole"] == pytest.approx(hole)
    assert found["psnr"] == pytest.approx(hole + 10 * math.log10(4) / 2)
    assert found["l1"] == pytest.approx(0.2 * (0.25 + 1) / 2)
    assert found["l1_hole"] == pytest.approx(0.2)
    assert found["l2"] == pytest.approx(0.04 * (0.25 + 1) / 2)
    assert found["l2_hole"] == pytest.approx(0.04)
    assert found["identical"] == found["outside_max"] == 0
    assert found["bins"]["20-30"]["images"] == found["bins"]["above"]["images"] == 1
    assert found["bins"]["above"]["psnr"] == pytest.approx(hole)
    assert found["bins"]["0-10"]["psnr"] is None


def test_masks_of_nothing_and_of_everything_are_noted():
    pairs = [grey_pair("a", 0.5), grey_pair("b", 0), grey_pair("c", 1)]
    report = evaluate(pairs, {"x": off_by_51}, 0)
    assert report["notes"] == [
        "masks: 1 of 3 have no hole",
        "masks: 1 of 3 have nothing but a hole",
    ]
    assert "1 of 3 have no hole" in format_report(report)


def test_identical_images_are_counted_and_left_out_of_the_mean():
    pairs = [grey_pair("a", 0.5), grey_pair("b", 0), grey_pair("c", 0.5)]
    found = evaluate(pairs, {"x": off_by_51}, 0)["methods"]["x"]
    assert found["identical"] == 1
    assert found["psnr"] == pytest.approx(-10 * math.log10(0.02))
    assert found["l1"] == pytest.approx(0.2 / 3)  # here it counts


def test_a_perfect_method_has_no_psnr_but_the_best_ssim(photographs):
    method = perfect(image for _, image, _ in photographs)
    found = evaluate(photographs, {"x": method}, 0)["methods"]["x"]
    assert found["psnr"] is None
    assert found["identical"] == 3
    assert found["ssim"] == 1


def test_changed_known_pixels_are_reported():
    def brighten(image, mask):
        return image + np.uint8(3)

    report = evaluate([grey_pair("a", 0.5)], {"x": brighten}, 0)
    assert report["methods"]["x"]["outside_max"] == 3


def test_methods_cannot_touch_the_truth():
    def vandal(image, mask):
        image[:] = 0
        return image

    report = evaluate([grey_pair("a", 0.5)], {"v": vandal, "x": off_by_51}, 0)
    assert report["methods"]["v"]["l1"] == pytest.approx(100 / 255)
    assert report["methods"]["x"]["l1"] == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("area", "name"),
    [
        (0, "0-10"),
        (0.1, "0-10"),
        (0.101, "10-20"),
        (0.3, "20-30"),
        (0.6, "50-60"),
        (0.601, "above"),
        (1, "above"),
    ],
)
def test_bins_include_their_upper_end(area, name):
    assert hole_bin(area) == name


def test_report_has_the_shape_of_the_protocol(photographs, tmp_path):
    methods = {"tiny": off_by_51, **BASELINES}
    report = evaluate(photographs, methods, 5, weights_sha256="ab", pictures=2)
    path = tmp_path / "reports" / "tiny.json"
    write_report(report, path)
    written = json.loads(path.read_text())
    keys = "protocol images methods notes versions seed weights_sha256"
    assert list(written) == [*keys.split(), "image_size", "strategy"]
    assert (written["images"], written["seed"]) == (3, 5)
    assert (written["image_size"], written["strategy"]) == (48, "original")
    assert list(written["methods"]) == ["tiny", *BASELINES]
    measures = {"psnr", "psnr_hole", "ssim", "l1", "l1_hole", "l2", "l2_hole"}
    measures |= {"lpips", "identical", "outside_max"}
    for found in written["methods"].values():
        assert set(found) == measures | {"intervals", "bins"}
        low, high = found["intervals"]["psnr"]
        assert low < found["psnr"] < high
        assert tuple(found["bins"]) == BINS
        assert all(set(b) == measures | {"images"} for b in found["bins"].values())
        assert sum(b["images"] for b in found["bins"].values()) == 3
        assert found["outside_max"] == 0
    assert written["versions"] == versions()
    rows = list(csv.DictReader(path.with_suffix(".csv").open()))
    assert len(rows) == 3 * len(methods)
    mean = np.mean([float(r["psnr"]) for r in rows if r["method"] == "telea"])
    assert written["methods"]["telea"]["psnr"] == pytest.approx(mean)
    width, height = Image.open(path.with_suffix(".png")).size
    assert width > 7 * 48  # input, five methods, ground truth
    assert 2 * 48 < height < 3 * 48
    assert len(list(path.parent.iterdir())) == 3


def test_reports_of_identical_images_are_valid_json(tmp_path):
    report = evaluate([grey_pair("a", 0)], BASELINES, 0)
    write_report(report, tmp_path / "r.json")
    written = json.loads((tmp_path / "r.json").read_text())
    assert written["methods"]["telea"]["psnr"] is None
    assert "inf" in (tmp_path / "r.csv").read_text()


def test_the_table_names_methods_and_filled_bins():
    pairs = [grey_pair("a", 0.25), grey_pair("b", 1)]
    table = format_report(evaluate(pairs, {"x": off_by_51}, 0))
    assert "2 images, protocol completed_1" in table
    assert "13.98" in table
    lines = table.splitlines()
    assert lines[-3].split()[-2:] == ["20-30", "above"]
    assert lines[-2].split() == ["images", "1", "1"]
    assert lines[-1].split() == ["x", "20.00", "13.98"]


def test_a_measure_is_one_line(monkeypatch):
    """It comes into the report, its bins, the rows and the text."""
    added = {
        "holes": Measure("holes", 1, lambda truth, output, mask: int(mask.sum())),
        "pixels": Measure("pixels", 0, lambda truth, output, mask: mask.size, sum),
    }
    for name, measure in added.items():
        monkeypatch.setitem(MEASURES, name, measure)
    pairs = [grey_pair("a", 0.25), grey_pair("b", 0.5), grey_pair("c", 0.5)]
    measures = {"psnr": MEASURES["psnr"], **added}
    report = evaluate(pairs, {"x": off_by_51}, 0, measures=measures)
    found = report["methods"]["x"]
    assert (found["holes"], found["pixels"]) == ((100 + 200 + 200) / 3, 1200)
    assert list(found["intervals"]) == ["psnr", "holes"]
    small, large = (found["bins"][area] for area in ("20-30", "40-50"))
    assert (small["holes"], small["pixels"]) == (100, 400)
    assert (large["holes"], large["pixels"]) == (200, 800)
    assert [row["holes"] for row in report["rows"]] == [100, 200, 200]
    first, methods, *_ = format_report(report).splitlines()[1:]
    assert first.split()[-2:] == ["holes", "pixels"]
    assert methods.split()[-2:] == ["166.7", "1200"]


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        (([], {"x": off_by_51}, 0), "received 0 pairs"),
        (([grey_pair("a", 0)], {}, 0), "0 methods"),
        (
            ([grey_pair("a", 0)], {"x": lambda i, m: i / 255}, 0),
            "uint8, received float",
        ),
        (([grey_pair("a", 0)], {"x": lambda i, m: i[1:]}, 0), "x: output of"),
    ],
)
def test_what_breaks_the_protocol_is_named(arguments, rule):
    with pytest.raises(InputError, match=rule):
        evaluate(*arguments)


def test_reports_end_in_json(tmp_path):
    report = evaluate([grey_pair("a", 0.5)], {"x": off_by_51}, 0)
    with pytest.raises(InputError, match=r"\.json"):
        write_report(report, tmp_path / "report.csv")


FORMER = {"protocol": "completed_1", "images": 1, "methods": {}, "versions": {}}
FORMER |= {"seed": 0, "weights_sha256": None, "other": 1}
TABLE = "name,hole_area,method,psnr\n"


@pytest.mark.parametrize(
    ("files", "refused"),
    [
        ({}, None),
        ({"r.json": json.dumps(FORMER), "r.csv": TABLE, "r.png": "png"}, None),
        ({"r.csv": TABLE, "r.png": "png"}, None),  # a report that was cut short
        ({"r.json": '{"stage": "wgan", "settings": {}}'}, "r.json"),
        ({"r.json": "[1, 2"}, "r.json"),
        ({"r.json": '["protocol"]'}, "r.json"),
        ({"r.csv": "precious,numbers\n1,2\n"}, "r.csv"),
        ({"r.json": json.dumps(FORMER), "r.csv": ""}, "r.csv"),
        ({"r.png": "a picture of mine"}, "r.png"),
        ({"other.csv": "1,2"}, None),
    ],
)
def test_only_a_former_report_is_overwritten(files, refused, tmp_path):
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    if refused is None:
        check_report(tmp_path / "r.json", [])
        return
    rule = rf"^report: .* a former report, received '.*{refused}'"
    with pytest.raises(InputError, match=rule):
        check_report(tmp_path / "r.json", [])


def test_a_folder_is_no_former_report(tmp_path):
    (tmp_path / "r.json").mkdir()
    with pytest.raises(InputError, match="former report"):
        check_report(tmp_path / "r.json", [])


def test_what_is_written_may_be_written_again(tmp_path):
    report = evaluate([grey_pair("a", 0.5)], {"x": off_by_51}, 0)
    write_report(report, tmp_path / "r.json")
    check_report(tmp_path / "r.json", [tmp_path])
    rule = "neither pictures nor masks, .*r.png'"
    with pytest.raises(InputError, match=rule):
        check_report(tmp_path / "r.json", [tmp_path / "r.png"])
