"""PyTorch's files, read without PyTorch; nothing in them is executed."""

import functools
import io
import mmap
import os
import struct
import zipfile
import zlib

import ml_dtypes
import numpy as np

from inpainting_zoo.errors import WeightsError
from inpainting_zoo.storage.arrays import (
    Arrays,
    check_expansion,
    read_arrays,
    trusting_nothing,
)
from inpainting_zoo.storage.inert_pickle import (
    Persistent,
    StandIn,
    Steps,
    describe,
    is_key,
)
from inpainting_zoo.storage.torch_tensors import (
    embedded_storages,
    named_tensors,
    storage_of,
)

ZIP = b"PK\x03\x04"
HEADER = struct.Struct("<26xHH")  # before a member: lengths of its name and the rest
COMPRESSIONS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001  # of files before PyTorch 1.6
LARGEST_PICKLE = 2**22  # bytes that a compressed one may have beyond those of its file


def read_any(path, argument: str) -> Arrays:
    """Opens a `.pth` file of PyTorch, or else what `read_arrays` takes.

    Args:
        path: an existing file.
        argument: what to call it in an error.

    Raises:
        WeightsError: see `read_torch` and `read_arrays`.
    """
    read = read_torch if os.path.splitext(path)[1] == ".pth" else read_arrays
    return read(path, argument)


def read_torch(path, argument: str = "source") -> Arrays:
    """Opens the tensors of a file of `torch.save` or `torch.jit.save`.

    Dictionaries and modules in each other become names with dots, as `state_dict`
    gives them. All sizes are compared with the file before memory is taken for an
    array, and the steps of its pickles are counted. An array is read when it is asked
    for, by mapping the file where it is not compressed. In the zip format, each part
    that arrays are read from is compared with its checksum, at first; the other formats
    have none.

    Args:
        path: an existing file, of the zip format or of the one before it, or of
            `pickle.dump`, if its suffix is .pkl.
        argument: what to call it in an error.

    Raises:
        WeightsError: now or when an array is read, if it is damaged, claims more than
            it holds, or holds no tensors.
    """
    opened = functools.partial(_open, path, argument)
    return trusting_nothing(opened, argument, "a readable checkpoint", path)


def _open(path, argument):
    with open(path, "rb") as file:
        zipped = file.read(len(ZIP)) == ZIP
    plain = _pickle if os.path.splitext(path)[1].lower() == ".pkl" else _stream
    value, sizes, read_bytes = (_zip if zipped else plain)(path)
    tensors = named_tensors(value, sizes)
    if not tensors:
        standing = isinstance(value, StandIn)
        kind = repr(value.name[:60]) if standing else type(value).__name__
        raise WeightsError(
            f"{argument}: must hold tensors by name, received {str(path)!r} with a "
            f"{kind} without any"
        )

    def read(name):
        tensor = tensors[name]
        dtype = tensor.storage.dtype
        start, length = (n * dtype.itemsize for n in (tensor.offset, tensor.span))
        content = read_bytes(tensor.storage.key, start, length)
        strides = [stride * dtype.itemsize for stride in tensor.strides]
        array = np.ndarray(tensor.shape, dtype, content, strides=strides)
        # NumPy does little with bfloat16; float32 has all its values.
        kept = np.float32 if dtype == ml_dtypes.bfloat16 else dtype
        return np.array(array, kept, order="C")  # the file may change later

    return Arrays({name: tensor.shape for name, tensor in tensors.items()}, read)


def _pickle(path):
    """Opens what `pickle.dump` wrote of modules; returns what `_zip` does.

    Each of its storages is the content of a file as `_stream` opens it; several can
    share one.
    """
    steps = Steps(os.path.getsize(path))
    with open(path, "rb") as file:
        value, _ = describe(file, steps)
    sizes, contents, opened = {}, {}, {}
    for storage in embedded_storages(value):
        (content,) = storage.arguments
        if id(content) not in opened:
            file, key = io.BytesIO(content), str(len(opened))
            found, counts, starts = _parts(
                file, len(content), content.__getitem__, steps
            )
            (inner,) = counts
            _, named, _, *rest = found.id
            opened[id(content)] = Persistent(("storage", named, key, *rest))
            sizes[key] = counts[inner]
            contents[key] = memoryview(content)[starts[inner] :]
        storage.state = opened[id(content)]

    def read(key, offset, length):
        return contents[key][offset : offset + length]

    return value, sizes, read


