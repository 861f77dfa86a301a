"""Files and folders through completion: modes, masks, names, faults, reruns."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from conftest import Plain
from inpainting_zoo.errors import InputError
from inpainting_zoo.inpainting.folder import inpaint_folder
from inpainting_zoo.inpainting.modes import FORMATS, NEXT_BEST, editable, encode, paste
from inpainting_zoo.inpainting.pairing import Masks, find_images
from inpainting_zoo.inpainting.picture import PictureWarning, inpaint_file

ROOT = Path(__file__).parents[1]
MODES = sorted(NEXT_BEST)


def telea(image, mask):
    """A real, classical completion."""
    return cv2.inpaint(image, mask, 3, cv2.INPAINT_TELEA)


def red(image, mask):
    return np.where(mask[..., None] > 0, np.uint8([255, 0, 0]), image)


def never(image, mask):
    raise AssertionError("the model was called")


def picture_of(mode, height=24, width=32, seed=0):
    """A random picture; its palette is random and in part transparent."""
    rng = np.random.default_rng(seed)
    if mode == "I;16":
        return Image.fromarray(rng.integers(0, 2**16, (height, width), np.uint16))
    if mode != "P":
        rgba = rng.integers(0, 256, (height, width, 4), np.uint8)
        return Image.fromarray(rgba).convert(mode)
    indices = rng.integers(0, 40, (height, width), np.uint8)
    picture = Image.frombytes("P", (width, height), indices.tobytes())
    picture.putpalette(rng.integers(0, 256, 3 * 40, np.uint8).tobytes())
    picture.info["transparency"] = bytes([0, 128] + [255] * 38)
    return picture


def save(picture, path):
    picture.save(path, transparency=picture.info.get("transparency"))
    return path


def save_mask(path, mask):
    Image.fromarray(np.asarray(mask, np.uint8) * 255).save(path)
    return path


def square(height=24, width=32):
    mask = np.zeros((height, width), np.uint8)
    mask[height // 4 : height // 2 + 1, width // 4 : width // 2 + 1] = 1
    return mask


def leftovers(folder):
    return [path for path in folder.rglob("*") if path.suffix == ".part"]


def rows_of(folder):
    """The row of each file, of which a stopped run says before that it has begun."""
    lines = (folder / "ledger.jsonl").read_text().splitlines()
    found = [row for row in map(json.loads, lines) if row["status"] != "begun"]
    rows = {row["file"]: row for row in found}
    assert len(rows) == len(found)
    return rows


# One file


@pytest.mark.parametrize("mode", MODES)
def test_mode_size_alpha_and_known_pixels_stay(tmp_path, mode):
    source = save(picture_of(mode), tmp_path / "in.png")
    mask = save_mask(tmp_path / "mask.png", square())
    row = inpaint_file(Plain(telea), source, mask, tmp_path / "out.png")
    before, after = Image.open(source), Image.open(tmp_path / "out.png")
    assert (after.mode, after.size) == (before.mode, before.size) == (mode, (32, 24))
    known = square() == 0
    np.testing.assert_array_equal(np.array(after)[known], np.array(before)[known])
    rgba = np.array(before.convert("RGBA")), np.array(after.convert("RGBA"))
    np.testing.assert_array_equal(rgba[0][known], rgba[1][known])
    np.testing.assert_array_equal(rgba[0][..., 3], rgba[1][..., 3])
    assert (np.array(after) != np.array(before))[square() > 0].any()
    assert row["status"] == "ok" and row["warnings"] == []
    content = (tmp_path / "out.png").read_bytes()
    assert row["sha256"] == hashlib.sha256(content).hexdigest()
    assert leftovers(tmp_path) == []


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    mode=st.sampled_from(MODES),
    suffix=st.sampled_from([".png", ".tif", ".bmp", ".webp"]),
    height=st.integers(1, 20),
    width=st.integers(1, 20),
    seed=st.integers(0, 99),
    share=st.sampled_from([0, 0.01, 0.3, 1]),
)
@pytest.mark.filterwarnings("ignore::inpainting_zoo.inpainting.picture.PictureWarning")
def test_any_mode_size_and_mask(tmp_path, mode, suffix, height, width, seed, share):
    """What the output shows of known pixels is what the input shows of them."""
    source = save(picture_of(mode, height, width, seed), tmp_path / "in.png")
    mask = np.random.default_rng(seed).random((height, width)) < share
    save_mask(tmp_path / "mask.png", mask)
    output = tmp_path / f"out{suffix}"
    inpaint_file(Plain(telea), source, tmp_path / "mask.png", output)
    before, after = Image.open(source), Image.open(output)
    assert after.size == (width, height)
    alpha = after.has_transparency_data
    if mode == "I;16" and after.mode != "I;16":
        eight = (np.array(before).astype(int) + 128) // 257
        np.testing.assert_array_equal(np.array(after.convert("L"))[~mask], eight[~mask])
    elif mode == "I;16":
        np.testing.assert_array_equal(np.array(after)[~mask], np.array(before)[~mask])
    else:
        shown = [np.array(p.convert("RGBA")) for p in (before, after)]
        channels = 4 if alpha else 3
        np.testing.assert_array_equal(
            shown[0][~mask][:, :channels], shown[1][~mask][:, :channels]
        )


def test_hole_takes_the_completed_colour_in_every_mode():
    """Pure red: luminance 76; black and white: black; palette: its reddest entry."""
    hole = np.array([[0, 1]])
    completed = np.full((1, 2, 3), (255, 0, 0), np.uint8)

    def pasted(picture):
        return np.array(paste(picture, completed, hole))[0, 1].tolist()

    assert pasted(Image.new("RGB", (2, 1))) == [255, 0, 0]
    assert pasted(Image.new("RGBA", (2, 1), (1, 2, 3, 4))) == [255, 0, 0, 4]
    assert pasted(Image.new("L", (2, 1))) == 76
    assert pasted(Image.new("LA", (2, 1), (9, 7))) == [76, 7]
    assert pasted(Image.new("1", (2, 1), 1)) is False
    assert pasted(Image.fromarray(np.zeros((1, 2), np.uint16))) == 76 * 257
    palette = Image.new("P", (2, 1))
    palette.putpalette([0, 0, 0, 0, 255, 0, 250, 3, 3])
    assert pasted(palette) == 2


def test_palette_keeps_transparent_pixels_transparent():
    picture = Image.new("P", (2, 1), 0)
    picture.putpalette([0, 0, 0, 255, 0, 0, 9, 9, 9])
    picture.info["transparency"] = bytes([0, 255, 255])
    completed = np.full((1, 2, 3), (255, 0, 0), np.uint8)
    after = paste(picture, completed, np.ones((1, 2)))
    assert np.array(after.convert("RGBA"))[..., 3].tolist() == [[0, 0]]


@pytest.mark.parametrize(
    ("mode", "becomes"),
    [("CMYK", "RGB"), ("YCbCr", "RGB"), ("F", "RGB"), ("I", "I;16")],
)
def test_other_modes_become_editable(mode, becomes):
    assert editable(Image.new(mode, (3, 2))).mode == becomes


def test_transparent_colour_becomes_an_alpha_channel(tmp_path):
    Image.new("RGB", (8, 8), (1, 2, 3)).save(tmp_path / "a.png", transparency=(1, 2, 3))
    save_mask(tmp_path / "m.png", square(8, 8))
    inpaint_file(Plain(red), tmp_path / "a.png", tmp_path / "m.png", tmp_path / "o.png")
    after = np.array(Image.open(tmp_path / "o.png"))
    assert after.shape == (8, 8, 4) and (after[..., 3] == 0).all()


def test_colour_profile_is_kept_and_exif_is_not(tmp_path):
    exif = Image.Exif()
    exif[0x010F] = "camera"
    picture = picture_of("RGB")
    picture.save(tmp_path / "in.png", icc_profile=b"profile", exif=exif)
    mask = save_mask(tmp_path / "mask.png", square())
    inpaint_file(Plain(telea), tmp_path / "in.png", mask, tmp_path / "out.png")
    after = Image.open(tmp_path / "out.png")
    assert after.info["icc_profile"] == b"profile" and not dict(after.getexif())


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("mask_orientation", [1, 6])
def test_output_is_upright(tmp_path, orientation, mask_orientation):
    """The hole is where it shows, however image and mask are tagged."""
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # transpositions of Pillow

    def save_tagged(upright, tag, path):
        exif = Image.Exif()
        exif[0x0112] = tag
        if tag > 1:
            upright = upright.transpose(undo[tag])
        upright.save(path, exif=exif)

    picture, mask = picture_of("RGB"), square()
    save_tagged(picture, orientation, tmp_path / "in.png")
    save_tagged(Image.fromarray(mask * 255), mask_orientation, tmp_path / "m.png")
    inpaint_file(
        Plain(red), tmp_path / "in.png", tmp_path / "m.png", tmp_path / "out.png"
    )
    after = Image.open(tmp_path / "out.png")
    np.testing.assert_array_equal(np.array(after), red(np.array(picture), mask))
    assert after.getexif().get(0x0112, 1) == 1


@pytest.mark.parametrize("name", ["out.png", "out.jpg", "out.webp"])
def test_empty_mask_gives_the_input_back(tmp_path, name):
    source = tmp_path / f"in{Path(name).suffix}"
    picture_of("RGB").save(source)
    mask = save_mask(tmp_path / "mask.png", np.zeros((24, 32)))
    row = inpaint_file(Plain(never), source, mask, tmp_path / name)
    assert (tmp_path / name).read_bytes() == source.read_bytes()
    assert row["warnings"] == ["mask: no pixel is hole, the picture stays as it is"]


def test_empty_mask_and_another_format(tmp_path):
    source = save(picture_of("RGBA"), tmp_path / "in.png")
    mask = save_mask(tmp_path / "mask.png", np.zeros((24, 32)))
    inpaint_file(Plain(never), source, mask, tmp_path / "out.tif")
    after = np.array(Image.open(tmp_path / "out.tif"))
    np.testing.assert_array_equal(after, np.array(Image.open(source)))


@pytest.mark.parametrize("filled", [20, 24])
def test_mostly_hole_warns(tmp_path, filled):
    source = save(picture_of("RGB"), tmp_path / "in.png")
    mask = np.zeros((24, 32))
    mask[:filled] = 1
    save_mask(tmp_path / "mask.png", mask)
    arguments = Plain(telea), source, tmp_path / "mask.png", tmp_path / "out.png"
    with pytest.warns(PictureWarning, match="-invert_mask"):
        row = inpaint_file(*arguments)
    assert "-invert_mask" in row["warnings"][0]
    inverted = "".join(inpaint_file(*arguments, invert_mask=True)["warnings"])
    assert "-invert_mask" not in inverted
    assert ("no pixel is hole" in inverted) == (filled == 24)


def test_jpeg_warns_and_drops_alpha(tmp_path):
    source = save(picture_of("RGBA"), tmp_path / "in.png")
    mask = save_mask(tmp_path / "mask.png", square())
    with pytest.warns(PictureWarning):
        row = inpaint_file(Plain(telea), source, mask, tmp_path / "out.jpg")
    assert "alpha" in row["warnings"][0] and "known pixels" in row["warnings"][1]
    assert Image.open(tmp_path / "out.jpg").mode == "RGB"


def test_mask_of_another_size(tmp_path):
    source = save(picture_of("RGB"), tmp_path / "in.png")
    double = save_mask(tmp_path / "double.png", np.kron(square(), np.ones((2, 2))))
    other = save_mask(tmp_path / "other.png", np.ones((32, 32)))
    output = tmp_path / "out.png"
    with pytest.raises(InputError, match="-resize_mask"):
        inpaint_file(Plain(telea), source, double, output)
    with pytest.raises(InputError, match="aspect"):
        inpaint_file(Plain(telea), source, other, output, resize_mask=True)
    assert not output.exists()
    inpaint_file(Plain(red), source, double, output, resize_mask=True)
    expected = red(np.array(Image.open(source)), square())
    np.testing.assert_array_equal(np.array(Image.open(output)), expected)


def test_unknown_suffix_lists_the_known(tmp_path):
    with pytest.raises(InputError, match=r"\.png, \.jpg"):
        inpaint_file(Plain(never), "in.png", "mask.png", tmp_path / "out.gif")
    with pytest.raises(InputError, match="save_to: must be a format that holds"):
        encode(Image.new("RGB", (20000, 1)), ".webp")
    assert set(FORMATS) >= {".png", ".jpg", ".webp", ".tiff"}


def test_inputs_are_never_overwritten(tmp_path):
    source = save(picture_of("RGB"), tmp_path / "in.png")
    mask = save_mask(tmp_path / "mask.png", square())
    link = tmp_path / "link.png"
    link.symlink_to(source)
    before = source.read_bytes(), mask.read_bytes()
    for output in (source, mask, link):
        with pytest.raises(InputError, match="save_to: must not be"):
            inpaint_file(Plain(red), source, mask, output)
    with pytest.raises(InputError, match="save_to: must not be"):
        inpaint_file(Plain(red), source, mask, mask, in_place=True)
    assert (source.read_bytes(), mask.read_bytes()) == before
    inpaint_file(Plain(red), source, mask, source, in_place=True)
    assert np.array(Image.open(source))[8, 10].tolist() == [255, 0, 0]


@pytest.mark.parametrize("content", [b"", b"no picture", b"truncated"])
def test_damaged_input_leaves_nothing_behind(tmp_path, content):
    source = save(picture_of("RGB"), tmp_path / "in.png")
    mask = save_mask(tmp_path / "mask.png", square())
    if content == b"truncated":
        content = source.read_bytes()[:-600]
    source.write_bytes(content)
    with pytest.raises(InputError, match=r"in\.png"):
        inpaint_file(Plain(never), source, mask, tmp_path / "new" / "out.png")
    assert not (tmp_path / "new").exists()


def test_pixel_cap(tmp_path):
    source = save(picture_of("RGB"), tmp_path / "in.png")
    mask = save_mask(tmp_path / "mask.png", square())
    with pytest.raises(InputError, match="767"):
        inpaint_file(Plain(never), source, mask, tmp_path / "out.png", max_pixels=767)


@pytest.mark.filterwarnings("ignore::inpainting_zoo.inpainting.picture.PictureWarning")
def test_known_pixels_of_a_hundred_pictures(tmp_path):
    rng = np.random.default_rng(0)
    for seed in range(100):
        height, width = rng.integers(1, 80, 2)
        picture = picture_of("RGB", height, width, seed)
        save(picture, tmp_path / "in.png")
        mask = rng.random((height, width)) < rng.uniform(0, 0.8)
        save_mask(tmp_path / "m.png", mask)
        inpaint_file(
            Plain(telea, 32),
            tmp_path / "in.png",
            tmp_path / "m.png",
            tmp_path / "o.png",
        )
        after = np.array(Image.open(tmp_path / "o.png"))
        np.testing.assert_array_equal(after[~mask], np.array(picture)[~mask])


# Folders


@pytest.fixture
def folders(tmp_path):
    """Images a.jpg, a.png, sub/b.webp and a truncated c.png, with a mask for each."""
    images, masks, output = (tmp_path / name for name in ("images", "masks", "out"))
    for folder in (images / "sub", masks / "sub"):
        folder.mkdir(parents=True)
    for number, name in enumerate(["a.jpg", "a.png", "sub/b.webp", "c.png"]):
        picture_of("RGB", seed=number).save(images / name)
        save_mask((masks / name).with_suffix(".png"), square())
    content = (images / "c.png").read_bytes()
    (images / "c.png").write_bytes(content[: len(content) // 2])
    return images, masks, output


def test_folder(folders, caplog):
    caplog.set_level("INFO")
    images, masks, output = folders
    assert inpaint_folder(Plain(red), images, masks, output) == 2
    rows = rows_of(output)
    assert {name: row["status"] for name, row in rows.items()} == {
        "a.jpg": "ok",
        "a.png": "ok",
        "c.png": "failed",
        "sub/b.webp": "ok",
    }
    assert "c.png" in rows["c.png"]["reason"] and rows["c.png"]["sha256"] == ""
    for name, row in rows.items():
        assert (output / name).exists() == (row["status"] == "ok")
        assert set(row) >= {"file", "status", "reason", "sha256", "seconds"}
        if row["sha256"]:
            content = (output / name).read_bytes()
            assert row["sha256"] == hashlib.sha256(content).hexdigest()
    expected = red(np.array(Image.open(images / "a.png")), square())
    np.testing.assert_array_equal(np.array(Image.open(output / "a.png")), expected)
    assert "3 ok, 0 skipped, 1 failed, 1 with warnings" in caplog.text


def test_rerun_skips_what_is_done_and_intact(folders):
    images, masks, output = folders
    inpaint_folder(Plain(red), images, masks, output)
    (output / "a.png").write_bytes(b"damaged")
    (output / "sub" / "b.webp").unlink()
    calls = []

    def counting(image, mask):
        calls.append(1)
        return red(image, mask)

    assert inpaint_folder(Plain(counting), images, masks, output) == 2
    statuses = {name: row["status"] for name, row in rows_of(output).items()}
    assert statuses == {
        "a.jpg": "skipped",
        "a.png": "ok",
        "c.png": "failed",
        "sub/b.webp": "ok",
    }
    assert len(calls) == 2
    (images / "c.png").unlink()
    assert inpaint_folder(Plain(never), images, masks, output) == 0


def test_rerun_redoes_what_has_changed(folders):
    images, masks, output = folders
    (images / "c.png").unlink()
    assert inpaint_folder(Plain(red), images, masks, output) == 0
    save_mask(masks / "sub" / "b.png", 1 - square())
    inpaint_folder(Plain(telea), images, masks, output)
    statuses = {name: row["status"] for name, row in rows_of(output).items()}
    assert statuses["sub/b.webp"] == "ok" and statuses["a.png"] == "skipped"
    inpaint_folder(Plain(telea), images, masks, output, recipe="telea")
    assert {row["status"] for row in rows_of(output).values()} == {"ok"}


SLOWLY = """
import sys, time
from inpainting_zoo.inpainting.folder import inpaint_folder
from conftest import Plain
from test_inpainting_files import red
def slowly(image, mask):
    time.sleep(0.1)
    return red(image, mask)
