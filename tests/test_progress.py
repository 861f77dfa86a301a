"""Evaluations that go on where they were, and the vectors that they keep."""

import dataclasses
from contextlib import nullcontext

import numpy as np
import pytest

from inpainting_zoo.errors import InputError
from inpainting_zoo.evaluation.progress import resumable
from inpainting_zoo.evaluation.protocol import evaluate
from inpainting_zoo.evaluation.report import format_report
from inpainting_zoo.metrics.measures import MEASURES, chosen_measures
from inpainting_zoo.storage.vectors import remembered

SIDE = 32
ABOUT = {"weights_sha256": "", "seed": 3}
PLAIN = {"psnr": MEASURES["psnr"]}


def pairs(count):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, SIDE, SIDE, 3), np.uint8)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[8:24, 8:24] = 1
    return [(f"{i}.png", image, mask) for i, image in enumerate(images)]


class Stopping:
    """Fills holes with grey; a limited number of times."""

    def __init__(self, times):
        self.times, self.done = times, 0

    def __call__(self, image, mask):
        if self.done == self.times:
            raise KeyboardInterrupt
        self.done += 1
        return np.where(mask[..., None] == 1, np.uint8(99 + image.mean() // 9), image)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("INPAINTING_ZOO_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def measured(folder, times=99, about=ABOUT):
    method, measures = Stopping(times), chosen_measures("psnr,lpips,kid_alexnet")
    with resumable(folder, about) if folder else nullcontext() as progress:
        options = {"pictures": 1, "measures": measures, "progress": progress}
        return evaluate(pairs(6), {"grey": method}, 0, **options), method.done


def test_an_interrupted_evaluation_goes_on(tmp_path):
    whole, done = measured(None)
    assert done == 6
    folder = tmp_path / "r.parts"
    with pytest.raises(KeyboardInterrupt):
        measured(folder, times=4)
    with open(folder / "rows.jsonl", "a") as file:
        file.write('{"rows": [{"na')  # cut in the middle of a line
    with open(folder / "alexnet-0.f32", "ab") as file:
        file.write(b"more")
    report, done = measured(folder)
    assert done == 3  # two that were left, and the first for the grid
    rows, expected = report.pop("rows"), whole.pop("rows")
    assert rows == expected
    (picture,), (wanted,) = report.pop("pictures"), whole.pop("pictures")
    assert all((picture[name] == wanted[name]).all() for name in wanted)
    assert report == whole and report["methods"]["grey"]["kid_alexnet"] > 0
    assert "kid_alexnet" not in report["methods"]["grey"]["bins"]["20-30"]
    assert not folder.exists()


def test_what_is_of_other_settings_or_incomplete_is_not_gone_on_with(tmp_path):
    folder = tmp_path / "r.parts"
    vectors, rows = folder / "alexnet-truth.f32", folder / "rows.jsonl"
    for damage, about in (
        (lambda: None, {**ABOUT, "seed": 4}),
        (lambda: vectors.write_bytes(b"short"), ABOUT),
        (vectors.unlink, ABOUT),
        (lambda: rows.write_text('{"rows": []\n'), ABOUT),
        (lambda: rows.write_text('{"rows": []}\n'), ABOUT),
    ):
        with pytest.raises(KeyboardInterrupt):
            measured(folder, times=2)
        damage()
        assert measured(folder, about=about)[1] == 6


def test_two_evaluations_do_not_share_a_folder(tmp_path):
    folder = tmp_path / "r.parts"
    refused = pytest.raises(InputError, match="in use by another run")
    with resumable(folder, ABOUT), refused:
        measured(folder)
    assert not folder.exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("mine.txt", "precious"),
        ("about.json", '{"title": "mine"}'),
        ("about.json", '["weights_sha256"]'),
    ],
)
def test_a_folder_of_something_else_stays(tmp_path, name, content):
    (tmp_path / "r.parts").mkdir()
    (tmp_path / "r.parts" / name).write_text(content)
    with pytest.raises(InputError, match=r"folder of its parts .*r\.parts"):
        measured(tmp_path / "r.parts")
    assert (tmp_path / "r.parts" / name).read_text() == content


def test_what_a_killed_run_was_writing_is_removed(tmp_path):
    (tmp_path / "r.parts").mkdir()
    (tmp_path / "r.parts" / ".zoo-0123456789abcdef.part").touch()
    measured(tmp_path / "r.parts")
    assert not (tmp_path / "r.parts").exists()


def test_vectors_of_true_pictures_are_computed_once(home):
    seen = []

    def look(image):
        seen.append(image)
        return np.arange(3)

    one, two = np.zeros((4, 6, 3), np.uint8), np.zeros((6, 4, 3), np.uint8)
    for image in (one, two, one.copy()):
        assert remembered("eye-1", image, look).tolist() == [0, 1, 2]
    assert len(seen) == 2
    remembered("eye-2", one, look)
    assert len(seen) == 3
    for count, damaged in enumerate((b"damaged", b"", b"PK\x03\x04"), start=4):
        for path in home.rglob("*.npy"):
            path.write_bytes(damaged)
        assert remembered("eye-1", one, look).tolist() == [0, 1, 2]
        assert len(seen) == count


def test_vectors_need_no_place_to_lie(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("INPAINTING_ZOO_HOME", str(tmp_path / "file"))
    image = np.zeros((4, 6, 3), np.uint8)
    assert remembered("eye", image, lambda image: np.arange(3)).tolist() == [0, 1, 2]


def test_too_few_pictures_are_refused_and_few_are_noted():
    measures = chosen_measures("kid_alexnet")
    for least, enough in ((7, 9), (6, 9)):
        rules = {"least": least, "enough": enough}
        found = dataclasses.replace(measures["kid_alexnet"], **rules)
        arguments = pairs(6), {"grey": Stopping(99)}, 0
        if least == 7:
            with pytest.raises(InputError, match="kid_alexnet needs at least 7 pict"):
                evaluate(*arguments, measures={"kid_alexnet": found})
    report = evaluate(*arguments, measures={"kid_alexnet": found, **PLAIN})
    assert report["notes"] == [
        "KID AlexNet: of 6 pictures, under 9; compare it with that of the same "
        "pictures alone"
    ]
    assert report["notes"][0] in format_report(report)