def _parts(file, size, at, steps):
    """Reads five pickles, the fourth of which is the value, then storages one by one.

    Args:
        file: see `describe`.
        size: of the file, in bytes.
        at: takes a slice, returns the bytes there.
        steps: see `describe`.

    Returns:
        `(value, key -> bytes of a storage, key -> where they begin)`.
    """
    magic, version = (describe(file, steps)[0] for _ in range(2))
    if (magic, version) != (MAGIC, VERSION):
        raise ValueError("no file of PyTorch")
    about, _ = describe(file, steps)
    if about.get("little_endian") is not True:
        raise ValueError("its numbers are big-endian")
    value, references = describe(file, steps)
    storages = {s.key: s for s in map(storage_of, references) if s}
    keys, _ = describe(file, steps)
    sizes, starts, place = {}, {}, file.tell()
    for key in filter(is_key, keys):
        count = int.from_bytes(at(slice(place, place + 8)), "little")
        starts[str(key)] = place + 8
        sizes[str(key)] = count * storages[str(key)].dtype.itemsize
        place += 8 + sizes[str(key)]
        if place > size:
            raise ValueError(f"its storage {key} ends after the file")
    return value, sizes, starts


def _zip(path):
    """Opens the archive for as long as its tensors are wanted.

    Returns:
        `(value of its pickle, part -> bytes, function that reads of a part)`.
    """
    archive = zipfile.ZipFile(path)
    members = {member.filename: member for member in archive.infolist()}
    check_expansion(sum(m.file_size for m in archive.infolist()), path)
    if not COMPRESSIONS.issuperset(m.compress_type for m in members.values()):
        raise ValueError("an archive of another compression")
    roots = [name[: -len("data.pkl")] for name in members if name.endswith("/data.pkl")]
    if len(roots) != 1:
        raise ValueError(f"{len(roots)} data.pkl where PyTorch writes one")
    (root,) = roots
    order = members.get(f"{root}byteorder")
    if order and archive.open(order).read(9) != b"little":
        raise ValueError("its numbers are big-endian")
    size, pickle = os.path.getsize(path), members[f"{root}data.pkl"]
    if pickle.file_size > size + LARGEST_PICKLE:
        raise ValueError(f"a pickle of {pickle.file_size} bytes, which is too large")
    value, _ = describe(io.BytesIO(archive.read(pickle)), Steps(size))
    start = f"{root}data/"
    sizes = {
        name.removeprefix(start): member.file_size
        for name, member in members.items()
        if name.startswith(start)
    }
    checked = set()

    def read(key, offset, length):
        member = members[start + key]
        if member.compress_type != zipfile.ZIP_STORED:
            return memoryview(archive.read(member))[offset : offset + length]
        content = _mapped(path, _start(path, member), member.file_size)
        if key not in checked and zlib.crc32(content) != member.CRC:
            raise ValueError(f"Bad CRC-32 of its part {key}")
        checked.add(key)
        return content[offset : offset + length]

    return value, sizes, read


def _start(path, member):
    """Returns where a member of an archive begins, after a header of its own."""
    with open(path, "rb") as file:
        file.seek(member.header_offset)
        name, extra = HEADER.unpack(file.read(HEADER.size))
    return member.header_offset + HEADER.size + name + extra


def _mapped(path, start, length):
    """Returns a part of a file, of which no more is read than is looked at."""
    if not length:
        return memoryview(b"")
    before = start % mmap.ALLOCATIONGRANULARITY
    about = {"access": mmap.ACCESS_READ, "offset": start - before}
    with open(path, "rb") as file:
        return memoryview(mmap.mmap(file.fileno(), before + length, **about))[before:]


def _stream(path):
    """Opens what `torch.save` wrote before PyTorch 1.6; returns what `_zip` does."""
    with open(path, "rb") as opened:
        file = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
    with file:
        size = len(file)
        value, sizes, starts = _parts(file, size, file.__getitem__, Steps(size))

    def read(key, offset, length):
        return _mapped(path, starts[key] + offset, length)

    return value, sizes, read
