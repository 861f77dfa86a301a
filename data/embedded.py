"""Photographs and textures in the scikit-image wheel; nothing is downloaded."""

from pathlib import Path

import numpy as np
import skimage
from PIL import Image

from inpainting_zoo.errors import InputError

# Split by picture; the two views of the motorcycle stay on one side.
SAMPLES = {
    "train": (
        "astronaut.png",
        "brick.png",
        "camera.png",
        "coffee.png",
        "gravel.png",
        "hubble_deep_field.jpg",
        "ihc.png",
        "moon.png",
        "motorcycle_left.png",
        "motorcycle_right.png",
        "retina.jpg",
    ),
    "test": ("chelsea.png", "coins.png", "grass.png", "rocket.jpg"),
}

FACE = (160, 50, 290, 180)  # left, top, right, bottom of the astronaut's, in pixels


def files(split: str | None = None) -> list[Path]:
    """Lists the embedded pictures.

    Args:
        split: "train", "test" or None for both.

    Raises:
        InputError: unknown split, or pictures missing from this scikit-image.
    """
    if split is not None and split not in SAMPLES:
        raise InputError(
            f"samples: must be one of {sorted(SAMPLES)}, received {split!r}"
        )
    folder = Path(skimage.__file__).parent / "data"
    splits = SAMPLES if split is None else [split]
    paths = sorted(folder / name for each in splits for name in SAMPLES[each])
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        raise InputError(
            f"samples: scikit-image must carry its pictures, lacks {missing}"
        )
    return paths


def file(stem: str) -> Path:
    """Returns the path of the embedded picture of this name, without its suffix."""
    return next(path for path in files() if path.stem == stem)


def face(margin: int = 0) -> np.ndarray:
    """Cuts the face out of the astronaut's portrait: uint8 (S, S, 3).

    Args:
        margin: pixels around it, at most 50; S is 130 and twice as many.
    """
    left, top, right, bottom = FACE
    with Image.open(file("astronaut")) as portrait:
        box = (left - margin, top - margin, right + margin, bottom + margin)
        return np.asarray(portrait.convert("RGB").crop(box))
