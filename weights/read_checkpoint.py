"""Reads the tensors of other programs' checkpoints; executes nothing in them."""

import functools
import re
from pathlib import Path

import numpy as np

from inpainting_zoo.errors import InputError, WeightsError
from inpainting_zoo.storage.arrays import Arrays, read_arrays, trusting_nothing
from inpainting_zoo.storage.files import sha256
from inpainting_zoo.storage.torch_files import read_torch


def read_tensors(source, argument: str = "source") -> Arrays:
    """Opens name -> array, in the layout of the program that wrote it.

    Args:
        source: a file of PyTorch (.pth, .pt, .ckpt, .bin, .pth.tar, .pkl), TorchScript
            included, whose nested dictionaries and modules become names with dots, a
            .safetensors file, an .npz file whose keys are the tensors' names (if any
            starts with "w:", only those, and without it), or a TensorFlow checkpoint:
            its prefix or its folder.
        argument: what to call it in an error.

    Raises:
        InputError: if there is no such file, or TensorFlow is missing for its own.
        WeightsError: now or when an array is read, if it is damaged or holds something
            else.
    """
    source = Path(source)
    read = _reader(source)
    if read is not _tensorflow and not source.is_file():
        raise InputError(f"{argument}: must be a file, received {str(source)!r}")
    opened = functools.partial(read, source, argument)
    return trusting_nothing(opened, argument, "a readable checkpoint", source)


def digests(source) -> dict:
    """Returns file name -> SHA-256 of the files that `read_tensors` would read."""
    source = Path(source)
    return {path.name: sha256(path) for path in files_of(source)}


def files_of(source) -> list[Path]:
    """Returns the files that `read_tensors` would read, sorted."""
    source = Path(source)
    if _reader(source) is not _tensorflow:
        return [source]
    prefix = _prefix(source)
    return sorted(filter(Path.is_file, prefix.parent.glob(f"{prefix.name}.*")))


def _reader(source):
    """Returns what reads a file of this suffix; "snap.ckpt" may be of either engine."""
    if Path(f"{source}.index").is_file():
        return _tensorflow
    return READERS.get(source.suffix.lower(), _tensorflow)


def _arrays(path, argument):
    arrays = read_arrays(path, argument)
    prefixed = {k.removeprefix("w:"): k for k in arrays if k.startswith("w:")}
    if not prefixed:
        return arrays
    shapes = {name: arrays.shapes[key] for name, key in prefixed.items()}
    return Arrays(shapes, lambda name: arrays[prefixed[name]])


def _tensorflow(path, argument):
    prefix = _prefix(path, argument)
    if not Path(f"{prefix}.index").is_file():
        kind = WeightsError if path.is_file() else InputError
        raise kind(
            f"{argument}: must be a file ({', '.join(READERS)}) or the folder or "
            f"prefix of a TensorFlow checkpoint, received {str(path)!r}"
        )
    try:
        import tensorflow as tf
    except ImportError as error:
        raise InputError(
            f"{argument}: {path.name} needs tensorflow to be read: "
            "pip install tensorflow"
        ) from error
    reader = tf.train.load_checkpoint(str(prefix))
    shapes = reader.get_variable_to_shape_map()
    shapes = {name: tuple(shape) for name, shape in shapes.items()}
    return Arrays(shapes, lambda name: np.asarray(reader.get_tensor(name)))


def _prefix(path, argument="source"):
    """Finds "folder/snap-40000" from itself, one of its files, or the folder."""
    if not path.is_dir():
        return Path(re.sub(r"\.(index|meta|data-\d+-of-\d+)$", "", str(path)))
    found = sorted(path.glob("*.index"))
    if len(found) != 1:
        raise InputError(
            f"{argument}: must hold one checkpoint, received {len(found)} in "
            f"{str(path)!r}; name the prefix of one"
        )
    return found[0].with_suffix("")


READERS = {
    **dict.fromkeys((".npz", ".safetensors"), _arrays),
    **dict.fromkeys((".pth", ".pt", ".ckpt", ".bin", ".tar", ".pkl"), read_torch),
}
