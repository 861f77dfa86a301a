"""Picture files of every kind, good and bad, to arrays."""

import os
import resource
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from conftest import STORED
from inpainting_zoo.data.images import (
    fit_image,
    fit_mask,
    list_images,
    open_picture,
    read_header,
    read_image,
    read_mask,
)
from inpainting_zoo.errors import InputError

# Nothing here may be full white or flat, or a lost channel would not show.
PICTURE = np.stack(
    [np.tile(np.arange(48) * 5, (32, 1))] * 2 + [np.full((32, 48), 90)], axis=-1
).astype(np.uint8)
PICTURE[..., 1] //= 2


def write(path, array, **options):
    Image.fromarray(array).save(path, **options)
    return path


def write_png(path, width, height, depth, colour, rows):
    """Write a PNG of any bit depth; each row begins with its filter, 0."""

    def chunk(kind, body):
        crc = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + crc

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b""))
    return path


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_a_truncated_file_is_refused(tmp_path, suffix):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = write(tmp_path / f"cut.{suffix}", noise)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match=f"cut.{suffix}"):
        open_picture(path)


@pytest.mark.parametrize("content", [b"", b"only words", b"GIF89a\x01\x00\x01\x00"])
def test_other_content_is_refused(tmp_path, content):
    path = tmp_path / "words.jpg"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"words\.jpg"):
        open_picture(path)


def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    for name in ("pipe.png", "folder.png", "loop.png", "missing.png", "nul\0.png"):
        with pytest.raises(InputError, match=name[:3]):
            open_picture(tmp_path / name)


