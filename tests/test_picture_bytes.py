"""Bytes through completion: rings, 16 bits, frames, transparency, what is no mask."""

import subprocess
import sys
from io import BytesIO

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from conftest import STORED, Plain
from inpainting_zoo.data.images import read_header
from inpainting_zoo.errors import InputError
from inpainting_zoo.inpainting.picture import complete_bytes, inpaint_file
from inpainting_zoo.models.completer import Completer

HOLE = np.zeros((12, 16), bool)
HOLE[4:8, 5:10] = True


def colours(depth=8, channels=3, seed=0):
    rng, dtype = np.random.default_rng(seed), f"uint{depth}"
    return rng.integers(0, 2**depth, (12, 16, channels), dtype)


def encoded(picture, name="PNG", **options):
    if isinstance(picture, np.ndarray):
        picture = Image.fromarray(picture)
    buffer = BytesIO()
    picture.save(buffer, name, **options)
    return buffer.getvalue()


def decoded(content):
    return np.asarray(Image.open(BytesIO(content)))


MASK = encoded(HOLE)
RED = Plain(lambda i, m: np.where(m[..., None] > 0, np.uint8([255, 0, 0]), i))


def never(image, mask):
    raise AssertionError("the model was called")


# The model, the ring


def test_bytes_in_bytes_out():
    content, notes = complete_bytes(RED, encoded(colours()), MASK)
    expected = np.where(HOLE[..., None], [255, 0, 0], colours())
    np.testing.assert_array_equal(decoded(content), expected)
    assert notes == []


def test_seed_and_options_reach_the_model():
    class Random(Completer):
        image_size = 256

        def predict_images(self, images, masks, seed=0, prompt=""):
            self.received = seed, prompt
            return images

    model = Random()
    complete_bytes(model, encoded(colours()), MASK, seed=3, prompt="a cat")
    assert model.received == (3, "a cat")
    with pytest.raises(TypeError, match="promt"):
        complete_bytes(model, encoded(colours()), MASK, promt="a cat")


def test_bad_bytes_are_named():
    with pytest.raises(InputError, match=r"^image: must be a readable picture"):
        complete_bytes(RED, b"no picture", MASK)
    with pytest.raises(InputError, match=r"^mask: must be a readable picture"):
        complete_bytes(RED, encoded(colours()), MASK[:40])
    with pytest.raises(InputError, match="suffix: one of"):
        complete_bytes(RED, encoded(colours()), MASK, suffix=".gif")


def test_dilation_widens_the_hole_for_the_model_and_the_output():
    seen = []

    def fill(image, mask):
        seen.append(mask)
        return RED.inpaint(image, mask)

    image = np.full((9, 9, 3), 90, np.uint8)
    mask = np.zeros((9, 9), bool)
    mask[4, 4] = True
    content, _ = complete_bytes(
        Plain(fill), encoded(image), encoded(mask), mask_dilation=2
    )
    disc = np.hypot(*(np.mgrid[:9, :9] - 4)) <= 2
    np.testing.assert_array_equal(seen[0], disc)
    np.testing.assert_array_equal(decoded(content)[..., 0] == 255, disc)
    np.testing.assert_array_equal(decoded(content)[~disc], image[~disc])


def test_feathering_fades_within_the_ring_alone():
    """One row: 3 known, ring of 3, hole: weights 1/4, 2/4, 3/4, 1."""
    image = np.full((1, 20, 3), 100, np.uint8)
    mask = np.zeros((1, 20), bool)
    mask[:, 6:] = True
    model = Plain(lambda i, m: np.where(m[..., None] > 0, np.uint8(200), i))
    widths = {"mask_dilation": 3, "feathering": 3}
    content, _ = complete_bytes(model, encoded(image), encoded(mask), **widths)
    row = decoded(content)[0, :, 0].tolist()
    assert row == [100] * 3 + [125, 150, 175] + [200] * 14


@pytest.mark.parametrize(
    ("widths", "words"),
    [
        ({"feathering": 1}, r"feathering: 0 to mask_dilation \(0\)"),
        ({"mask_dilation": 2, "feathering": 3}, "received 3"),
        ({"mask_dilation": 2, "feathering": -1}, "feathering: .* received -1"),
        ({"mask_dilation": -1}, "-1"),
    ],
)
def test_impossible_widths(widths, words):
    with pytest.raises(InputError, match=words):
        complete_bytes(Plain(never), encoded(colours()), MASK, **widths)


# 16 bits


def deep_png(pixels):
    order = [2, 1, 0, 3][: pixels.shape[2]]
    return cv2.imencode(".png", pixels[..., order])[1].tobytes()


