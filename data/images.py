"""Picture files to arrays: the one loader that training, evaluation and use share."""

import contextlib
import dataclasses
import logging
import os
import re
import stat
import threading
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from inpainting_zoo.data import embedded
from inpainting_zoo.data.holes import hole_of, white_of
from inpainting_zoo.errors import InputError

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "PPM")
SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".tif", ".tiff", ".bmp"),
    *(".ppm", ".pgm", ".pnm"),
)
UNREAD = (  # suffixes of pictures that are not read
    *(".apng", ".avif", ".dds", ".dib", ".gif", ".heic", ".heif", ".hif", ".j2k"),
    *(".jp2", ".jxl", ".mpo", ".pbm", ".pcx", ".sgi", ".svg", ".tga"),
    *(".arw", ".cr2", ".cr3", ".dng", ".exr", ".hdr", ".ico", ".nef", ".psd", ".raf"),
)
MAX_PIXELS = 64_000_000

Source = str | Path | bytes  # the path of a picture file, or its content

log = logging.getLogger(__name__)
_pillows_limit = threading.Lock()
_told_of_pages = set()  # folders


class PictureError(InputError):
    """A picture file that cannot be read; `path` is its path, None for bytes."""

    def __init__(self, message: str, path: Path | None = None):
        super().__init__(message)
        self.path = path


@dataclasses.dataclass(frozen=True)
class Header:
    """What a picture file says of itself before anything is decoded.

    Args:
        format: Pillow's name of it.
        frames: how many pages or frames there are.
        rawmode: Pillow's name of how a pixel is stored, such as "RGB;16B".
        orientation: of EXIF, 1 to 8; 1 is upright.
    """

    format: str
    frames: int
    rawmode: str
    orientation: int


def read_header(
    source: Source, max_pixels: int = MAX_PIXELS, argument: str = "image"
) -> Header:
    """Returns the header of a picture; the arguments are those of `open_picture`."""
    with _opened(source, max_pixels, argument) as picture:
        tile = picture.tile[0].args if picture.tile else None
        rawmode = tile[0] if isinstance(tile, tuple) else tile
        if picture.format == "PPM" and isinstance(tile, tuple) and tile[-1] > 255:
            rawmode = f"{picture.mode};16B"
        return Header(
            picture.format,
            getattr(picture, "n_frames", 1),
            str(rawmode or picture.mode),
            picture.getexif().get(ExifTags.Base.Orientation, 1),
        )


def open_picture(
    source: Source,
    max_pixels: int = MAX_PIXELS,
    draft: int | None = None,
    argument: str = "image",
) -> Image.Image:
    """Opens a picture file upright and completely decoded, in its own mode.

    The first frame of a file with several is used; `n_frames` says how many there are.

    Args:
        source: the path of a regular JPEG, PNG, WebP, TIFF, BMP or PPM file, or the
            bytes of one.
        max_pixels: the largest width x height, compared with the header before
            anything is decoded.
        draft: if given, a JPEG may be decoded at 1/2, 1/4 or 1/8 of its size as long
            as both sides keep twice this many pixels: much faster for photographs
            that are then averaged down to `draft` pixels.
        argument: what to call bytes in an error.

    Raises:
        PictureError: if it cannot be read completely, or is too large.
    """
    with _opened(source, max_pixels, argument) as picture:
        if draft is not None:
            picture.draft(None, (2 * draft, 2 * draft))
        frames = getattr(picture, "n_frames", 1)
        picture.load()
        upright = ImageOps.exif_transpose(picture)
        upright.format = picture.format
        upright.n_frames = frames
        return upright


@contextlib.contextmanager
def _opened(source, max_pixels, argument):
    """Yields a file whose header has been read; all errors become a PictureError."""
    path, name = None, argument
    try:
        if isinstance(source, bytes):
            source = BytesIO(source)
        else:
            path, name = Path(source), repr(str(source))
            if not stat.S_ISREG(os.stat(path).st_mode):  # opening a FIFO would wait
                raise OSError("not a regular file")
        with _open(source, max_pixels) as picture:
            if picture.width * picture.height > max_pixels:
                size = f"{picture.width}x{picture.height}"
                raise ValueError(f"{size} is over the limit of {max_pixels} pixels")
            _refuse_misread(picture)
            yield picture
    except Exception as error:  # damaged files raise nearly everything
        reason = getattr(error, "strerror", None) or str(error) or repr(error)
        if isinstance(error, UnidentifiedImageError):
            reason = "unknown or damaged content"
        raise PictureError(
            f"{name}: must be a readable picture ({', '.join(FORMATS)}), "
            f"received {' '.join(reason.split())}",
            path,
        ) from error