sys.exit(inpaint_folder(Plain(slowly), *sys.argv[1:]))
"""


def test_killed_half_way_and_run_again(tmp_path):
    """Finished files are not redone; the outputs equal those of one clean run."""
    images, mask = tmp_path / "images", save_mask(tmp_path / "m.png", square())
    images.mkdir()
    for number in range(12):
        picture_of("RGB", seed=number).save(images / f"{number:02}.png")
    arguments = [sys.executable, "-c", SLOWLY, images, mask, tmp_path / "out"]
    process = subprocess.Popen(arguments, cwd=ROOT / "tests", stderr=subprocess.DEVNULL)
    while len(list(tmp_path.glob("out/*.png"))) < 6:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    finished = {p: p.stat().st_mtime_ns for p in tmp_path.glob("out/*.png")}
    (tmp_path / "out" / ".zoo-0.part").write_bytes(b"cut")
    (tmp_path / "out" / ".zoo-1.part" / "variables").mkdir(parents=True)
    assert inpaint_folder(Plain(red), images, mask, tmp_path / "out") == 0
    statuses = [row["status"] for row in rows_of(tmp_path / "out").values()]
    assert statuses.count("skipped") >= len(finished) - 1 and len(statuses) == 12
    assert leftovers(tmp_path) == []
    inpaint_folder(Plain(red), images, mask, tmp_path / "clean")
    for path in (tmp_path / "clean").glob("*.png"):
        assert path.read_bytes() == (tmp_path / "out" / path.name).read_bytes()


def test_a_cut_ledger_is_continued(folders):
    images, masks, output = folders
    inpaint_folder(Plain(red), images, masks, output)
    ledger = output / "ledger.jsonl"
    ledger.write_text(ledger.read_text()[:-30])
    inpaint_folder(Plain(red), images, masks, output)
    assert set(rows_of(output)) == {"a.jpg", "a.png", "c.png", "sub/b.webp"}


def test_output_folder_that_vanishes_stops_the_run(folders):
    """The ledger stays open, so that it tells what was done."""
    images, masks, output = folders
    calls = []

    def replace_folder_by_file(image, mask):
        calls.append(1)
        if len(calls) == 2:
            (output / "ledger.jsonl").rename(images.parent / "ledger.jsonl")
            (output / "a.jpg").unlink()
            output.rmdir()
            output.write_text("a file now")
        return red(image, mask)

    with pytest.raises(InputError, match="must stay writable, 3 files are not done"):
        inpaint_folder(Plain(replace_folder_by_file), images, masks, output)
    rows = rows_of(images.parent)
    assert [row["status"] for row in rows.values()] == ["ok", *["skipped"] * 3]
    assert "not done" in rows["sub/b.webp"]["reason"]


@pytest.fixture
def open_folder():
    """A temporary folder for all, and no right to write where modes forbid it."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        if os.geteuid() == 0:
            os.seteuid(65534)  # "nobody": read-only folders mean nothing to root
            yield Path(folder)
            os.seteuid(0)
        else:
            yield Path(folder)