def deep_tiff(pixels, **options):
    buffer = BytesIO()
    if pixels.shape[2] == 4:
        options.setdefault("extrasamples", ["unassalpha"])
    options = {"photometric": "rgb", "metadata": None, **options}
    tifffile.imwrite(buffer, pixels, **options)
    return buffer.getvalue()


def deep(content):
    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    return pixels[..., [2, 1, 0, 3][: pixels.shape[2]]]


def ppm(pixels, largest=65535):
    height, width, _ = pixels.shape
    return b"P6 %d %d %d\n" % (width, height, largest) + pixels.astype(">u2").tobytes()


KINDS = [(deep_png, 3), (deep_png, 4), (deep_tiff, 3), (deep_tiff, 4), (ppm, 3)]


@pytest.mark.parametrize(("write", "channels"), KINDS)
@pytest.mark.parametrize("suffix", [".png", ".tif", ".ppm"])
def test_16_bits_stay(channels, write, suffix):
    if suffix == ".ppm" and channels == 4:
        pytest.skip("holds no alpha")
    before = colours(16, channels)
    content, notes = complete_bytes(RED, write(before), MASK, suffix=suffix)
    after = deep(content)
    assert after.dtype == np.uint16 and notes == []
    np.testing.assert_array_equal(after[~HOLE], before[~HOLE])
    assert (after[HOLE, :3] == [65535, 0, 0]).all()
    np.testing.assert_array_equal(after[..., 3:], before[..., 3:])


@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_16_bits_of_both_byte_orders(byteorder):
    before = colours(16)
    image = deep_tiff(before, byteorder=byteorder, compression="zlib")
    content, _ = complete_bytes(RED, image, MASK, suffix=".tiff")
    np.testing.assert_array_equal(deep(content)[~HOLE], before[~HOLE])


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("kind", ["png", "tiff"])
def test_16_bits_are_saved_upright(orientation, kind):
    before = colours(16)
    turned = np.ascontiguousarray(STORED[orientation](before))
    if kind == "tiff":
        image = deep_tiff(turned, extratags=[(274, 3, 1, orientation, True)])
    else:
        exif = Image.Exif()
        exif[0x0112] = orientation
        tagged = encoded(np.zeros((1, 1), np.uint8), exif=exif)
        start = tagged.index(b"eXIf") - 4
        length = int.from_bytes(tagged[start : start + 4], "big")
        plain = deep_png(turned)
        image = plain[:33] + tagged[start : start + 12 + length] + plain[33:]
        assert read_header(image).orientation == orientation
    content, notes = complete_bytes(RED, image, MASK)
    assert notes == []
    np.testing.assert_array_equal(deep(content)[~HOLE], before[~HOLE])


@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg", ".bmp"])
@pytest.mark.parametrize("mode", ["RGB", "L", "P"])
def test_dots_per_inch_stay(suffix, mode):
    buffer, mask = BytesIO(), Image.new("L", (6, 6), 255)
    Image.new(mode, (6, 6)).save(buffer, "PNG", dpi=(300, 150))
    content, _ = complete_bytes(RED, buffer.getvalue(), encoded(mask), suffix=suffix)
    dots = Image.open(BytesIO(content)).info["dpi"]
    assert [round(float(x)) for x in dots] == [300, 150]


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bits_keep_their_colour_profile(suffix):
    image = deep_tiff(colours(16), iccprofile=b"a profile")
    content, _ = complete_bytes(RED, image, MASK, suffix=suffix)
    assert Image.open(BytesIO(content)).info["icc_profile"] == b"a profile"


@pytest.mark.parametrize(
    ("suffix", "channels"), [(".webp", 3), (".bmp", 3), (".ppm", 4)]
)
def test_formats_of_8_bits_say_so(suffix, channels):
    before = colours(16, channels)
    content, notes = complete_bytes(RED, deep_png(before), MASK, suffix=suffix)
    assert "16 are reduced to 8" in notes[0]
    eight = (before[..., :3].astype(int) + 128) // 257
    np.testing.assert_array_equal(decoded(content)[~HOLE], eight[~HOLE])