def _open(source, max_pixels):
    """Opens a file, and past Pillow's own limit of pixels if `max_pixels` is larger.

    That limit is one for the whole process, so it is lifted for as long as reading the
    header takes, and by one thread at a time.
    """
    if Image.MAX_IMAGE_PIXELS is None or max_pixels <= Image.MAX_IMAGE_PIXELS:
        try:
            return Image.open(source, formats=FORMATS)
        except Image.DecompressionBombError as error:
            raise ValueError(f"it is over the limit of {max_pixels} pixels") from error
    with _pillows_limit:
        former = Image.MAX_IMAGE_PIXELS
        Image.MAX_IMAGE_PIXELS = None
        try:
            return Image.open(source, formats=FORMATS)
        finally:
            Image.MAX_IMAGE_PIXELS = former


def _refuse_misread(picture):
    """Refuses a TIFF that Pillow would decode without an error, but wrongly."""
    tags = getattr(picture, "tag_v2", {})
    bits = max(tags.get(258, (1,)))  # a sample
    if tags.get(284) == 2 and tags.get(277, 1) > 1 and bits > 8:  # planar
        raise ValueError(f"channels of {bits} bits, one plane after the other")
    if bits == 8 and 2 in tags.get(339, (1,)):  # sample format
        raise ValueError("signed values of 8 bits")