def test_output_folder_that_becomes_read_only_stops_the_run(open_folder):
    images, output = open_folder / "images", open_folder / "out"
    images.mkdir()
    for number in range(5):
        picture_of("RGB", seed=number).save(images / f"{number}.png")
    mask = save_mask(open_folder / "mask.png", square())
    calls = []

    def lock_at_third(image, mask):
        calls.append(1)
        if len(calls) == 3:
            output.chmod(0o555)
        return red(image, mask)

    with pytest.raises(InputError, match=r"3 files are not done.*Permission denied"):
        inpaint_folder(Plain(lock_at_third), images, mask, output)
    statuses = [row["status"] for row in rows_of(output).values()]
    assert statuses == ["ok", "ok", "skipped", "skipped", "skipped"]
    assert leftovers(output) == []
    output.chmod(0o755)
    assert inpaint_folder(Plain(red), images, mask, output) == 0
    statuses = [row["status"] for row in rows_of(output).values()]
    assert statuses == ["skipped", "skipped", "ok", "ok", "ok"]


def test_odd_names(tmp_path):
    images, masks = tmp_path / "images", tmp_path / "masks"
    images.mkdir(), masks.mkdir()
    names = ["é ü 漢字", "a b", "line\nbreak", "x" * 251, "-rf", "a.b", "🙂", "%s{}"]
    for name in names:
        for folder in (images, masks):
            save_mask(folder / f"{name}.png", square())
    raw = os.fsencode(images) + b"/\xff.png"
    with open(raw, "wb") as file:
        file.write((images / "a b.png").read_bytes())
    with open(os.fsencode(masks) + b"/\xff.png", "wb") as file:
        file.write((masks / "a b.png").read_bytes())
    output = tmp_path / "out"
    assert inpaint_folder(Plain(red), images, masks, output) == 0
    rows = rows_of(output)
    assert set(rows) == {f"{name}.png" for name in names} | {os.fsdecode(b"\xff.png")}
    assert all((output / name).exists() for name in rows)
    assert inpaint_folder(Plain(never), images, masks, output) == 0


