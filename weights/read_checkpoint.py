"""Reads the tensors of other programs' checkpoints; executes nothing in them."""

import importlib
import re
from pathlib import Path

from inpainting_zoo.errors import InputError, WeightsError
from inpainting_zoo.storage.arrays import read_npz
from inpainting_zoo.storage.files import sha256


def read_tensors(source) -> dict:
    """Returns name -> float array, in the layout of the program that wrote it.

    Args:
        source: a PyTorch state dict (.pth, .pt), alone or as "state_dict" of a
            checkpoint, a .safetensors file, an .npz file whose keys are the tensors'
            names (if any starts with "w:", only those, and without it), or a TensorFlow
            checkpoint: its prefix or its folder.

    Raises:
        InputError: if there is no such file, or a package that reads it is missing.
        WeightsError: if it is damaged or holds something else.
    """
    source = Path(source)
    read = READERS.get(source.suffix, _tensorflow)
    if read is not _tensorflow and not source.is_file():
        raise InputError(f"source: must be a file, received {str(source)!r}")
    try:
        return read(source)
    except (InputError, WeightsError):
        raise
    except Exception as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise WeightsError(
            f"source: must be a readable checkpoint, received {str(source)!r} "
            f"({reason})"
        ) from error


def digests(source) -> dict:
    """Returns file name -> SHA-256 of the files that `read_tensors` would read."""
    source = Path(source)
    if source.suffix in READERS:
        return {source.name: sha256(source)}
    prefix = _prefix(source)
    files = sorted(prefix.parent.glob(f"{prefix.name}.*"))
    return {path.name: sha256(path) for path in files if path.is_file()}


def _npz(path):
    arrays = read_npz(path, "source")
    prefixed = [key for key in arrays if key.startswith("w:")]
    return {key.removeprefix("w:"): arrays[key] for key in prefixed or arrays}


def _torch(path):
    torch = _optional("torch", path)
    state = torch.load(path, map_location="cpu", weights_only=True)
    if isinstance(state, dict):
        state = state.get("state_dict", state)
    if not (isinstance(state, dict) and all(map(torch.is_tensor, state.values()))):
        raise WeightsError(f"source: must be a dict of tensors, received {str(path)!r}")
    return {name: tensor.detach().float().numpy() for name, tensor in state.items()}


def _safetensors(path):
    return _optional("safetensors.numpy", path).load_file(path)


def _tensorflow(path):
    prefix = _prefix(path)
    if not Path(f"{prefix}.index").is_file():
        known = ", ".join(READERS)
        raise InputError(
            f"source: must be a file ({known}) or the folder or prefix of a TensorFlow "
            f"checkpoint, received {str(path)!r}"
        )
    reader = _optional("tensorflow", path).train.load_checkpoint(str(prefix))
    return {
        name: reader.get_tensor(name) for name in reader.get_variable_to_dtype_map()
    }


def _prefix(path):
    """Finds "folder/snap-40000" from itself, one of its files, or the folder."""
    if not path.is_dir():
        return Path(re.sub(r"\.(index|meta|data-\d+-of-\d+)$", "", str(path)))
    found = sorted(path.glob("*.index"))
    if len(found) != 1:
        raise InputError(
            f"source: must hold one checkpoint, received {len(found)} in "
            f"{str(path)!r}; name the prefix of one"
        )
    return found[0].with_suffix("")


def _optional(module, path):
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise InputError(
            f"source: {path.name} needs {package} to be read: pip install {package}"
        ) from error


READERS = {
    ".npz": _npz,
    ".pth": _torch,
    ".pt": _torch,
    ".safetensors": _safetensors,
}
