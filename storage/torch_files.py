"""PyTorch's files, read without PyTorch; nothing in them is executed."""

import functools
import io
import mmap
import os
import zipfile

import ml_dtypes
import numpy as np

from inpainting_zoo.errors import WeightsError
from inpainting_zoo.storage.arrays import Arrays, check_expansion, trusting_nothing
from inpainting_zoo.storage.inert_pickle import Persistent, StandIn, describe
from inpainting_zoo.storage.torch_tensors import (
    embedded_storages,
    is_key,
    named_tensors,
    storage_of,
)

ZIP = b"PK\x03\x04"
COMPRESSIONS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001  # of files before PyTorch 1.6


def read_torch(path, argument: str = "source") -> Arrays:
    """Opens the tensors of a file of `torch.save` or `torch.jit.save`.

    Dictionaries and modules in each other become names with dots, as `state_dict`
    gives them. All sizes are compared with the file before memory is taken for an
    array; each is read when it is asked for.

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
        return np.asarray(array, kept, order="C")

    return Arrays({name: tensor.shape for name, tensor in tensors.items()}, read)


def _pickle(path):
    """Opens what `pickle.dump` wrote of modules; returns what `_zip` does.

    Each of its storages is the content of a file as `_stream` opens it.
    """
    with open(path, "rb") as file:
        value, _ = describe(file)
    sizes, contents = {}, {}
    for number, storage in enumerate(embedded_storages(value)):
        (content,) = storage.arguments
        file = io.BytesIO(content)
        found, counts, starts = _parts(file, len(content), content.__getitem__)
        (inner,), key = counts, str(number)
        _, named, _, *rest = found.id
        storage.state = Persistent(("storage", named, key, *rest))
        sizes[key], contents[key] = counts[inner], memoryview(content)[starts[inner] :]

    def read(key, offset, length):
        return contents[key][offset : offset + length]

    return value, sizes, read


def _parts(file, size, at):
    """Reads five pickles, the fourth of which is the value, then storages one by one.

    Args:
        file: see `describe`.
        size: of the file, in bytes.
        at: takes a slice, returns the bytes there.

    Returns:
        `(value, key -> bytes of a storage, key -> where they begin)`.
    """
    magic, version = (describe(file)[0] for _ in range(2))
    if (magic, version) != (MAGIC, VERSION):
        raise ValueError("no file of PyTorch")
    about, _ = describe(file)
    if about.get("little_endian") is not True:
        raise ValueError("its numbers are big-endian")
    value, references = describe(file)
    storages = {s.key: s for s in map(storage_of, references) if s}
    keys, _ = describe(file)
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
    if order and archive.read(order) != b"little":
        raise ValueError("its numbers are big-endian")
    value, _ = describe(io.BytesIO(archive.read(f"{root}data.pkl")))
    start = f"{root}data/"
    sizes = {
        name.removeprefix(start): member.file_size
        for name, member in members.items()
        if name.startswith(start)
    }

    def read(key, offset, length):
        with archive.open(start + key) as file:  # compares with its checksum
            file.seek(offset)
            return file.read(length)

    return value, sizes, read


def _stream(path):
    """Opens what `torch.save` wrote before PyTorch 1.6; returns what `_zip` does."""
    with open(path, "rb") as opened:
        file = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
    with file:
        value, sizes, starts = _parts(file, os.path.getsize(path), file.__getitem__)

    def read(key, offset, length):
        with open(path, "rb") as file:
            file.seek(starts[key] + offset)
            return file.read(length)

    return value, sizes, read