def test_odd_files_are_skipped_with_a_reason(folders):
    images, masks, output = folders
    os.mkfifo(images / "fifo.png")
    (images / "folder.png").mkdir()
    (images / "dangling.png").symlink_to("nowhere.png")
    (images / "loop").symlink_to(images)
    assert inpaint_folder(Plain(red), images, masks, output) == 2
    rows = rows_of(output)
    for name in ("fifo.png", "folder.png", "dangling.png"):
        assert rows[name]["status"] == "skipped"
        assert "regular" in rows[name]["reason"]
    assert len(rows) == 7


def test_what_is_left_out_is_named(folders, caplog):
    """A GIF is not read; hidden files and folders are alike."""
    caplog.set_level("INFO")
    images, masks, output = folders
    (images / "c.png").unlink()
    (images / ".cache").mkdir()
    for name in ("d.gif", ".cache/e.png", ".f.png"):
        (images / name).write_bytes((images / "a.png").read_bytes())
    picture_of("RGB").save(images / "g.jfif", "JPEG")
    save_mask(masks / "g.png", square())
    assert inpaint_folder(Plain(red), images, masks, output) == 0
    rows = rows_of(output)
    assert {n: row["reason"] for n, row in rows.items() if row["reason"]} == {
        ".cache/e.png": "hidden",
        ".f.png": "hidden",
        "d.gif": ".gif files are not read",
    }
    assert rows["g.jfif"]["status"] == "ok"
    assert Image.open(output / "g.jfif").format == "JPEG"
    told = caplog.text
    assert "4 ok, 0 skipped, 0 failed" in told and "3 left out" in told
    assert "'d.gif' (.gif files are not read)" in told


