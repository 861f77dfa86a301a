"""Colours of 16 bits a channel, which Pillow cannot hold: PNG, TIFF and PPM."""

import dataclasses
import struct
import zlib
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import tifffile
from PIL import Image

from inpainting_zoo.data.images import Header, Source

RAWMODES = {f"{mode};16{order}" for mode in ("RGB", "RGBA", "LA") for order in "BLN"}
UPRIGHT = {  # by the orientation of EXIF
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
    8: np.rot90,
}
IHDR_END = 33  # of a PNG: signature and first chunk


@dataclasses.dataclass(frozen=True)
class DeepPicture:
    """A picture of 16 bits a channel.

    Args:
        pixels: uint16 (H, W, 3), or (H, W, 4) with alpha.
        profile: ICC colour profile.
    """

    pixels: np.ndarray
    profile: bytes | None

    def paste(self, completed, hole, fill_alpha: bool = False):
        """Returns the picture with 8-bit colours in its hole; see `modes.paste`."""
        pixels = self.pixels.copy()
        pixels[hole, :3] = completed[hole].astype(np.uint16) * 257
        if fill_alpha:
            pixels[hole, 3:] = 65535
        return dataclasses.replace(self, pixels=pixels)

    def reduced(self) -> Image.Image:
        """Returns the picture at 8 bits a channel."""
        eight = (self.pixels.astype(np.uint32) + 128) // 257
        picture = Image.fromarray(eight.astype(np.uint8))
        if self.profile:
            picture.info["icc_profile"] = self.profile
        return picture

    def fits(self, name: str) -> bool:
        """Returns whether a format of Pillow's name holds all of the picture."""
        plain = self.pixels.shape[2] == 3 and not self.profile
        return name in ("PNG", "TIFF") or (name == "PPM" and plain)

    def encode(self, name: str) -> bytes:
        """Returns the bytes of a file in a format that `fits`."""
        if name == "TIFF":
            buffer = BytesIO()
            alpha = ["unassalpha"] if self.pixels.shape[2] == 4 else []
            options = {"extrasamples": alpha, "iccprofile": self.profile}
            tifffile.imwrite(
                buffer, self.pixels, photometric="rgb", metadata=None, **options
            )
            return buffer.getvalue()
        pixels = _swapped(self.pixels)
        content = cv2.imencode(f".{name.lower()}", pixels)[1].tobytes()
        if not self.profile:
            return content
        body = b"iCCPICC\0\0" + zlib.compress(self.profile)  # name, method 0
        chunk = struct.pack(">I", len(body) - 4) + body
        chunk += struct.pack(">I", zlib.crc32(body))
        return content[:IHDR_END] + chunk + content[IHDR_END:]


def read_deep(source: Source, header: Header, picture: Image.Image):
    """Returns a picture file as a `DeepPicture`, or None if it is no such file.

    OpenCV reads it, which says nothing of damage; so Pillow has to have decoded the
    same picture from it, down to the upper 8 bits of each value, or the nearest ones.

    Args:
        source: the picture file.
        header: of the file.
        picture: what `open_picture` made of the file.
    """
    if header.rawmode not in RAWMODES or "transparency" in picture.info:
        return None
    content = source if isinstance(source, bytes) else Path(source).read_bytes()
    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint16 or pixels.ndim != 3:
        return None
    shown, pixels = np.asarray(picture), _swapped(pixels)
    # OpenCV has applied the orientation of a TIFF, but not that of a PNG.
    for upright in (pixels, UPRIGHT[header.orientation](pixels)):
        nearest = (upright.astype(np.uint32) + 128) // 257  # of PPM
        if np.array_equal(upright >> 8, shown) or np.array_equal(nearest, shown):
            profile = picture.info.get("icc_profile")
            return DeepPicture(np.ascontiguousarray(upright), profile)
    return None


def _swapped(pixels):
    """BGR to RGB and back; alpha stays the last."""
    return np.ascontiguousarray(pixels[..., [2, 1, 0, 3][: pixels.shape[2]]])
