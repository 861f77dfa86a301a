"""Named arrays of files of strangers: numbers and text, read one at a time."""

import contextlib
import math
import os
import zipfile
from collections.abc import Callable, Mapping

import ml_dtypes  # noqa: F401  (NumPy knows the name bfloat16 by it)
import numpy as np
from numpy.lib import format as npy
from safetensors import safe_open

from inpainting_zoo.errors import WeightsError, ZooError

HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
KINDS = "biufU"  # booleans, integers, floats, text
DTYPES = ("F64", "F32", "F16", "BF16", "BOOL")  # of safetensors, and integers
DTYPES += tuple(f"{kind}{bits}" for kind in "IU" for bits in (8, 16, 32, 64))
MOST_REASON = 200  # characters: some errors quote half of the file
MOST_EXPANSION = 10  # trained weights hardly shrink when they are compressed
ALWAYS_ALLOWED = 2**26  # bytes that even the smallest file may unfold to


class Arrays(Mapping):
    """Name -> array, each read from its file when it is asked for and not kept.

    Args:
        shapes: name -> shape, known before any array is read.
        read: takes a name and returns its array.
        metadata: name -> text that the file holds beside its arrays.
    """

    def __init__(self, shapes: dict, read: Callable, metadata: dict | None = None):
        self.shapes = shapes
        self.metadata = metadata or {}
        self._read = read

    def __getitem__(self, name):
        if name not in self.shapes:
            raise KeyError(name)
        return self._read(name)

    def __contains__(self, name):
        return name in self.shapes

    def __iter__(self):
        return iter(self.shapes)

    def __len__(self):
        return len(self.shapes)


def read_arrays(path, argument: str = "from_weights") -> Arrays:
    """Opens an `.npz` or `.safetensors` file, without executing anything in it.

    Other formats (.keras, .h5, .pkl can all run code) are refused by their suffix,
    before they are opened. All headers are read before memory is taken for an array.

    Args:
        path: an existing file.
        argument: what to call it in an error.

    Raises:
        WeightsError: now or when an array is read, if it is anything else than numbers
            and text, is damaged, or would unfold to much more than it holds.
    """
    suffix = os.path.splitext(path)[1].lower()

    def opened():
        if suffix not in FORMATS:
            raise ValueError(f"only {' and '.join(FORMATS)} files are opened")
        return Arrays(*FORMATS[suffix](path))

    rule = f"an intact {' or '.join(FORMATS)} file of numbers"
    return trusting_nothing(opened, argument, rule, path)


def trusting_nothing(opened: Callable, argument: str, rule: str, path) -> Arrays:
    """Opens a stranger's file; whatever goes wrong becomes one line.

    Args:
        opened: returns `Arrays`.
        argument: what to call the file in an error.
        rule: what it must be.
        path: the file.

    Raises:
        WeightsError: now or when an array is read.
    """

    @contextlib.contextmanager
    def refusing():
        try:
            yield
        except ZooError:
            raise
        except Exception as error:  # damaged files raise nearly everything
            reason = getattr(error, "strerror", None) or str(error) or repr(error)
            raise WeightsError(
                f"{argument}: must be {rule}, received {str(path)!r} "
                f"({' '.join(reason.split())[:MOST_REASON]})"
            ) from error

    with refusing():
        arrays = opened()

    def read(name):
        with refusing():
            return arrays[name]

    return Arrays(arrays.shapes, read, arrays.metadata)


def _npz(path):
    """Opens the archive for as long as its arrays are wanted."""
    archive = zipfile.ZipFile(path)
    members = {m.filename.removesuffix(".npy"): m for m in archive.infolist()}
    # Of all members: those of one name count as often as they are there.
    headers = [(m, *_header(archive, m)) for m in archive.infolist()]
    check_expansion(sum(math.prod(shape) * d.itemsize for _, shape, d in headers), path)

    def read(name):
        with archive.open(members[name]) as file:
            return npy.read_array(file, allow_pickle=False)

    shapes, metadata = {}, {}
    for member, shape, dtype in headers:
        name = member.filename.removesuffix(".npy")
        if dtype.kind == "U":
            metadata[name] = str(read(name))
        else:
            shapes[name] = shape
    return shapes, read, metadata


def check_expansion(declared: int, path):
    """Refuses a file that would unfold to much more than it holds.

    Args:
        declared: bytes that its headers declare.
        path: the file.

    Raises:
        ValueError: if it would.
    """
    allowed = max(ALWAYS_ALLOWED, MOST_EXPANSION * os.path.getsize(path))
    if declared > allowed:
        raise ValueError(
            f"its headers declare {declared} bytes, over the limit of {allowed}"
        )


def _header(archive, member):
    """Returns the shape and the dtype that an array will have."""
    with archive.open(member) as file:
        version = npy.read_magic(file)
        if version not in HEADERS:
            raise ValueError(f"{member.filename}: unknown version {version}")
        shape, _, dtype = HEADERS[version](file)
    if dtype.kind not in KINDS or min(shape, default=0) < 0:
        raise ValueError(f"{member.filename}: no numbers, {dtype.str} {shape}")
    return shape, dtype


def _safetensors(path):
    """Opens the file anew for each array, so that no more of it stays in memory.

    The library checks that what the header declares is what the file holds.
    """
    with safe_open(path, framework="numpy") as file:
        slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
        shapes = {name: tuple(s.get_shape()) for name, s in slices.items()}
        dtypes = {name: s.get_dtype() for name, s in slices.items()}
        metadata = file.metadata()
    for name, dtype in dtypes.items():
        if dtype not in DTYPES:
            raise ValueError(f"{name}: no numbers that NumPy knows, {dtype}")

    def read(name):
        with safe_open(path, framework="numpy") as file:
            array = file.get_tensor(name)
        # NumPy does little with bfloat16; float32 has all its values.
        return array.astype(np.float32) if dtypes[name] == "BF16" else array

    return shapes, read, metadata


FORMATS = {".npz": _npz, ".safetensors": _safetensors}
