"""Bad input: damaged, odd and hostile picture files, names and masks."""

import json
import os

import numpy as np
import pytest
from PIL import Image

import runner
from data.images import PictureError
from data.pairs import EvaluationPairs, TrainingPairs, readable_pairs

from .commands import EAGER, TINY

MB = 2**20
HEIGHT, WIDTH = 36, 48
SQUARE = np.zeros((HEIGHT, WIDTH), bool)
SQUARE[8:22, 12:30] = True


def noise(height=HEIGHT, width=WIDTH, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def save(path, array, **options):
    """Saves an array or picture; truth becomes black and white."""
    if not isinstance(array, Image.Image):
        array = np.asarray(array)
        array = array * np.uint8(255) if array.dtype == bool else array
        array = Image.fromarray(array)
    array.save(path, **options)
    return path


class Batch:
    """Pictures with their masks, all completed by one command."""

    def __init__(self, folder):
        self.images, self.masks, self.out = (folder / n for n in ("in", "masks", "out"))
        self.images.mkdir()
        self.masks.mkdir()
        self.rows = {}

    def add(self, name, picture=None, mask=SQUARE, **options):
        """Adds `name`, noise by default, with `mask` under the name's stem."""
        save(self.images / name, noise() if picture is None else picture, **options)
        save(self.masks / f"{name.rpartition('.')[0]}.png", mask)

    def complete(self, zoo, weights, *options):
        paths = ("-image", self.images, "-mask", self.masks, "-save_to", self.out)
        result = zoo.run("inpaint", *paths, "-from_weights", weights, *options)
        assert "Traceback" not in result.err, result.err
        lines = (self.out / "ledger.jsonl").read_text().splitlines()
        self.rows = {row["file"]: row for row in map(json.loads, lines)}
        return result

    def before(self, name):
        return Image.open(self.images / name)

    def after(self, name):
        row = self.rows[name]
        assert row["status"] == "ok", row
        return Image.open(self.out / name)

    def changed(self, name):
        """Where the output differs from the input."""
        before, after = np.asarray(self.before(name)), np.asarray(self.after(name))
        return (before != after).reshape(*before.shape[:2], -1).any(axis=2)

    def changed_outside(self, name):
        """Whether a known pixel has changed."""
        hole = np.asarray(Image.open(self.masks / name)) > 0
        return self.changed(name)[~hole].any()


@pytest.fixture
def batch(tmp_path):
    return Batch(tmp_path)


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
    """A folder of the files of `UNREADABLE`, and a good one."""
    folder = tmp_path_factory.mktemp("unreadable")
    for name, make in UNREADABLE.items():
        make(folder / name)
    save(folder / "good.png", noise())
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
    bad, good = unreadable / name, unreadable / "good.png"
    files = {"images": [good] * 100, "mask_files": [good] * 100}
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


# What a file must hold for orientation n to show the same picture.
STORED = {
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
    8: lambda a: np.rot90(a, -1),
}


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


@pytest.mark.row("B6")
def test_masks_of_every_kind(batch, zoo, weights, record_property):
    """Each means the same hole as the black and white PNG."""
    grey = SQUARE * np.uint8(255)
    glass = np.dstack([np.full((*SQUARE.shape, 3), (255, 0, 0), np.uint8), grey])
    soft = np.asarray(Image.fromarray(grey).resize((WIDTH * 4, HEIGHT * 4)))
    soft = Image.fromarray(soft).resize((WIDTH, HEIGHT), Image.BOX)
    masks = {
        "binary": (SQUARE, "png", {}),
        "jpeg": (grey, "jpg", {"quality": 75}),
        "antialiased": (soft, "png", {}),
        "zero and one": (SQUARE.astype(np.uint8), "png", {}),
        "glass": (glass, "png", {}),
        "float": (SQUARE.astype(np.float32), "tif", {}),
        "one bit": (Image.fromarray(grey).convert("1"), "png", {}),
        "sixteen bits": (Image.fromarray(SQUARE * np.uint16(65535)), "png", {}),
        "palette": (Image.fromarray(grey).quantize(2), "png", {}),
    }
    for name, (mask, suffix, options) in masks.items():
        save(batch.images / f"{name}.png", noise())
        save(batch.masks / f"{name}.{suffix}", mask, **options)
    assert batch.complete(zoo, weights).code == 0
    contents = {(batch.out / f"{name}.png").read_bytes() for name in masks}
    record_property("kinds of masks", len(masks))
    assert len(contents) == 1
    assert not batch.changed("binary.png")[~SQUARE].any()


@pytest.mark.row("B7")
def test_masks_of_other_sizes(batch, zoo, weights):
    double = np.kron(SQUARE, np.ones((2, 2), bool))
    batch.add("double.png", mask=double)
    batch.add("aspect.png", mask=np.ones((WIDTH, WIDTH), bool))
    assert batch.complete(zoo, weights).code == 2
    assert "-resize_mask" in batch.rows["double.png"]["reason"]
    assert "aspect" in batch.rows["aspect.png"]["reason"]
    assert batch.complete(zoo, weights, "-resize_mask").code == 2
    assert "aspect" in batch.rows["aspect.png"]["reason"]
    assert not batch.changed("double.png")[~SQUARE].any()
    assert batch.changed("double.png")[SQUARE].mean() > 0.9


@pytest.mark.row("B8")
def test_empty_mask(batch, zoo, weights):
    for name in ("a.png", "b.jpg", "c.webp"):
        batch.add(name, mask=np.zeros_like(SQUARE))
    result = batch.complete(zoo, weights)
    assert result.code == 0 and "predict_image" not in result.calls
    for name in batch.rows:
        after, before = batch.out / name, batch.images / name
        assert after.read_bytes() == before.read_bytes()


@pytest.mark.row("B9")
@pytest.mark.row("B10")
def test_nearly_full_and_inverted_masks(batch, zoo, weights):
    shares = {"full": 1.0, "most": 0.96, "inverted": 0.85, "half": 0.5}
    for name, share in shares.items():
        mask = np.zeros_like(SQUARE)
        mask.ravel()[: int(share * mask.size)] = True
        batch.add(f"{name}.png", mask=mask)
    assert batch.complete(zoo, weights).code == 0
    for name, share in shares.items():
        warnings = batch.rows[f"{name}.png"]["warnings"]
        assert ("-invert_mask" in "".join(warnings)) == (share > 0.8)
        after = np.asarray(batch.after(f"{name}.png"))
        # NaN would be black.
        assert after.shape == (HEIGHT, WIDTH, 3) and after[0].min() > 0
    assert batch.complete(zoo, weights, "-invert_mask").code == 0
    assert batch.rows["full.png"]["warnings"] == []


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
    assert report.with_suffix(".csv").read_bytes().count(b"\ncaf\xe9.png,") == 5


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


@pytest.mark.row("B14")
@pytest.mark.parametrize(
    "count",
    [
        pytest.param(20, marks=pytest.mark.short),
        pytest.param(100, marks=pytest.mark.slow),
    ],
)
def test_known_pixels_of_random_pictures(batch, zoo, weights, count, record_property):
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 64, (6, 2))  # a new size takes the engine long
    for i in range(count):
        height, width = sizes[i % len(sizes)]
        mask = rng.random((height, width)) < rng.uniform(0, 0.8)
        batch.add(f"{i}.png", noise(height, width, i), mask)
    assert batch.complete(zoo, weights).code == 0
    record_property("pictures", len(batch.rows))
    assert not any(map(batch.changed_outside, batch.rows))


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