@pytest.mark.parametrize("link", ["sub", "folder/sub"])
def test_nothing_is_written_outside_of_the_output_folder(folders, link):
    """A link in it leads elsewhere, where a picture of that name is to stay."""
    images, masks, output = folders
    elsewhere = images.parent / "elsewhere"
    elsewhere.mkdir(), output.mkdir()
    (images / "sub").rename(images / "moved")
    (images / link).parent.mkdir(exist_ok=True)
    (images / "moved").rename(images / link)
    (output / link).parent.mkdir(exist_ok=True)
    (output / link).symlink_to(elsewhere)
    assert inpaint_folder(Plain(red), images, masks, output) == 2
    row = rows_of(output)[f"{link}/b.webp"]
    assert row["status"] == "failed" and "outside of it" in row["reason"]
    assert list(elsewhere.iterdir()) == []


def test_masks_beside_their_pictures(tmp_path):
    """As LaMa lays them out: NAME.png and NAME_mask.png, NAME_mask001.png."""
    folder, output = tmp_path / "in", tmp_path / "out"
    (folder / "sub").mkdir(parents=True)
    for name in ("a", "sub/b", "many", "alone", "venetian_mask"):
        picture_of("RGB").save(folder / f"{name}.png")
    for name in ("a_mask", "sub/b_mask001", "many_mask001", "many_mask002"):
        save_mask(folder / f"{name}.png", square())
    assert inpaint_folder(Plain(red), folder, folder, output) == 2
    rows = rows_of(output)
    assert {name: row["status"] for name, row in rows.items()} == {
        "a.png": "ok",
        "alone.png": "failed",
        "many.png": "failed",
        "sub/b.png": "ok",
        "venetian_mask.png": "failed",
    }
    assert "must be one for 'many.png'" in rows["many.png"]["reason"]
    for name in ("a.png", "sub/b.png"):
        expected = red(np.array(picture_of("RGB")), square())
        np.testing.assert_array_equal(np.array(Image.open(output / name)), expected)


