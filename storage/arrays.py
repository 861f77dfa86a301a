"""Reads `.npz` files of strangers: numbers and text, and no more than they hold."""

import math
import os
import zipfile

from numpy.lib import format as npy

from inpainting_zoo.errors import WeightsError

HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
KINDS = "biufU"  # booleans, integers, floats, text
MOST_EXPANSION = 10  # trained weights hardly shrink when they are compressed
ALWAYS_ALLOWED = 2**26  # bytes that even the smallest file may unfold to


def read_npz(path, argument: str = "from_weights") -> dict:
    """Returns name -> array of an `.npz` file, without executing anything in it.

    Other formats (.keras, .h5, .pkl can all run code) are refused by their suffix,
    before they are opened. All headers are read before memory is taken for an array.

    Args:
        path: an existing file.
        argument: what to call it in an error.

    Raises:
        WeightsError: if it is anything else than numbers and text, is damaged, or
            would unfold to much more than it holds.
    """
    try:
        if os.path.splitext(path)[1] != ".npz":
            raise ValueError("only .npz files are opened")
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            declared = sum(_declared(archive, member) for member in members)
            allowed = max(ALWAYS_ALLOWED, MOST_EXPANSION * os.path.getsize(path))
            if declared > allowed:
                raise ValueError(
                    f"its headers declare {declared} bytes, over the limit of {allowed}"
                )
            return {m.filename.removesuffix(".npy"): _read(archive, m) for m in members}
    except Exception as error:  # damaged files raise nearly everything
        reason = getattr(error, "strerror", None) or str(error) or repr(error)
        raise WeightsError(
            f"{argument}: must be an intact .npz file of numbers, received "
            f"{str(path)!r} ({' '.join(reason.split())})"
        ) from error


def _declared(archive, member):
    """Bytes that an array will take, from its header."""
    with archive.open(member) as file:
        version = npy.read_magic(file)
        if version not in HEADERS:
            raise ValueError(f"{member.filename}: unknown version {version}")
        shape, _, dtype = HEADERS[version](file)
    if dtype.kind not in KINDS or min(shape, default=0) < 0:
        raise ValueError(f"{member.filename}: no numbers, {dtype.str} {shape}")
    return math.prod(shape) * dtype.itemsize


def _read(archive, member):
    with archive.open(member) as file:
        return npy.read_array(file, allow_pickle=False)