def to_rgb(picture: Image.Image) -> np.ndarray:
    """Converts a picture of any mode to uint8 RGB (H, W, 3).

    Grey is repeated, palettes are looked up, CMYK is converted without a colour
    profile and alpha is dropped: the stored colours are kept, nothing is composited.
    16-bit grey v becomes round(v / 257); float grey has its white at 1, 255 or 65535,
    the smallest that is not below its largest value.
    """
    if picture.mode.startswith("I"):
        grey = np.asarray(picture).astype(np.int64).clip(0, 65535)
        return np.stack([((grey + 128) // 257).astype(np.uint8)] * 3, axis=-1)
    if picture.mode == "F":
        grey = np.nan_to_num(np.asarray(picture))
        if 1 < grey.max() < 16:
            raise PictureError(
                "image: must hold floats up to 1, 255 or 65535, received up to "
                f"{grey.max():g}, which would be black"
            )
        grey = np.rint(grey * (255 / white_of(grey))).clip(0, 255)
        return np.stack([grey.astype(np.uint8)] * 3, axis=-1)
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
    return np.array(picture.convert("RGB"))


def read_image(
    path: str | Path, max_pixels: int = MAX_PIXELS, draft: int | None = None
) -> np.ndarray:
    """Reads a file as uint8 RGB (H, W, 3); see `open_picture` and `to_rgb`.

    Of a file with several pages or frames the first is read, with a warning for the
    first such file of a folder.
    """
    return to_rgb(_first_page(path, open_picture(path, max_pixels, draft)))


def _first_page(path, picture):
    if picture.n_frames > 1:
        folder = os.path.dirname(path)
        if folder not in _told_of_pages:
            _told_of_pages.add(folder)
            log.warning(
                "%r: its first page or frame is used, %d more are not; others of its "
                "folder are not named",
                str(path),
                picture.n_frames - 1,
            )
    return picture


def read_mask(
    path: str | Path,
    invert: bool = False,
    max_pixels: int = MAX_PIXELS,
    label: int | str | None = None,
) -> np.ndarray:
    """Reads a mask file as uint8 (H, W) of its own size, 1 in the hole.

    Args:
        path: a picture file; see `data.holes.hole_of`.
        invert: the file has its hole in black.
        max_pixels: as for `open_picture`.
        label: in a mask of labels, the number of the hole's, or "any" but 0.

    Raises:
        PictureError: if it cannot be read, or holds labels and none is chosen.
    """
    picture = _first_page(path, open_picture(path, max_pixels))
    hole, notes = hole_of(picture, label)
    if notes:  # one picture may be looked at, a set is not
        raise PictureError(f"{str(path)!r}: {', '.join(notes)}", Path(path))
    return (hole != invert).astype(np.uint8)


def list_images(
    source: str | Path, argument: str = "images", warn: bool = True
) -> list[Path]:
    """Lists picture files, sorted.

    Args:
        source: a folder, searched recursively (hidden files, hidden folders and linked
            folders are left out); one picture; a text file with one path a line; or,
            where there is no such folder or file, "embedded:", "embedded:train",
            "embedded:test" for the pictures of `data.embedded` (once called "samples",
            "samples:train", "samples:test"). A path of a text file is looked for in
            the folder of that file, then in the working folder; empty lines and those
            that begin with # are left out.
        argument: what to call `source` in an error.
        warn: whether pictures of a folder that are not read are named in a warning.

    Raises:
        InputError: if there is no such source, it cannot be read, or holds no picture.
    """
    try:
        if not isinstance(source, str | os.PathLike):
            raise OSError("no path")
        if os.path.isdir(source):
            found, others = _walk(source)
            if others and warn:
                log.warning(
                    "%s: %d pictures of kinds that are not read are left out, such as "
                    "%r",
                    argument,
                    len(others),
                    others[0],
                )
        elif os.path.isfile(source):
            is_picture = str(source).lower().endswith(SUFFIXES)
            found = [str(source)] if is_picture else _read_list(source)
        elif str(source).partition(":")[0] in ("embedded", "samples"):
            return embedded.files(str(source).partition(":")[2] or None)
        else:
            raise OSError("no such folder or file")
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        if isinstance(error, UnicodeError):
            reason = "no text in UTF-8, or in UTF-16 with a mark"
        raise InputError(
            f"{argument}: must be a folder, a list file with a path a line, or "
            f"embedded:, received {str(source)!r} ({reason})"
        ) from error
    if not found:
        raise InputError(f"{argument}: must hold pictures, {str(source)!r} has none")
    return [Path(path) for path in sorted(found)]


def _walk(source):
    def fail(error):
        raise error

    found, others = [], []
    for folder, folders, names in os.walk(source, onerror=fail):
        folders[:] = [name for name in folders if not name.startswith(".")]
        shown = [name for name in names if not name.startswith(".")]
        for kinds, paths in ((SUFFIXES, found), (UNREAD, others)):
            similar = (name for name in shown if name.lower().endswith(kinds))
            # No FIFOs, no dangling links.
            paths += filter(os.path.isfile, (os.path.join(folder, n) for n in similar))
    return found, others


def _read_list(source):
    """The paths in a text file as editors write them: UTF-8 or UTF-16, with a mark."""
    content = Path(source).read_bytes()
    marked = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    text = content.decode("utf-16" if marked else "utf-8-sig")
    if "\0" in text:  # of another encoding
        raise UnicodeError
    names = (line.strip() for line in re.split(r"[\r\n]", text))
    names = [name for name in names if name and not name.startswith("#")]
    if len(set(names)) < len(names):
        log.warning(
            "%s: lists %d of its pictures again", source, len(names) - len(set(names))
        )
    places = [os.path.abspath(os.path.dirname(source)), os.getcwd()]

    def find(name):
        paths = [os.path.join(place, name) for place in places]
        return next(filter(os.path.exists, paths), paths[0])

    return [find(name) for name in names]


def fit_image(
    image: np.ndarray,
    size: int,
    rng: np.random.Generator | None = None,
    max_zoom: float = 1.15,
) -> np.ndarray:
    """Scales the short side to `size` and crops a square, uint8 (size, size, 3).

    Shrinking averages areas, enlarging is bicubic.

    Args:
        image: uint8 (H, W, 3).
        rng: None takes the centre. A generator, for training, scales the short side
            to between `size` and `max_zoom * size`, crops anywhere, and mirrors
            every other picture.
        max_zoom: at least 1.
    """
    square, mirrored = crop_square(image, rng, max_zoom)
    if (side := len(square)) != size:
        method = cv2.INTER_AREA if side > size else cv2.INTER_CUBIC
        square = cv2.resize(square, (size, size), interpolation=method)
    return np.ascontiguousarray(square[:, ::-1] if mirrored else square)


def crop_square(array: np.ndarray, rng=None, max_zoom: float = 1.15):
    """Returns a square of (H, W, ...), and whether it is to be mirrored.

    The same for a picture and what is aligned with it, from a generator in one state.

    Args:
        array: of any type.
        rng, max_zoom: see `fit_image`.
    """
    height, width = array.shape[:2]
    side, mirrored = min(height, width), False
    top, left = (height - side) // 2, (width - side) // 2
    if rng is not None:
        side = max(1, round(side / rng.uniform(1, max_zoom)))
        top, left = rng.integers(height - side + 1), rng.integers(width - side + 1)
        mirrored = rng.random() < 0.5
    return array[top : top + side, left : left + side], mirrored


def fit_mask(mask: np.ndarray, size: int) -> np.ndarray:
    """Fits a mask like `fit_image` without rng: nearest neighbour, then threshold.

    Args:
        mask: (H, W), bool, 0 and 1, or 0 to 255 with the hole from 128 on.

    Returns:
        uint8 (size, size) of 0 and 1.
    """
    square = crop_square(mask)[0].astype(np.uint8)
    nearest = cv2.resize(square, (size, size), interpolation=cv2.INTER_NEAREST_EXACT)
    return (nearest >= white_of(mask) / 2).astype(np.uint8)