@pytest.mark.parametrize("width", [12_000, 20_000])
def test_bombs_are_refused_before_they_unfold(tmp_path, width):
    rows = bytes((width // 8 + 1) * 10_000)
    path = write_png(tmp_path / "bomb.png", width, 10_000, 1, 0, rows)
    assert path.stat().st_size < 50_000
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError, match="limit"):
        open_picture(path)
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak
    assert kilobytes < 50_000


def test_the_pixel_limit_is_inclusive(tmp_path):
    path = write(tmp_path / "a.png", PICTURE)
    assert open_picture(path, max_pixels=32 * 48).size == (48, 32)
    with pytest.raises(InputError, match="48x32 is over the limit of 1535"):
        open_picture(path, max_pixels=32 * 48 - 1)


def test_the_pixel_limit_goes_beyond_pillows(tmp_path):
    """Pillow would warn from 89 million pixels on, and refuse twice as many."""
    width, height = 14_400, 12_500
    rows = bytes((width // 8 + 1) * height)
    path = write_png(tmp_path / "large.png", width, height, 1, 0, rows)
    assert open_picture(path, max_pixels=width * height).size == (width, height)
    with pytest.raises(InputError, match="over the limit of 179000000"):
        open_picture(path, max_pixels=179_000_000)


@pytest.mark.parametrize("former", [1000, None])
def test_pillows_own_limit_is_lifted_for_one_opening_only(
    tmp_path, monkeypatch, former
):
    path = write(tmp_path / "a.png", PICTURE)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", former)
    assert open_picture(path, max_pixels=5000).size == (48, 32)
    with pytest.raises(InputError, match="over the limit of 1200"):
        open_picture(path, max_pixels=1200)
    assert former == Image.MAX_IMAGE_PIXELS
    (tmp_path / "bad.png").write_bytes(b"no picture")
    with pytest.raises(InputError):
        open_picture(tmp_path / "bad.png", max_pixels=5000)
    assert former == Image.MAX_IMAGE_PIXELS


def test_bytes_are_opened_as_files_are(tmp_path):
    path = write(tmp_path / "a.png", PICTURE)
    np.testing.assert_array_equal(open_picture(path.read_bytes()), PICTURE)
    with pytest.raises(InputError, match=r"^mask: must be") as caught:
        open_picture(b"words", argument="mask")
    assert caught.value.path is None


def test_a_header_tells_frames_and_depth(tmp_path):
    rows = b"".join(b"\0" + bytes(12) for _ in range(3))
    deep = read_header(write_png(tmp_path / "a.png", 2, 3, 16, 2, rows))
    assert (deep.format, deep.frames, deep.rawmode) == ("PNG", 1, "RGB;16B")
    picture = Image.fromarray(PICTURE)
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.save(tmp_path / "a.jpg", exif=exif)
    assert read_header(tmp_path / "a.jpg").orientation == 6
    picture.save(tmp_path / "a.tif", save_all=True, append_images=[picture] * 2)
    assert read_header(tmp_path / "a.tif").frames == 3


def test_errors_are_one_line(tmp_path):
    path = tmp_path / "two\nlines.png"
    path.write_bytes(b"x")
    with pytest.raises(InputError) as caught:
        open_picture(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("orientation", STORED)
def test_orientation_is_applied(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.ascontiguousarray(STORED[orientation](PICTURE))
    path = write(tmp_path / "a.png", stored, exif=exif)
    np.testing.assert_array_equal(read_image(path), PICTURE)
    picture = open_picture(path)
    assert picture.format == "PNG"
    assert picture.getexif().get(0x0112, 1) == 1


def test_16_bit_grey_is_scaled_not_clipped(tmp_path):
    values = np.array([[0, 128, 129, 257, 32768, 65535]], np.uint16)
    rgb = read_image(write(tmp_path / "a.png", values))
    np.testing.assert_array_equal(rgb[0, :, 0], [0, 0, 1, 1, 128, 255])
    assert rgb.shape == (1, 6, 3)
    assert np.ptp(rgb, axis=2).max() == 0


def test_16_bit_rgb_png_keeps_its_brightness(tmp_path):
    values = np.linspace(0, 65535, 60).astype(">u2").reshape(4, 5, 3)
    rows = b"".join(b"\0" + row.tobytes() for row in values)

    path = write_png(tmp_path / "a.png", 5, 4, 16, 2, rows)
    assert np.abs(read_image(path) - values / 257).max() <= 1


@pytest.mark.parametrize("white", [1, 255])
def test_float_grey_has_its_white_found(tmp_path, white):
    values = np.array([[0, 0.5, 1]], np.float32) * white
    rgb = read_image(write(tmp_path / "a.tif", values))
    np.testing.assert_array_equal(rgb[0, :, 1], [0, 128, 255])


@pytest.mark.parametrize("mode", ["L", "1", "P", "LA", "RGBA", "CMYK", "RGB", "YCbCr"])
def test_every_mode_becomes_rgb(tmp_path, mode):
    picture = Image.fromarray(PICTURE)
    expected = picture.convert(mode.removesuffix("A")) if mode != "CMYK" else picture
    picture = picture.convert(mode)
    if mode in ("LA", "RGBA"):
        picture.putalpha(Image.fromarray(PICTURE[..., 1]))
    path = tmp_path / ("a.tif" if mode in ("CMYK", "YCbCr") else "a.png")
    picture.save(path)
    assert open_picture(path).mode == mode
    difference = read_image(path) - np.array(expected.convert("RGB"), np.int16)
    assert np.abs(difference).max() <= (2 if mode == "YCbCr" else 0)


def test_transparent_palette_keeps_its_colours(tmp_path):
    picture = Image.fromarray(PICTURE).quantize(16)
    picture.save(tmp_path / "a.png", transparency=bytes(range(16)))
    expected = np.array(picture.convert("RGB"))
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), expected)


def test_cmyk_jpeg_has_the_right_colours(tmp_path):
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(tmp_path / "red.jpg")
    red = read_image(tmp_path / "red.jpg").mean(axis=(0, 1))
    np.testing.assert_allclose(red, [255, 0, 0], atol=3)


def test_draft_only_shrinks_what_is_averaged_anyway(tmp_path):
    y, x = np.mgrid[:512, :768] / 40
    waves = np.stack([np.sin(x), np.cos(y), np.sin(x + y)], axis=-1) * 100 + 128
    path = write(tmp_path / "a.jpg", waves.astype(np.uint8), quality=95)
    assert open_picture(path, draft=64).size == (192, 128)
    assert open_picture(path, draft=300).size == (768, 512)
    full = fit_image(read_image(path), 64).astype(int)
    assert np.abs(fit_image(read_image(path, draft=64), 64) - full).max() <= 3


DISC = np.hypot(*(np.mgrid[:40, :50] - 20)) < 12
GREY = (DISC * 255).astype(np.uint8)
SMOOTH = np.array(Image.fromarray(GREY).resize((100, 80), Image.Resampling.BILINEAR))


def rgba(colour, alpha):
    pixels = np.empty((40, 50, 4), np.uint8)
    pixels[..., :3], pixels[..., 3] = colour, alpha
    return pixels


MASKS = {
    "grey.png": GREY,
    "colour.png": np.stack([GREY] * 3, axis=-1),
    "one.png": DISC.astype(np.uint8),
    "bilevel.png": DISC,
    "16_bit.png": DISC * np.uint16(65535),
    "16_bit_of_8.png": DISC * np.uint16(255),
    "float.tif": DISC.astype(np.float32),
    "float_255.tif": DISC * np.float32(255),
    "white_on_glass.png": rgba(255, GREY),
    "black_on_glass.png": rgba(0, GREY),
    "red_on_glass.png": rgba(np.multiply.outer(DISC, [200, 0, 0]), GREY),
    "opaque.png": rgba(GREY[..., None], 255),
    "all_clear.png": rgba(GREY[..., None], 0),
    "black_and_white_half_clear.png": rgba(
        GREY[..., None], np.mgrid[:40, :50][1] + 206
    ),
}


@pytest.mark.parametrize("name", MASKS)
def test_masks_of_all_kinds_mean_the_same(tmp_path, name):
    mask = read_mask(write(tmp_path / name, MASKS[name]))
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, DISC)
    np.testing.assert_array_equal(read_mask(tmp_path / name, invert=True), ~DISC)


@pytest.mark.parametrize("read", [read_image, read_mask])
def test_further_pages_are_said_once_in_a_folder(read, tmp_path, caplog):
    page = np.zeros((8, 8), np.uint8)
    more = [Image.fromarray(page + 255)] * 2
    for i in range(3):
        write(tmp_path / f"{i}.tif", page, save_all=True, append_images=more)
        assert not read(tmp_path / f"{i}.tif").any()
    (said,) = (record.getMessage() for record in caplog.records)
    assert "0.tif': its first page or frame is used, 2 more are not" in said


def test_jpeg_mask_is_thresholded_in_the_middle(tmp_path):
    box = np.zeros((64, 64), np.uint8)
    box[17:47, 22:42] = 255
    path = write(tmp_path / "a.jpg", box, quality=75)
    np.testing.assert_array_equal(read_mask(path), box > 0)


def test_noise_in_a_black_jpeg_is_no_hole(tmp_path):
    noise = np.zeros((16, 16), np.uint8)
    noise[:8, :8] = 1
    path = write(tmp_path / "a.jpg", noise, quality=100)
    assert open_picture(path).getextrema() == (0, 1)
    assert not read_mask(path).any()


def test_soft_edges_are_cut_at_128(tmp_path):
    path = write(tmp_path / "a.png", SMOOTH)
    np.testing.assert_array_equal(read_mask(path), SMOOTH >= 128)
    ramp = write(tmp_path / "b.png", np.array([[0, 127, 128, 255]], np.uint8))
    np.testing.assert_array_equal(read_mask(ramp), [[0, 0, 1, 1]])


def test_folders_are_listed_recursively_sorted_and_safely(tmp_path):
    (tmp_path / "sub" / "x.png").mkdir(parents=True)
    (tmp_path / "sub" / "again").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "dangling.png").symlink_to(tmp_path / "nothing")
    (tmp_path / ".hidden").mkdir()
    for name in ("b.PNG", "a.jpg", "sub/c ü.webp", "notes.txt", "._a.jpg", "d.jfif"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / ".hidden" / "e.png").write_bytes(b"x")
    names = [str(path.relative_to(tmp_path)) for path in list_images(tmp_path)]
    assert names == ["a.jpg", "b.PNG", "d.jfif", "sub/c ü.webp"]


@pytest.mark.parametrize("name", ["a.ppm", "a.pgm", "a.jfif", "a.jpe", "a.pnm"])
def test_unusual_suffixes_are_read(tmp_path, name):
    picture = Image.new("L", (5, 4), 90)
    picture.save(tmp_path / name, "PPM" if name[2] == "p" else "JPEG")
    (path,) = list_images(tmp_path)
    assert (read_image(path) == 90).all()


def test_pgm_of_16_bits(tmp_path):
    values = np.array([[0, 257, 32768, 65535]], np.uint16)
    rgb = read_image(write(tmp_path / "a.pgm", values))
    np.testing.assert_array_equal(rgb[0, :, 0], [0, 1, 128, 255])


def test_list_file_is_relative_to_its_folder(tmp_path):
    (tmp_path / "list.txt").write_text("b.png\n\n/elsewhere/a.png\n")
    paths = list_images(tmp_path / "list.txt")
    assert [str(path) for path in paths] == ["/elsewhere/a.png", f"{tmp_path}/b.png"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_list_files_as_editors_write_them(tmp_path, encoding, newline):
    lines = ["# pictures", "  ü b.png\t", "", "   ", "sub/a.png", "#c.png"]
    path = tmp_path / "list.txt"
    path.write_bytes(newline.join(lines).encode(encoding))
    assert list_images(path) == [tmp_path / "sub/a.png", tmp_path / "ü b.png"]


def test_what_a_list_says_wrong_is_said(tmp_path, caplog):
    path = tmp_path / "list.txt"
    path.write_text("a.png\nb.png\na.png\n")
    assert len(list_images(path)) == 3
    assert "lists 1 of its pictures again" in caplog.text
    for content in ("für.png".encode("cp1252"), "a.png".encode("utf-16-le")):
        path.write_bytes(content)
        with pytest.raises(InputError, match="no text in UTF-8, or in UTF-16 with a m"):
            list_images(path)


def test_pictures_that_are_not_read_are_named(tmp_path, caplog):
    for name in ("a.png", "b.gif", "c.HEIC", ".hidden.gif", "d.txt"):
        write(tmp_path / "a.png", PICTURE)
        (tmp_path / name).touch()
    list_images(tmp_path, "train_path")
    (line,) = caplog.messages
    assert line.startswith("train_path: 2 pictures of kinds that are not read")


def test_floats_that_would_become_black_are_refused(tmp_path):
    Image.fromarray(np.float32([[0.1, 1.6]])).save(tmp_path / "a.tif")
    with pytest.raises(InputError, match=r"floats up to 1, 255 or 65535, .* to 1\.6"):
        read_image(tmp_path / "a.tif")


def test_list_file_falls_back_to_the_working_folder(tmp_path, monkeypatch):
    for name in ("lists/both.png", "both.png", "here.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write(tmp_path / name, PICTURE)
    (tmp_path / "lists/list.txt").write_text("here.png\nboth.png\ngone.png\n")
    monkeypatch.chdir(tmp_path)
    names = [path.relative_to(tmp_path) for path in list_images("lists/list.txt")]
    assert list(map(str, names)) == ["here.png", "lists/both.png", "lists/gone.png"]


@pytest.mark.parametrize("source", ["", "gone", "empty.txt", "binary", "pipe", "a.png"])
def test_sources_without_pictures_are_errors(tmp_path, source):
    (tmp_path / "empty.txt").touch()
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="-train_path"):
        list_images(tmp_path / source, "-train_path")


def test_embedded_pictures_are_split():
    train, test = list_images("embedded:train"), list_images("embedded:test")
    assert not set(train) & set(test)
    assert sorted(train + test) == list_images("embedded:") == list_images("embedded")
    assert len(train) >= 8
    assert all(min(read_image(path).shape[:2]) >= 300 for path in train + test)
    with pytest.raises(InputError, match="received 'valid'"):
        list_images("embedded:valid")


def test_embedded_pictures_were_once_called_samples(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert list_images("samples") == list_images("embedded:")
    assert list_images("samples:test") == list_images("embedded:test")
    (tmp_path / "samples").mkdir()
    mine = write(tmp_path / "samples" / "mine.png", PICTURE)
    assert [path.resolve() for path in list_images("samples")] == [mine]


def test_evaluation_averages_areas_of_the_centre():
    image = np.full((8, 16, 3), 255, np.uint8)
    image[:, 4:12] = 0
    image[0, 4], image[4:, 8:] = 160, 32
    np.testing.assert_array_equal(fit_image(image, 2)[..., 1], [[10, 0], [0, 32]])


def test_an_image_of_the_right_size_is_untouched():
    np.testing.assert_array_equal(fit_image(PICTURE[:, 8:40], 32), PICTURE[:, 8:40])


def test_training_crops_show_most_of_the_short_side():
    columns = np.tile(np.arange(200, dtype=np.uint8)[:, None], (100, 1, 3))
    lefts, mirrored = [], 0
    for i in range(400):
        row = fit_image(columns, 50, np.random.default_rng(i))[0, :, 0].astype(int)
        assert 100 / 1.15 - 3 <= np.ptp(row) + 2 <= 101
        lefts.append(row.min())
        mirrored += row[0] > row[-1]
    assert min(lefts) < 5
    assert max(lefts) > 95
    assert 150 < mirrored < 250


def test_training_crops_are_functions_of_the_generator():
    crops = [fit_image(PICTURE, 16, np.random.default_rng(3)) for _ in range(2)]
    np.testing.assert_array_equal(*crops)


def test_mask_and_image_stay_aligned():
    mask = np.zeros((96, 160), np.uint8)
    mask[24:48, 80:128] = 1
    image = np.stack([mask * 255] * 3, axis=-1)
    np.testing.assert_array_equal(fit_mask(mask, 32), fit_image(image, 32)[..., 0] > 0)
    np.testing.assert_array_equal(fit_mask(mask > 0, 32), fit_mask(mask * 255, 32))


def test_masks_are_shrunk_by_nearest_neighbour():
    lone = np.zeros((4, 4), np.uint8)
    lone[2, 2] = 1
    assert fit_mask(lone, 1) == 1
    assert fit_mask(np.roll(lone, 1), 1) == 0


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40), st.integers(0, 99))
def test_any_size_fits(height, width, size, seed):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    for fitted in (fit_image(image, size), fit_image(image, size, rng)):
        assert fitted.shape == (size, size, 3)
        assert fitted.dtype == np.uint8
    mask = fit_mask(image[..., 0] > 128, size)
    assert mask.shape == (size, size)
    assert set(np.unique(mask)) <= {0, 1}


MODES = ("L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F", "1")


def stored(mode, height, width, seed):
    """A picture of a mode, and the RGB (H, W, 3) that it shows."""
    rng = np.random.default_rng(seed)
    rgb, alpha = rng.integers(0, 256, (2, height, width, 3), np.uint8)
    if mode in ("I;16", "I", "F"):
        grey = rgb[..., 0]
        scaled = {"I;16": np.uint16(257), "I": np.int32(257), "F": np.float32(1)}
        return Image.fromarray(grey * scaled[mode]), np.dstack([grey] * 3)
    picture = Image.fromarray(rgb)
    opaque = picture.convert(mode.removesuffix("A"))  # "P" has 216 colours
    if mode.endswith("A"):
        opaque.putalpha(Image.fromarray(alpha[..., 0]))
        shown = Image.fromarray(rgb).convert(mode.removesuffix("A"))
        return opaque, np.array(shown.convert("RGB"))
    return opaque, np.array(opaque.convert("RGB"))


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from(MODES), st.integers(1, 20), st.integers(1, 20), st.integers(0, 99)
)
def test_any_mode_and_size_is_read(tmp_path_factory, mode, height, width, seed):
    picture, rgb = stored(mode, height, width, seed)
    path = tmp_path_factory.mktemp("mode", numbered=True) / "a.tif"
    picture.save(path)
    assert open_picture(path).mode.partition(";")[0] == mode.partition(";")[0]
    found = read_image(path)
    assert (found.dtype, found.shape) == (np.uint8, (height, width, 3))
    if mode != "F" or rgb.max() > 1:  # of floats up to 1, 1 is white
        np.testing.assert_array_equal(found, rgb)


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from(MODES),
    st.integers(1, 20),
    st.integers(1, 20),
    st.integers(0, 99),
    st.booleans(),
)
def test_any_mask_means_its_hole(tmp_path_factory, mode, height, width, seed, invert):
    """Whatever the mode: white is the hole, or with `invert` black."""
    hole = np.random.default_rng(seed).random((height, width)) < 0.5
    hole[-1, -1] = True  # an all black palette has nothing to tell white by
    white = {"I;16": np.uint16(65535), "I": np.int32(65535), "F": np.float32(1)}
    values = hole * white.get(mode, np.uint8(255))
    picture = Image.fromarray(values)
    if mode not in white:
        picture = picture.convert("RGB").convert(mode)
    path = tmp_path_factory.mktemp("mask", numbered=True) / "a.tif"
    picture.save(path)
    mask = read_mask(path, invert)
    assert (mask.dtype, mask.shape) == (np.uint8, hole.shape)
    np.testing.assert_array_equal(mask, hole != invert)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 400))
def test_damage_never_raises_anything_else(tmp_path_factory, garbage, position):
    folder = tmp_path_factory.mktemp("damage", numbered=True)
    content = write(folder / "good.png", PICTURE).read_bytes()
    path = folder / "a.png"
    path.write_bytes(content[:position] + garbage + content[position + len(garbage) :])
    try:
        assert read_image(path).ndim == 3
    except InputError as error:
        assert "a.png" in str(error)