def test_pictures_without_masks_are_not_their_own(tmp_path):
    picture_of("RGB").save(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"NAME_mask\.png"):
        inpaint_folder(Plain(never), tmp_path, tmp_path, tmp_path / "out")


def test_erased_pictures_are_their_own_masks(tmp_path):
    pixels = np.array(picture_of("RGBA"))
    pixels[..., 3] = 255 - 255 * square()
    (tmp_path / "in").mkdir()
    Image.fromarray(pixels).save(tmp_path / "in" / "a.png")
    paths = tmp_path / "in", tmp_path / "in", tmp_path / "out"
    options = {"mask_from": "alpha", "fill_alpha": True}
    assert inpaint_folder(Plain(red), *paths, **options) == 0
    after = np.array(Image.open(tmp_path / "out" / "a.png"))
    assert (after[square() > 0] == [255, 0, 0, 255]).all()
    np.testing.assert_array_equal(after[square() == 0], pixels[square() == 0])


def test_another_dilation_redoes_the_files(folders):
    images, masks, output = folders
    (images / "c.png").unlink()
    for widths in ({"mask_dilation": 2}, {"mask_dilation": 3, "feathering": 1}):
        for status in ("ok", "skipped"):
            assert inpaint_folder(Plain(red), images, masks, output, **widths) == 0
            assert {row["status"] for row in rows_of(output).values()} == {status}
    assert inpaint_folder(Plain(red), images, masks, output, feathering=1) == 2
    assert "feathering" in rows_of(output)["a.png"]["reason"]


