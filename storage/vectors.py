"""Features of pictures, kept by the content of the pictures."""

import contextlib
import hashlib
import zipfile
from collections.abc import Callable

import numpy as np

from inpainting_zoo.storage.downloads import cache_folder
from inpainting_zoo.storage.files import atomic


def remembered(key: str, image, compute: Callable):
    """Returns the vector of a picture, which is computed once and then read.

    It lies in the folder of downloaded weights, in 4 bytes for each number; where
    nothing can be written it is computed every time.

    Args:
        key: of what computes it; another key, another vector.
        image: uint8 (H, W, 3).
        compute: takes the picture, returns the vector (D,).
    """
    content = f"{image.shape}".encode() + np.ascontiguousarray(image).tobytes()
    name = hashlib.sha256(content).hexdigest()
    path = cache_folder() / "vectors" / key / name[:2] / f"{name}.npy"
    try:
        return np.load(path)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):  # none, or damaged
        vector = np.float32(compute(image))
        with contextlib.suppress(OSError), atomic(path) as file:
            np.save(file, vector)
        return vector
