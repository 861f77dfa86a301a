"""Masks by name: fn(rng, height, width) -> uint8 (H, W), 1 in the hole.

Lengths are given for 256 x 256 pixels and scale with the side of the square of equal
area. Every generated mask has a hole and, from two pixels on, a known pixel. A function
that needs something of the picture takes it as a keyword without a default, "objects"
for example; whoever draws masks must have a source of it.
"""

import inspect
import math
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from inpainting_zoo.data.boxes import (
    blocks,
    centre,
    circle,
    outpainting,
    rectangle,
    regions,
)
from inpainting_zoo.data.objects import (
    moved_object,
    object_part,
    one_object,
    subject,
)
from inpainting_zoo.data.strokes import free_form, lama, mat, strokes
from inpainting_zoo.errors import InputError, choose

# The argument that gives the source of a keyword.
SOURCES = {"mask_file": "mask_path", "objects": "objects_path"}


def from_file(
    rng: np.random.Generator, height: int, width: int, *, mask_file: np.ndarray
) -> np.ndarray:
    """Returns the user's mask.

    Args:
        mask_file: one of the files, as its source reads it.
    """
    return mask_file


def parse_mixture(text: str | Mapping[str, float]) -> dict[str, float]:
    """Parses weights of masks such as "rectangle=1,strokes=2"; a bare name weighs 1.

    Args:
        text: names of `MASKS`.

    Raises:
        InputError: an unknown or repeated name, or a weight that is not positive.
    """
    if isinstance(text, Mapping):
        text = ",".join(f"{name}={weight}" for name, weight in text.items())
    mixture = {}
    for part in text.split(","):
        name, _, weight = part.partition("=")
        name = name.strip()
        choose("masks", name, MASKS)
        if name in mixture:
            raise InputError(f"masks: must name {name!r} once, received {text!r}")
        try:
            mixture[name] = float(weight or 1)
        except ValueError:
            mixture[name] = math.nan
        if not 0 < mixture[name] < math.inf:
            raise InputError(f"masks: weights must be positive, received {part!r}")
    return mixture


def mixture_from(masks: str | Mapping[str, float], **sources) -> dict[str, float]:
    """Parses a mixture whose masks have what they want; names are sorted.

    Args:
        masks: see `parse_mixture`.
        **sources: keyword of a mask function -> what it will be taken from.

    Raises:
        InputError: the mixture breaks a rule, or a source is needed and empty.
    """
    mixture = parse_mixture(masks)
    for name in mixture:
        for keyword in wanted(MASKS[name]):
            if not sources.get(keyword):
                raise InputError(
                    f"{SOURCES[keyword]}: must hold pictures for masks {name!r}, "
                    "received none"
                )
    return dict(sorted(mixture.items()))


def draw(
    mixture: Mapping[str, float],
    rng: np.random.Generator,
    height: int,
    width: int,
    **sources: Callable,
) -> np.ndarray:
    """Draws one mask of a mixture.

    Args:
        mixture: weights by name.
        **sources: keyword of a mask function -> fn(rng) that returns its value; called
            only for masks that want it.
    """
    weights = np.array(list(mixture.values()))
    name = list(mixture)[rng.choice(len(weights), p=weights / weights.sum())]
    given = {keyword: sources[keyword](rng) for keyword in wanted(MASKS[name])}
    return MASKS[name](rng, height, width, **given)


def wanted(mask: Callable) -> list[str]:
    """Returns what a mask function wants beside (rng, height, width)."""
    _, _, _, *further = inspect.signature(mask).parameters.values()
    return [p.name for p in further if p.default is p.empty]


LAMA_THIN = partial(lama, walks=(4, 50), max_length=40, max_brush=10)
LAMA_MEDIUM = partial(
    lama,
    walks=(4, 5),
    max_length=100,
    max_brush=50,
    box_probability=0.3 / 1.3,
    boxes=(1, 5),
    box_sides=(10, 50),
)
LAMA_THICK = partial(
    lama,
    walks=(1, 5),
    max_length=200,
    max_brush=100,
    box_probability=0.3 / 1.3,
    boxes=(1, 3),
    box_sides=(30, 150),
    margin=10,
)
MASKS = {
    "rectangle": rectangle,
    "strokes": strokes,
    "free_form": free_form,
    "lama_thin": LAMA_THIN,
    "lama_medium": LAMA_MEDIUM,
    "lama_thick": LAMA_THICK,
    # The official sets, whose program draws up to a walk more than its settings say.
    "lama_thin_256": partial(LAMA_THIN, walks=(4, 51), whole_radians=True),
    "lama_medium_256": partial(LAMA_MEDIUM, walks=(4, 6), whole_radians=True),
    "lama_thick_256": partial(LAMA_THICK, walks=(1, 6), whole_radians=True),
    "lama_thin_512": partial(
        lama, walks=(4, 71), max_length=100, max_brush=20, side=512, whole_radians=True
    ),
    "lama_medium_512": partial(
        lama,
        walks=(4, 11),
        max_length=200,
        max_brush=100,
        box_probability=0.3 / 1.3,
        boxes=(1, 5),
        box_sides=(30, 150),
        side=512,
        whole_radians=True,
    ),
    "lama_thick_512": partial(
        lama,
        walks=(1, 6),
        max_length=450,
        max_brush=250,
        box_probability=0.3 / 1.3,
        boxes=(1, 4),
        box_sides=(30, 300),
        margin=10,
        side=512,
        whole_radians=True,
    ),
    # What it trains on, by itself and as an ablation; these may hide more than half.
    "lama_training": partial(
        lama,
        walks=(1, 6),
        max_length=200,
        max_brush=100,
        box_probability=0.5,
        boxes=(1, 4),
        box_sides=(30, 150),
        margin=10,
        max_area=1,
        whole_radians=True,
    ),
    "lama_training_thin": partial(
        lama,
        walks=(4, 13),
        max_length=80,
        max_brush=40,
        box_probability=0.5,
        boxes=(1, 1),
        box_sides=(30, 128),
        max_area=1,
        whole_radians=True,
    ),
    # What MAT trains on, and the smaller holes that it is measured on as well.
    "mat_512": partial(mat, boxes=(5, 3, 9), side=512),
    "mat_512_small": partial(mat, boxes=(3, 2, 4), side=512),
    "mat_256": partial(mat, boxes=(4, 2, 8)),
    "mat_256_small": partial(mat, boxes=(2, 2, 3)),
    "centre": centre,
    # What context encoders hide when they predict 4 of 128 pixels beyond the hole.
    "inner_centre": partial(centre, share=7 / 16),
    "circle": circle,
    "blocks": blocks,
    "regions": regions,
    "outpainting": outpainting,
    "objects": one_object,
    "moved_object": moved_object,
    "object_part": object_part,
    "subject": subject,
    "files": from_file,
}
