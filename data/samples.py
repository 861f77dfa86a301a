"""Photographs and textures in the scikit-image wheel; nothing is downloaded."""

from pathlib import Path

import skimage

from errors import InputError

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


def files(split: str | None = None) -> list[Path]:
    """List the embedded pictures.

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
