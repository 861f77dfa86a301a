"""Features of pictures and the like, kept by the content that they are of."""

import contextlib
import hashlib
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from inpainting_zoo.storage.downloads import cache_folder
from inpainting_zoo.storage.files import atomic


def remembered(key: str, image, compute: Callable):
    """Returns the vector of a picture, which is computed once and then read.

    It lies in the folder of downloaded weights, in 4 bytes for each number; see `kept`.

    Args:
        key: of what computes it; another key, another vector.
        image: uint8 (H, W, 3).
        compute: takes the picture, returns the vector (D,).
    """
    content = f"{image.shape}".encode() + np.ascontiguousarray(image).tobytes()
    folder = cache_folder() / "vectors" / key
    return kept(folder, content, lambda: np.float32(compute(image)))


def kept(folder: Path, content: bytes, compute: Callable):
    """Returns an array, which is computed once for a content and then read.

    Where nothing can be written it is computed every time.

    Args:
        folder: where it lies.
        content: all that it depends on.
        compute: takes nothing, returns the array.
    """
    name = hashlib.sha256(content).hexdigest()
    path = folder / name[:2] / f"{name}.npy"
    try:
        return np.load(path)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):  # none, or damaged
        array = compute()
        with contextlib.suppress(OSError), atomic(path) as file:
            np.save(file, array)
        return array