def test_a_ppm_of_another_white_is_reduced_with_a_note():
    dim = ppm(colours(16) // 64, largest=1023)
    _, notes = complete_bytes(RED, dim, MASK)
    assert notes == ["image: 16 bits are reduced to 8"]


@pytest.mark.parametrize("suffix", [".bmp", ".ppm"])
def test_formats_without_colour_profiles_say_so(suffix):
    image = encoded(colours(), icc_profile=b"a profile")
    _, notes = complete_bytes(RED, image, MASK, suffix=suffix)
    assert "holds no colour profile, it is dropped" in notes[0]


def test_a_cut_file_of_16_bits_is_refused():
    for image in (deep_png(colours(16)), deep_tiff(colours(16))):
        with pytest.raises(InputError, match="must be a readable picture"):
            complete_bytes(RED, image[: len(image) * 2 // 3], MASK)


def test_an_alpha_that_was_multiplied_in_is_reduced_with_a_note():
    image = deep_tiff(colours(16, 4), extrasamples=["assocalpha"])
    content, notes = complete_bytes(RED, image, MASK)
    assert "16 bits are reduced to 8" in notes[0]
    assert decoded(content).dtype == np.uint8


def grey_tiff(values):
    buffer = BytesIO()
    tifffile.imwrite(buffer, values, photometric="minisblack", metadata=None)
    return buffer.getvalue()


@pytest.mark.parametrize("dtype", ["int16", "int32", "uint32"])
def test_integers_that_fit_become_16_bits(dtype):
    values = (colours(8)[..., 0].astype(dtype)) * 100
    content, notes = complete_bytes(RED, grey_tiff(values), MASK)
    assert "unsigned ones of 16 bits" in notes[0]
    np.testing.assert_array_equal(decoded(content)[~HOLE], values[~HOLE])


def test_values_are_never_invented():
    values = colours(8)[..., 0].astype(np.int32)
    negative = values - 1000
    for wrong in (negative, values + 65535, negative.astype(np.float32)):
        with pytest.raises(InputError, match=r"image: must hold .* from 0 to 65535"):
            complete_bytes(Plain(never), grey_tiff(wrong), MASK)
    holes = values.astype(np.float32)
    holes[0, 0] = np.nan
    with pytest.raises(InputError, match="received nan"):
        complete_bytes(Plain(never), grey_tiff(holes), MASK)
    with pytest.raises(InputError, match="signed values of 8 bits"):
        complete_bytes(Plain(never), grey_tiff(values.astype(np.int8)), MASK)
    planes = deep_tiff(np.zeros((3, 12, 16), np.uint16), planarconfig="separate")
    with pytest.raises(InputError, match="one plane after the other"):
        complete_bytes(Plain(never), planes, MASK)


def test_floats_are_reduced_with_a_note():
    values = colours(8)[..., 0] / np.float32(255)
    content, (note,) = complete_bytes(RED, grey_tiff(values), MASK)
    assert "floating-point values are reduced to 8 bits" in note
    np.testing.assert_array_equal(decoded(content)[~HOLE, 0], colours()[~HOLE, 0])


def test_a_colour_space_that_changes_is_named():
    image = encoded(Image.fromarray(colours()).convert("CMYK"), "TIFF")
    assert complete_bytes(RED, image, MASK)[1] == ["image: CMYK becomes RGB"]


# Pages and frames


def pages(name):
    first, *rest = (Image.fromarray(colours(seed=i)) for i in range(3))
    options = {"lossless": True} if name == "WEBP" else {}
    return encoded(first, name, save_all=True, append_images=rest, **options)


SEVERAL = {"WEBP": "webp", "TIFF": "tif", "PNG": "png", "MPO": "jpg"}


@pytest.mark.parametrize("name", SEVERAL)
def test_further_pages_are_named_and_never_lost_in_place(tmp_path, name):
    path, mask = tmp_path / f"a.{SEVERAL[name]}", tmp_path / "m.png"
    path.write_bytes(pages(name)), mask.write_bytes(MASK)
    with pytest.raises(InputError, match=r"one page or frame .* received 3"):
        inpaint_file(Plain(never), path, mask, path, in_place=True)
    assert path.read_bytes() == pages(name)
    content, notes = complete_bytes(RED, path, mask)
    assert "its first page or frame is saved, 2 more are not" in notes[0]
    if name != "MPO":
        np.testing.assert_array_equal(decoded(content)[~HOLE], colours()[~HOLE])


def test_further_channels_are_named_and_never_lost_in_place(tmp_path):
    path, mask = tmp_path / "a.tif", tmp_path / "m.png"
    path.write_bytes(deep_tiff(colours(channels=4), extrasamples=["unspecified"]))
    mask.write_bytes(MASK)
    _, notes = complete_bytes(RED, path, mask)
    assert notes[0] == "image: 1 further channels are not saved"
    before = path.read_bytes()
    with pytest.raises(
        InputError, match=r"colours alone .* received 1 further channel"
    ):
        inpaint_file(Plain(never), path, mask, path, in_place=True)
    assert path.read_bytes() == before
    _, notes = complete_bytes(
        RED, deep_tiff(colours(channels=4), extrasamples=["assocalpha"]), mask
    )
    assert notes[0] == "image: alpha was multiplied in, which rounds colours"


def test_further_pages_of_a_mask_are_named():
    first = Image.fromarray(np.uint8(HOLE) * 255)
    mask = encoded(first, "TIFF", save_all=True, append_images=[first])
    _, notes = complete_bytes(RED, encoded(colours()), mask)
    assert notes == ["mask: its first page or frame is used, 1 more are not"]


def test_what_is_no_file_is_one_line():
    with pytest.raises(InputError, match=r"^image: must be a readable picture"):
        complete_bytes(RED, BytesIO(MASK), MASK)


@pytest.mark.parametrize("name", SEVERAL)
def test_without_a_hole_all_pages_come_back(name):
    suffix = f".{SEVERAL[name]}"
    empty = encoded(np.zeros_like(HOLE))
    content, (note,) = complete_bytes(
        Plain(never), pages(name), empty, suffix=suffix, drop_frames=False
    )
    assert content == pages(name) and "no pixel is hole" in note


# Transparency, and what is no mask


def erased(picture, hole=HOLE):
    return np.dstack([picture, np.where(hole, 0, 255).astype(np.uint8)])


def test_the_erased_part_of_the_picture_is_the_hole():
    content, (note,) = complete_bytes(
        RED, encoded(colours()), encoded(erased(colours()))
    )
    assert "the picture itself" in note
    expected = np.where(HOLE[..., None], [255, 0, 0], colours())
    np.testing.assert_array_equal(decoded(content), expected)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "RGBA;16"])
def test_a_transparent_hole_is_made_opaque_on_request(mode):
    image = erased(colours())
    if mode == "RGBA;16":
        image = deep_png(image.astype(np.uint16) * 257)
    elif mode == "P":
        places = np.where(HOLE, 1, 2).astype(np.uint8)
        picture = Image.fromarray(places).convert("P")
        picture.putdata(places.ravel().tolist())
        picture.putpalette([0, 0, 0, 10, 20, 30, 200, 100, 0])
        image = encoded(picture, transparency=1)
    else:
        image = encoded(Image.fromarray(image).convert(mode))
    shown = [
        np.asarray(Image.open(BytesIO(content)).convert("RGBA"))[..., 3]
        for content, _ in (
            complete_bytes(RED, image, MASK),
            complete_bytes(RED, image, MASK, fill_alpha=True),
        )
    ]
    np.testing.assert_array_equal(shown[0], np.where(HOLE, 0, 255))
    assert (shown[1] == 255).all()
    assert "-fill_alpha" in "".join(complete_bytes(RED, image, MASK)[1])
    assert complete_bytes(RED, image, MASK, fill_alpha=True)[1] == []


def test_an_erased_picture_is_its_own_mask():
    image = encoded(erased(colours()))
    for options in ({}, {"mask_from": "alpha"}):
        content, _ = complete_bytes(RED, image, image, fill_alpha=True, **options)
        after = decoded(content)
        assert (after[HOLE] == [255, 0, 0, 255]).all()
        np.testing.assert_array_equal(after[~HOLE, :3], colours()[~HOLE])


@pytest.mark.parametrize("name", ["PNG", "JPEG"])
def test_the_picture_itself_is_no_mask(name):
    y, x = np.mgrid[:12, :16]
    image = Image.fromarray(np.dstack([9 * x, 9 * y, 5 * (x + y)]).astype(np.uint8))
    options = {"quality": 100, "subsampling": 0} if name == "JPEG" else {}
    with pytest.raises(InputError, match="received the picture itself"):
        complete_bytes(Plain(never), encoded(image), encoded(image, name, **options))


@pytest.mark.parametrize("shade", [0, 90, 255])
def test_a_soft_mask_on_a_flat_picture_is_a_mask(shade):
    soft = cv2.blur(HOLE.astype(np.uint8) * 255, (3, 3))
    image = np.full((12, 16, 3), shade, np.uint8)
    content, _ = complete_bytes(RED, encoded(image), encoded(soft))
    expected = np.where(soft[..., None] >= 128, [255, 0, 0], image)
    np.testing.assert_array_equal(decoded(content), expected)


def test_labels_choose_the_hole():
    labels = HOLE.astype(np.uint8) * 7
    labels[0, 0] = 3
    mask = encoded(labels)
    content, notes = complete_bytes(Plain(never), encoded(colours()), mask)
    assert content == encoded(colours())
    assert "3, 7 look like labels" in notes[0] and "no pixel is hole" in notes[1]
    content, notes = complete_bytes(RED, encoded(colours()), mask, mask_label=7)
    expected = np.where(HOLE[..., None], [255, 0, 0], colours())
    np.testing.assert_array_equal(decoded(content), expected)
    assert notes == []


def test_importing_leaves_pillows_limit_alone():
    code = """
from PIL import Image
before = Image.MAX_IMAGE_PIXELS
import inpainting_zoo.inpainting.folder, inpainting_zoo.data.conversions
assert before and Image.MAX_IMAGE_PIXELS == before
"""
    subprocess.run([sys.executable, "-c", code], check=True)
