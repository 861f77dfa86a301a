"""Reads the tensors of other programs' checkpoints; executes nothing in them."""

import functools
import re
from pathlib import Path

import numpy as np

from inpainting_zoo.errors import InputError, WeightsError
from inpainting_zoo.storage.arrays import Arrays, read_arrays, trusting_nothing
from inpainting_zoo.storage.component_folders import (
    INDEXES,
    component_files,
    joined,
    shards,
    snapshot,
    snapshots,
)
from inpainting_zoo.storage.files import sha256
from inpainting_zoo.storage.torch_files import read_torch


def read_tensors(source, argument: str = "source") -> Arrays:
    """Opens name -> array, in the layout of the program that wrote it.

    Args:
        source: a file of PyTorch (.pth, .pt, .ckpt, .bin, .pth.tar, .pkl), TorchScript
            included, whose nested dictionaries and modules become names with dots, a
            .safetensors file, an .npz file whose keys are the tensors' names (if any
            starts with "w:", only those, and without it), an index of such files
            (.safetensors.index.json), a folder of diffusers, whose components precede
            the names ("unet.conv_in.weight"), or a TensorFlow checkpoint: its prefix
            or its folder.
        argument: what to call it in an error.

    Raises:
        InputError: if there is no such file, or TensorFlow is missing for its own.
        WeightsError: now or when an array is read, if it is damaged or holds something
            else.
    """
    source = Path(source)
    read = _reader(source)
    if read not in (_tensorflow, _components) and not source.is_file():
        raise InputError(f"{argument}: must be a file, received {str(source)!r}")
    opened = functools.partial(read, source, argument)
    return trusting_nothing(opened, argument, "a readable checkpoint", source)


def digests(source, argument: str = "source") -> dict:
    """Returns file -> SHA-256 of the files that `read_tensors` would read.

    A file is called by its path in the source if that is a folder, else by its name.

    Args:
        source, argument: see `read_tensors`.
    """
    folder = Path(source) if Path(source).is_dir() else Path(source).parent
    files = files_of(source, argument)
    return {str(path.relative_to(folder)): sha256(path) for path in files}


def files_of(source, argument: str = "source") -> list[Path]:
    """Returns the files that `read_tensors` would read, sorted.

    Args:
        source, argument: see `read_tensors`.
    """
    source = Path(source)
    read = _reader(source)
    if read is _components:
        parts = component_files(source).values()
        return [file for path in parts for file in files_of(path, argument)]
    if read is _shards:
        return [source, *sorted({*shards(source, argument).values()})]
    if read is not _tensorflow:
        return [source]
    prefix = _prefix(source, argument)
    return sorted(filter(Path.is_file, prefix.parent.glob(f"{prefix.name}.*")))


def _reader(source):
    """Returns what reads a file of this suffix; "snap.ckpt" may be of either engine."""
    if Path(f"{source}.index").is_file():
        return _tensorflow
    if source.name.endswith(INDEXES):
        return _shards
    if source.is_dir() and component_files(source):
        return _components
    return READERS.get(source.suffix.lower(), _tensorflow)


def _components(folder, argument):
    opened = {
        f"{name}.": read_tensors(path, argument)
        for name, path in component_files(folder).items()
    }
    tokenizer = snapshot(folder) / "tokenizer"
    about = {"tokenizer": str(tokenizer)} if tokenizer.is_dir() else {}
    return joined(opened, about)


def _shards(index, argument):
    files = shards(index, argument)
    opened = {path: read_tensors(path, argument) for path in {*files.values()}}
    if missing := [name for name, path in files.items() if name not in opened[path]]:
        raise WeightsError(
            f"{argument}: {files[missing[0]]} lacks {missing[0]}, which its index names"
        )
    shapes = {name: opened[path].shapes[name] for name, path in files.items()}
    return Arrays(shapes, lambda name: opened[files[name]][name])


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
            f"{argument}: must be a file ({', '.join(READERS)}), a folder of "
            "diffusers (unet/, vae/, text_encoder/), or the folder or prefix of a "
            f"TensorFlow checkpoint, received {str(path)!r}"
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
        held = [p.name for p in snapshots(path)] or [p.name for p in found]
        held = held or sorted(p.name for p in path.iterdir() if p.suffix in READERS)
        received = f"{', '.join(held[:3])}; name one of them" if held else "none"
        raise InputError(
            f"{argument}: must be a folder of diffusers (unet/, vae/, text_encoder/) "
            f"or of one checkpoint of TensorFlow, received {str(path)!r} with "
            f"{received}"
        )
    return found[0].with_suffix("")


READERS = {
    **dict.fromkeys((".npz", ".safetensors"), _arrays),
    **dict.fromkeys((".pth", ".pt", ".ckpt", ".bin", ".tar", ".pkl"), read_torch),
}