def test_missing_mask_fails_that_file_alone(folders):
    images, masks, output = folders
    (masks / "sub" / "b.png").unlink()
    inpaint_folder(Plain(red), images, masks, output)
    rows = rows_of(output)
    assert rows["sub/b.webp"]["status"] == "failed"
    assert "mask" in rows["sub/b.webp"]["reason"] and rows["a.png"]["status"] == "ok"


def test_no_picture_gets_the_mask_of_another_folder_s(folders):
    """Of two pictures of one name, the one that has no mask fails."""
    images, masks, output = folders
    (images / "other").mkdir()
    shutil.copy(images / "sub/b.webp", images / "other/b.webp")
    assert inpaint_folder(Plain(red), images, masks, output) == 2
    rows = rows_of(output)
    failed = {name for name, row in rows.items() if row["status"] == "failed"}
    assert failed == {"c.png", "other/b.webp"}  # c.png is damaged
    assert "stem of 'other/b.webp', received none" in rows["other/b.webp"]["reason"]


def test_masks_are_found_by_path_then_by_stem(tmp_path):
    for name in ("a.png", "a.jpg", "sub/c.png", "x/d.png", "y/d.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        save_mask(tmp_path / name, square())
    masks = Masks(tmp_path, tmp_path / "elsewhere")
    assert masks.of("a.jpg") == tmp_path / "a.jpg"
    assert masks.of("sub/c.webp") == tmp_path / "sub/c.png"
    assert masks.of("elsewhere/c.webp") == tmp_path / "sub/c.png"
    assert masks.of("y/d.jpg") == tmp_path / "y/d.png"
    for name in ("a.webp", "d.jpg", "none.png"):
        with pytest.raises(InputError, match="mask"):
            masks.of(name)
    save_mask(tmp_path / "e_mask.png", square())
    save_mask(tmp_path / "sub/f_mask02.png", square())
    masks = Masks(tmp_path, tmp_path / "elsewhere")
    assert masks.of("e.jpg") == tmp_path / "e_mask.png"
    assert masks.of("f.jpg") == tmp_path / "sub/f_mask02.png"


def test_one_mask_for_all_and_folders_inside_the_images(tmp_path):
    """Masks and outputs that lie in the image folder are not completed."""
    picture_of("RGB").save(tmp_path / "a.png")
    mask = save_mask(tmp_path / "mask.png", square())
    for _ in range(2):
        assert inpaint_folder(Plain(red), tmp_path, mask, tmp_path / "out") == 0
    assert set(rows_of(tmp_path / "out")) == {"a.png"}
    assert find_images(tmp_path)[0] == ["a.png", "mask.png", "out/a.png"]


def test_folder_in_place(folders):
    images, masks, _ = folders
    (images / "c.png").unlink()
    with pytest.raises(InputError, match="-in_place"):
        inpaint_folder(Plain(red), images, masks, images)
    assert not (images / "ledger.jsonl").exists()
    assert inpaint_folder(Plain(red), images, masks, images, in_place=True) == 0
    assert np.array(Image.open(images / "a.png"))[8, 10].tolist() == [255, 0, 0]
    assert inpaint_folder(Plain(never), images, masks, images, in_place=True) == 0


def test_outputs_never_hit_another_input(tmp_path):
    for name in ("x.png", "sub/x.png"):
        (tmp_path / "sub" / name).parent.mkdir(parents=True, exist_ok=True)
        picture_of("RGB").save(tmp_path / "sub" / name)
    mask = save_mask(tmp_path / "mask.png", square())
    with pytest.raises(InputError, match="overwrite"):
        inpaint_folder(Plain(never), tmp_path / "sub", mask, tmp_path)


@pytest.mark.parametrize("missing", ["images", "masks"])
def test_missing_folders(folders, missing):
    images, masks, output = folders
    paths = {"images": images, "masks": masks} | {missing: images / "nowhere"}
    with pytest.raises(InputError, match=missing[:-1]):
        inpaint_folder(Plain(never), paths["images"], paths["masks"], output)


def test_a_failing_model_fails_file_by_file(folders):
    images, masks, output = folders

    def broken(image, mask):
        raise MemoryError

    assert inpaint_folder(Plain(broken), images, masks, output) == 2
    assert {row["status"] for row in rows_of(output).values()} == {"failed"}
    assert "memory" in rows_of(output)["a.png"]["reason"]
