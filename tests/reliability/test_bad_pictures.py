"""Bad pictures: damaged, huge, turned, of every mode and size."""

import json
import os

import numpy as np
import pytest
from PIL import Image

from conftest import STORED
from inpainting_zoo.data.evaluation import EvaluationPairs, readable_pairs
from inpainting_zoo.data.images import PictureError
from inpainting_zoo.data.training import TrainingPairs

from .commands import EAGER, TINY
from .folders import HEIGHT, SQUARE, WIDTH, noise, save

MB = 2**20


def truncate(path):
    os.truncate(path, path.stat().st_size // 2)


def save_cut(path):
    truncate(save(path, noise()))


def save_gif(path):
    Image.fromarray(noise()).save(path, "GIF")


def save_bomb(path, width):
    """A picture of width x 10,000 pixels in a small file."""
    Image.new("1", (width, 10_000)).save(path)


# What no command reads.
UNREADABLE = {
    "cut jpeg.jpg": save_cut,
    "cut png.png": save_cut,
    "cut webp.webp": save_cut,
    "cut tiff.tif": save_cut,
    "empty.jpg": lambda path: path.write_bytes(b""),
    "text.jpg": lambda path: path.write_text("no picture"),
    "gif.png": save_gif,
    "120 megapixels.png": lambda path: save_bomb(path, 12_000),
    "200 megapixels.png": lambda path: save_bomb(path, 20_000),
}
BOMBS = [name for name in UNREADABLE if "mega" in name]


@pytest.fixture(scope="module")
def unreadable(tmp_path_factory):
    """A folder of the files of `UNREADABLE`, and a good picture and mask."""
    folder = tmp_path_factory.mktemp("unreadable")
    for name, make in UNREADABLE.items():
        make(folder / name)
    save(folder / "good.png", noise())
    save(folder / "hole.png", SQUARE)
    return folder


@pytest.mark.row("B1")
@pytest.mark.row("B2")
def test_unreadable_pictures_and_masks(batch, zoo, weights, unreadable):
    """Each fails alone, be it the picture or the mask."""
    batch.add("whole.png")
    for name in UNREADABLE:
        stem = name.partition(".")[0]
        (batch.images / name).hardlink_to(unreadable / name)
        save(batch.masks / f"{stem}.png", SQUARE)
        save(batch.images / f"mask {stem}.png", noise())
        (batch.masks / f"mask {name}").hardlink_to(unreadable / name)
    assert batch.complete(zoo, weights).code == 2
    for name, row in batch.rows.items():
        good = name == "whole.png"
        assert row["status"] == ("ok" if good else "failed"), row
        assert good or f"{name.partition('.')[0]}." in row["reason"]
        assert good or "must be a readable picture" in row["reason"]
        assert (batch.out / name).exists() == good
    assert len(batch.rows) == 1 + 2 * len(UNREADABLE)


@pytest.mark.row("B1")
@pytest.mark.row("B2")
@pytest.mark.parametrize("role", ["picture", "mask"])
@pytest.mark.parametrize("name", UNREADABLE)
def test_unreadable_files_of_pairs(unreadable, caplog, name, role):
    """Evaluation refuses them; training and its validation leave them out."""
    bad, good, hole = (unreadable / file for file in (name, "good.png", "hole.png"))
    files = {"images": [good] * 100, "mask_files": [hole] * 100}
    files["images" if role == "picture" else "mask_files"][3] = bad
    limit = "over the limit of 64000000 pixels" if name in BOMBS else "received"
    evaluated = EvaluationPairs(masks="files", image_size=8, **files)
    used = evaluated.images if role == "picture" else evaluated.mask_files
    with pytest.raises(PictureError, match=limit) as refusal:
        evaluated[used.index(bad)]
    assert refusal.value.path == bad and refusal.value.exit_code == 4
    trained = TrainingPairs(
        masks="files", image_size=8, batch_size=100, seed=0, **files
    )
    for i in range(3):
        assert trained.batch(i)["image"].shape == (100, 8, 8, 3)
    assert list(trained.unreadable) == [bad] and caplog.text.count(name) == 1
    assert limit in trained.unreadable[bad]
    trained.unreadable.totals["validation"] = 100
    assert len(readable_pairs(evaluated, trained.unreadable)) == 99
    assert list(trained.unreadable) == [bad] and caplog.text.count(name) == 1


def save_turned(path):
    exif = Image.Exif()
    exif[0x0112] = 6
    save(path, np.ascontiguousarray(STORED[6](noise(32, 32))), exif=exif)


def save_jpeg(path):
    Image.fromarray(noise(32, 32)).save(path, "JPEG", quality=100, subsampling=0)


GREY = noise(32, 32)[..., 0]
COLOURS = Image.fromarray(noise(32, 32))
ALPHA = Image.fromarray(noise(32, 32, 1)[..., 0])
# File -> what makes it, the picture that it shows, and how exactly.
READABLE = {
    "16-bit.png": (lambda p: save(p, GREY * np.uint16(257)), GREY, 0),
    "grey.png": (lambda p: save(p, GREY), GREY, 0),
    "grey and alpha.png": (
        lambda p: save(p, Image.merge("LA", [Image.fromarray(GREY), ALPHA])),
        GREY,
        0,
    ),
    "alpha.png": (
        lambda p: save(p, Image.merge("RGBA", [*COLOURS.split(), ALPHA])),
        noise(32, 32),
        0,
    ),
    "cmyk.tif": (lambda p: save(p, COLOURS.convert("CMYK")), noise(32, 32), 1),
    "turned.png": (save_turned, noise(32, 32), 0),
    "jpeg.png": (save_jpeg, noise(32, 32), 40),
}


@pytest.mark.row("B1")
@pytest.mark.row("B3")
@pytest.mark.row("B4")
@pytest.mark.row("B5")
@pytest.mark.parametrize("name", READABLE)
def test_odd_files_of_pairs(tmp_path, name):
    """Evaluation and training see the picture that `inpaint` sees."""
    make, picture, tolerance = READABLE[name]
    make(tmp_path / name)
    picture = np.broadcast_to(picture.reshape(32, 32, -1), (32, 32, 3)).astype(int)
    (_, evaluated, _), *_ = EvaluationPairs([tmp_path / name], "rectangle", 32)
    trained = TrainingPairs([tmp_path / name], "rectangle", 32, 1, 0, max_zoom=1)
    seen = trained.batch(0)["image"][0]
    mirrored = np.abs(seen - picture).max() > tolerance
    for found in (evaluated, seen[:, ::-1] if mirrored else seen):
        assert np.abs(found - picture).max() <= tolerance


@pytest.mark.row("B1")
def test_damaged_pictures_in_evaluation(zoo, weights, tmp_path):
    """A mean over fewer pictures would be another number: refused, by name."""
    for i in range(3):
        save(tmp_path / f"{i}.png", noise(seed=i))
    truncate(tmp_path / "1.png")
    report = ("-report", tmp_path / "report.json")
    what = ("-test_path", tmp_path, *report, "-from_weights", weights)
    result = zoo.run("evaluate", *what)
    assert result.code == 4 and "1.png" in result.error
    assert not (tmp_path / "report.json").exists()


@pytest.mark.row("B1")
@pytest.mark.parametrize(("bad", "code"), [(1, 0), (3, 4)])
@pytest.mark.parametrize("first", [0, 6], ids=["held out", "trained on"])
@pytest.mark.long
def test_damaged_pictures_in_training(zoo, tmp_path, first, bad, code):
    """Up to one in a hundred is replaced by another picture, or left out, and counted.

    Those to validate on are read before training begins.
    """
    folder = tmp_path / "in"
    folder.mkdir()
    for i in range(120):
        save(folder / f"{i:03}.png", noise(seed=i))
    order = np.random.default_rng(0).permutation(120)  # the first six are held out
    for i in order[first : first + bad]:
        truncate(folder / f"{i:03}.png")
    where = ("-train_path", folder, "-output_path", tmp_path / "out")
    options = ("-warm_up_generator", "-batch_size", 57, "-steps", 2, "-image_size", 8)
    result = zoo.run(*TINY, *EAGER, *where, *options)
    assert result.code == code, result.err
    assert ("skipped 1 unreadable" in result.out) == (bad == 1)
    assert ("at most 1 %" in result.err) == (bad == 3)
    started = "from step 0" in result.out
    assert started == (bad == 1 or first == 6)
    if bad == 1:
        (metrics,) = (tmp_path / "out").glob("*/metrics.json")
        numbers = json.loads(metrics.read_text())
        assert numbers["warm_up_generator"]["unreadable_files"] == 1


@pytest.mark.row("B2")
def test_bombs(batch, zoo, weights, record_property):
    batch.add("small.png")
    batch.complete(zoo, weights)
    for width in (12_000, 20_000):  # 120 and 200 megapixels
        batch.add(f"{width}.png", Image.new("1", (width, 10_000)))
    batch.add("mask.png", mask=Image.new("1", (12_000, 10_000)))
    largest = max(path.stat().st_size for path in batch.images.iterdir())
    result = batch.complete(zoo, weights)
    record_property("memory growth in MB", result.growth // MB)
    record_property("file in kB", largest // 1000)
    assert largest < 200_000
    assert result.code == 2 and result.growth < 50 * MB
    for name in ("12000.png", "20000.png", "mask.png"):
        reason = batch.rows[name]["reason"]
        assert batch.rows[name]["status"] == "failed"
        assert "over the limit of 64000000" in reason
    assert batch.complete(zoo, weights, "-max_pixels", 1000).code == 2
    assert "1000" in batch.rows["small.png"]["reason"]


@pytest.mark.row("B2")
@pytest.mark.parametrize("limit", [100, None])
def test_the_pixel_limit_in_evaluation_and_training(zoo, weights, tmp_path, limit):
    folder = tmp_path / "in"
    folder.mkdir()
    for i in range(4):
        save(folder / f"{i}.png", noise(seed=i))
    option = ("-max_pixels", limit) if limit else ()
    report = ("-report", tmp_path / "report.json", "-from_weights", weights)
    evaluated = zoo.run("evaluate", "-test_path", folder, *report, *option)
    where = ("-train_path", folder, "-output_path", tmp_path / "out")
    options = ("-warm_up_generator", "-batch_size", 2, "-steps", 1, "-image_size", 8)
    trained = zoo.run(*TINY, *EAGER, *where, *options, *option)
    for result in (evaluated, trained):
        assert result.code == (4 if limit else 0), result.err
        assert ("over the limit of 100 pixels" in result.err) == bool(limit)


@pytest.mark.row("B3")
def test_orientation(batch, zoo, weights, record_property):
    """The mask of a picture with orientation n has another orientation, m."""
    for n, m in zip(STORED, [6, 1, 8, 5, 3, 2, 4, 7]):
        tags = [Image.Exif(), Image.Exif()]
        tags[0][0x0112], tags[1][0x0112] = n, m
        batch.add(f"{n}.png", np.ascontiguousarray(STORED[n](noise())), exif=tags[0])
        mask = np.ascontiguousarray(STORED[m](SQUARE))
        save(batch.masks / f"{n}.png", mask, exif=tags[1])
    assert batch.complete(zoo, weights).code == 0
    for n in STORED:
        after = np.asarray(batch.after(f"{n}.png"))
        changed = (after != noise()).any(axis=2)
        assert not changed[~SQUARE].any() and changed[SQUARE].mean() > 0.9
    record_property("orientations", len(STORED))


@pytest.mark.row("B4")
def test_sixteen_bits(batch, zoo, weights):
    import cv2

    values = np.random.default_rng(0).integers(0, 2**16, (HEIGHT, WIDTH, 3), np.uint16)
    batch.add("grey.png", Image.fromarray(values[..., 0]))
    batch.add("colour.png")
    assert cv2.imwrite(str(batch.images / "colour.png"), values[..., ::-1])
    assert batch.complete(zoo, weights).code == 0
    grey = np.asarray(batch.after("grey.png"))
    assert grey.dtype == np.uint16
    np.testing.assert_array_equal(grey[~SQUARE], values[..., 0][~SQUARE])
    colour = np.asarray(batch.after("colour.png"))
    assert np.abs(colour - values / 257)[~SQUARE].max() <= 1
    for after, true in ((grey / 257, values[..., 0]), (colour, values)):
        hole, known = after[SQUARE], (true / 257)[~SQUARE]
        assert abs(after[~SQUARE].mean() - known.mean()) <= 1
        assert (hole == 255).mean() < 0.2 and 30 < hole.mean() < 225


@pytest.mark.row("B5")
def test_modes_and_formats(batch, zoo, weights, record_property):
    rgba = np.dstack([noise(), noise(seed=1)[..., 0]])
    picture = Image.fromarray(rgba)
    kept = {"RGB": "png", "RGBA": "png", "LA": "png", "L": "png", "1": "png"}
    for mode, suffix in kept.items():
        batch.add(f"{mode}.{suffix}", picture.convert(mode))
    batch.add("P.png", picture.convert("RGB").quantize(40))
    batch.add("cmyk.jpg", picture.convert("CMYK"), quality=95)
    batch.add("tiff.tif", picture)
    batch.add("webp.webp", picture, lossless=True, exact=True)
    assert batch.complete(zoo, weights).code == 0
    record_property("pictures", len(batch.rows))
    for name in ("RGB.png", "RGBA.png", "LA.png", "L.png", "1.png", "P.png"):
        before, after = batch.before(name), batch.after(name)
        assert (after.mode, after.size) == (before.mode, before.size)
        known = [np.asarray(p.convert("RGBA"))[~SQUARE] for p in (before, after)]
        np.testing.assert_array_equal(*known)
    for name in ("RGBA.png", "LA.png", "tiff.tif", "webp.webp"):
        alpha = [np.asarray(p.getchannel("A")) for p in (batch.after(name), picture)]
        np.testing.assert_array_equal(*alpha)
    for name in ("tiff.tif", "webp.webp"):
        known = [np.asarray(p)[~SQUARE] for p in (batch.after(name), picture)]
        np.testing.assert_array_equal(*known)
    # JPEG is lossy and CMYK becomes RGB: right channels, and no more is promised.
    after = np.asarray(batch.after("cmyk.jpg"), int)[~SQUARE]
    before = np.asarray(batch.before("cmyk.jpg").convert("RGB"), int)[~SQUARE]
    correlations = [np.corrcoef(after[:, c], before[:, c])[0, 1] for c in range(3)]
    assert min(correlations) > 0.7


@pytest.mark.row("B11")
def test_odd_sizes(batch, zoo, weights, record_property):
    sizes = [(1, 1), (7, 5), (3000, 10), (10, 3000), (2, 1), (33, 31), (129, 257)]
    for height, width in sizes:
        mask = np.zeros((height, width), bool)
        mask[height // 3 : height // 2 + 1, width // 3 : width // 2 + 1] = True
        batch.add(f"{width}x{height}.png", noise(height, width), mask)
    assert batch.complete(zoo, weights).code == 0
    record_property("sizes", len(sizes))
    for height, width in sizes:
        name = f"{width}x{height}.png"
        assert batch.after(name).size == (width, height)
        assert not batch.changed_outside(name)
