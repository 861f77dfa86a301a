"""Reads the tensors of other programs' checkpoints; executes nothing in them."""

import importlib
import re
import zipfile
from pathlib import Path

import numpy as np

from inpainting_zoo.errors import InputError, WeightsError
from inpainting_zoo.storage.arrays import Arrays, read_arrays
from inpainting_zoo.storage.files import sha256


def read_tensors(source, argument: str = "source") -> Arrays:
    """Opens name -> array, in the layout of the program that wrote it.

    Args:
        source: a PyTorch checkpoint (.pth, .pt, .ckpt, .bin, .pth.tar), whose nested
            dictionaries become names with dots, a .safetensors file, an .npz file whose
            keys are the tensors' names (if any starts with "w:", only those, and
            without it), or a TensorFlow checkpoint: its prefix or its folder.
        argument: what to call it in an error.

    Raises:
        InputError: if there is no such file, or a package that reads it is missing.
        WeightsError: if it is damaged or holds something else.
    """
    source = Path(source)
    read = _reader(source)
    if read is not _tensorflow and not source.is_file():
        raise InputError(f"{argument}: must be a file, received {str(source)!r}")
    try:
        return read(source, argument)
    except (InputError, WeightsError):
        raise
    except Exception as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise WeightsError(
            f"{argument}: must be a readable checkpoint, received {str(source)!r} "
            f"({reason})"
        ) from error


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


def _torch(path, argument):
    torch = _optional("torch", path, argument)
    options = {"map_location": "cpu", "weights_only": True}
    # Where the format allows it, tensors stay on the disk until they are read.
    found = torch.load(path, mmap=zipfile.is_zipfile(path), **options)
    state = {k: v for k, v in _flat(found) if torch.is_tensor(v)}
    if not state:
        raise WeightsError(
            f"{argument}: must hold tensors by name, received {str(path)!r} with a "
            f"{type(found).__name__} without any"
        )
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    return Arrays(shapes, lambda name: state[name].detach().float().numpy())


def _flat(nested, prefix=""):
    """Yields names with dots and values of nested dictionaries."""
    if not isinstance(nested, dict):
        yield prefix.removesuffix("."), nested
        return
    for key, value in nested.items():
        yield from _flat(value, f"{prefix}{key}.")


def _tensorflow(path, argument):
    prefix = _prefix(path, argument)
    if not Path(f"{prefix}.index").is_file():
        kind = WeightsError if path.is_file() else InputError
        raise kind(
            f"{argument}: must be a file ({', '.join(READERS)}) or the folder or "
            f"prefix of a TensorFlow checkpoint, received {str(path)!r}"
        )
    tf = _optional("tensorflow", path, argument)
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


def _optional(module, path, argument):
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise InputError(
            f"{argument}: {path.name} needs {package} to be read: pip install {package}"
        ) from error


READERS = {
    **dict.fromkeys((".npz", ".safetensors"), _arrays),
    **dict.fromkeys((".pth", ".pt", ".ckpt", ".bin", ".tar"), _torch),
}
