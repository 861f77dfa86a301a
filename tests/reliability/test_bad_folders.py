"""Bad folders: odd names, no regular files, no permission, the input's own folder."""

import json
import os

import numpy as np
import pytest
from PIL import Image

from inpainting_zoo import cli as runner
from inpainting_zoo.evaluation.baselines import BASELINES

from .commands import EAGER, TINY
from .folders import SQUARE, noise, save


@pytest.mark.row("B12")
def test_odd_names(batch, zoo, weights, record_property):
    stems = ["é ü 漢字", "a b", "line\nbreak", "x" * 251, "-rf", "a.b", "🙂", "%s{}"]
    names = [f"{stem}.png" for stem in stems] + ["same.jpg", "same.png"]
    for i, name in enumerate(names):
        batch.add(name, noise(seed=i))
    assert batch.complete(zoo, weights).code == 0
    record_property("names", len(names))
    assert set(batch.rows) == set(names)
    assert sorted(os.listdir(batch.out)) == sorted([*names, "ledger.jsonl"])
    for i, name in enumerate(names):
        if name.endswith("png"):
            after = np.asarray(batch.after(name))
            np.testing.assert_array_equal(after[~SQUARE], noise(seed=i)[~SQUARE])


@pytest.mark.row("B12")
def test_names_that_are_not_utf_8_in_evaluation(weights, tmp_path, capsys):
    folder = tmp_path / "in"
    folder.mkdir()
    name = os.fsdecode(b"caf\xe9.png")
    save(folder / name, noise())
    report = tmp_path / "report.json"
    what = ("-test_path", folder, "-report", report, "-from_weights", weights)
    assert runner.main(["evaluate", *map(str, what)]) == 0
    rows = report.with_suffix(".csv").read_bytes().count(b"\ncaf\xe9.png,")
    assert rows == 1 + len(BASELINES)


LIMIT = 60  # seconds; who waits for a writer waits for ever, a busy machine does not


@pytest.mark.row("B13")
def test_no_regular_files(batch, zoo, weights, images, tmp_path):
    batch.add("good.png")
    os.mkfifo(batch.images / "fifo.png")
    (batch.images / "folder.png").mkdir()
    (batch.images / "dangling.png").symlink_to("nowhere.png")
    (batch.images / "self.png").symlink_to("self.png")
    (batch.images / "loop").symlink_to(batch.images)
    result = batch.complete(zoo, weights)
    assert result.code == 0 and result.seconds < LIMIT
    for name in ("fifo.png", "folder.png", "dangling.png", "self.png"):
        assert batch.rows[name]["status"] == "skipped" and batch.rows[name]["reason"]
    assert len(batch.rows) == 5 and batch.rows["good.png"]["status"] == "ok"
    # The same folder to evaluate, and a FIFO as picture, mask and weights.
    report = ("-report", tmp_path / "report.json")
    what = ("-test_path", batch.images, "-masks", "rectangle=1", *report)
    result = zoo.run("evaluate", *what, "-from_weights", weights)
    assert result.code == 0 and result.seconds < LIMIT
    assert json.loads((tmp_path / "report.json").read_text())["images"] == 1
    # To train on, where a list names the FIFO, to validate on and as a mask.
    for name, paths in {
        "train": [batch.images / "fifo.png"] + 2 * [images / "0.png"],
        "valid": [batch.images / "fifo.png"],
    }.items():
        (tmp_path / f"{name}.txt").write_text("\n".join(map(str, paths)))
    listed = {n: tmp_path / f"{n}.txt" for n in ("train", "valid")}
    for option in (
        ("-train_path", listed["train"], "-validation_split", 0),
        ("-train_path", images, "-validation_path", listed["valid"]),
        ("-train_path", images, "-mask_path", listed["valid"]),
    ):
        where = ("-output_path", tmp_path / "out", "-warm_up_generator", "-steps", 1)
        result = zoo.run(*TINY, *EAGER, *option, *where)
        assert result.code == 4 and result.seconds < LIMIT
        assert "fifo.png" in result.error and "not a regular file" in result.error
    fifo, good = batch.images / "fifo.png", images / "0.png"
    for image, mask, file in [
        (fifo, good, weights),
        (good, fifo, weights),
        (good, good, fifo),
    ]:
        paths = ("-image", image, "-mask", mask, "-from_weights", file)
        result = zoo.run("inpaint", *paths, "-save_to", tmp_path / "out.png")
        assert result.code == 4 and "fifo.png" in result.error
        assert result.seconds < LIMIT


@pytest.mark.row("B15")
@pytest.mark.parametrize("role", ["test_path", "mask_path"])
@pytest.mark.parametrize("link", [False, True])
def test_a_report_overwrites_no_input(tmp_path, capsys, role, link):
    """Its picture would lie beside it; no model is built before that is noticed."""
    folders = {"test_path": tmp_path / "in", "mask_path": tmp_path / "masks"}
    for folder in folders.values():
        folder.mkdir()
        save(folder / "a.png", noise())
    report = folders[role] / "a.json"
    if link:
        report = tmp_path / "b.json"
        report.with_suffix(".png").symlink_to(folders[role] / "a.png")
    paths = [word for n, path in folders.items() for word in (f"-{n}", str(path))]
    paths += ["-preset", "gmcnn_faces_128"]
    assert runner.main(["evaluate", *paths, "-report", str(report)]) == 4
    error = capsys.readouterr().err
    assert "-report" in error and report.with_suffix(".png").name in error
    np.testing.assert_array_equal(Image.open(folders[role] / "a.png"), noise())
    assert not report.exists()


@pytest.mark.row("B15")
def test_no_permission_and_overwriting(batch, zoo, weights):
    for name in ("locked.png", "good.png", "other.png"):
        batch.add(name)
    (batch.images / "locked.png").chmod(0)
    if os.access(batch.images / "locked.png", os.R_OK) and os.geteuid() != 0:
        pytest.skip("this user may read everything")
    assert batch.complete(zoo, weights).code == 2
    assert "Permission denied" in batch.rows["locked.png"]["reason"]
    assert batch.rows["good.png"]["status"] == "ok"
    given = ("-from_weights", weights, "-report", batch.out / "report.json")
    trained = (*TINY, "-train_path", batch.images, "-output_path", batch.out)
    for command in (("evaluate", "-test_path", batch.images, *given), trained):
        result = zoo.run(*command)
        assert result.code == 4 and "locked.png" in result.error
        assert "Permission denied" in result.error
    content = (batch.images / "good.png").read_bytes()
    into = ("-save_to", batch.images)
    what = ("-image", batch.images, "-mask", batch.masks, "-from_weights", weights)
    result = zoo.run("inpaint", *what, *into)
    assert result.code == 4 and "-in_place" in result.error
    assert (batch.images / "good.png").read_bytes() == content
    assert zoo.run("inpaint", *what, *into, "-in_place").code == 2
    assert (batch.images / "good.png").read_bytes() != content
