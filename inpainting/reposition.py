"""Moving a subject: what was behind it is filled in, what was hidden of it completed.

Reference: Wang et al., Repositioning the Subject within Image, TMLR 2024.
"""

import dataclasses
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from inpainting_zoo.chosen import Later, check_with_options, chosen_with_options
from inpainting_zoo.data.conversions import as_mask, as_picture
from inpainting_zoo.data.holes import hole_of
from inpainting_zoo.data.images import (
    MAX_PIXELS,
    Source,
    open_picture,
    read_header,
    to_rgb,
)
from inpainting_zoo.drawing import save_png
from inpainting_zoo.errors import InputError, choose
from inpainting_zoo.inpainting import modes
from inpainting_zoo.inpainting.move import (
    MOST_SCALE,
    hidden,
    matte,
    move_subject,
    mover,
    perspective,
)
from inpainting_zoo.inpainting.picture import check_output, check_replaced, fit_hole
from inpainting_zoo.inpainting.segment import segmenter
from inpainting_zoo.inpainting.strategies import complete
from inpainting_zoo.models.pixels import dilate
from inpainting_zoo.options import RepositionSettings
from inpainting_zoo.options.inpaint import MOST_MATTING, SAM
from inpainting_zoo.storage.files import write_bytes

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Repositioned:
    """A picture with a moved subject.

    Args:
        image: uint8 (H, W, 3).
        mask: uint8 (H, W), 1 where the subject is now.
        scale: of the subject.
        steps: what came between, by name in order: uint8 (H, W, 3), masks (H, W) of 0
            and 255.
        notes: what should be known about it.
    """

    image: np.ndarray
    mask: np.ndarray
    scale: float
    steps: dict
    notes: list


def reposition(
    model,
    image,
    mask,
    shift: tuple,
    *,
    scale: float | None = None,
    amodal=None,
    depth: Callable | np.ndarray | None = None,
    matting: int = 2,
    mask_dilation: float = 2,
    seed: int = 0,
    **options,
) -> Repositioned:
    """Moves a subject within its picture.

    The subject leaves a hole, which the model completes, by its task "remove" if it has
    learned that. What an `amodal` mask has beyond the subject is completed by the task
    "complete", and the subject matched with its new surroundings by "harmonize"; a
    model that has not learned these leaves both as they are, and a note says so. Pixels
    beyond the subject's edge, the hole and what `mask_dilation` adds to it stay the
    same bit for bit.

    Args:
        model: a `models.completer.Completer`; any removes.
        image: uint8 (H, W, 3), or what else `as_picture` takes of eight bits.
        mask: (H, W), nonzero in the subject, its shadow too if it has one; or a
            function of the image that returns one.
        shift: pixels to the right and down; whole numbers.
        scale: of the subject, about its foot; by default 1, or by `depth`.
        amodal: (H, W), nonzero in all of the subject, also where something hides it.
        depth: nearness (H, W), larger where it is nearer, proportional to the inverse
            of the distance; or a function of the image that returns it. By it the
            subject gets the size that it has there, and things before it hide it.
        matting: pixels on each side of the subject's edge that may be mixed.
        mask_dilation: pixels by which holes are widened, but not into the subject.
        seed: of what the model draws.
        **options: of the model.

    Raises:
        InputError: if an argument breaks its rule, or no subject is left.
    """
    picture = as_picture(image)
    size = picture.shape[:2]
    subject = as_mask(mask(picture) if callable(mask) else mask, size)
    whole = subject if amodal is None else as_mask(amodal, size) | subject
    _check_move(subject, shift, scale, matting)
    _check_own(model, options)
    nearness, notes = _nearness(depth, picture), []
    if nearness is not None and scale is None:
        scale = perspective(nearness, subject, shift)
    scale = scale or 1.0
    move = mover(subject, shift, scale)
    placed, hole, moved = move_subject(picture, subject, move)
    if nearness is not None:
        behind = hidden(nearness, subject, moved)
        moved = moved & (1 - behind)
        placed = np.where(behind[..., None] != 0, picture, placed)
    if not moved.any():
        raise InputError(
            f"shift: must leave something of the subject to be seen, received {shift}"
        )
    steps = {"moved": placed, "hole": 255 * hole}

    def filled(start, hole, task, dilation=mask_dilation):
        told = {**options, "task": task} if task in model.tasks else options
        wide = dilate(hole, dilation) & (1 - (moved & (1 - hole)))
        if not hole.any():
            return start
        return complete(model, start, wide, seed=seed, notes=notes, **told)

    background = filled(placed, hole, "remove")
    steps["removed"] = background
    layer = move(picture)
    # Beyond the picture's own border a layer has nothing to mix.
    share = (matte(layer, moved, matting) * move(np.ones_like(subject)))[..., None]
    result = np.rint(share * layer + (1 - share) * background).astype(np.uint8)
    steps["matted"] = result
    whole = move(whole)
    missing = whole & (1 - moved)
    if nearness is not None:
        missing = missing & (1 - hidden(nearness, subject, whole))
    if amodal is not None and missing.any():
        if "complete" in model.tasks:
            result = filled(result, missing, "complete")
            moved = moved | missing
            steps["completed"] = result
        else:
            notes.append(
                'amodal: the rest of the subject needs a model with the task "complete"'
                ", and is not completed"
            )
    if "harmonize" in model.tasks:  # with what is mixed at its edge
        result = filled(result, moved | (share[..., 0] > 0), "harmonize", 0)
        steps["harmonized"] = result
    else:
        notes.append(
            'the subject keeps its colours: matching them needs a model with the task "'
            'harmonize"'
        )
    return Repositioned(result, moved, scale, steps, notes)


def _check_move(subject, shift, scale, matting):
    if not subject.any():
        raise InputError("mask: must show a subject, received none")
    if not all(isinstance(n, int | np.integer) for n in shift) or len(shift) != 2:
        raise InputError(f"shift: must be two whole numbers, received {shift!r}")
    if scale is not None and not 1 / MOST_SCALE <= scale <= MOST_SCALE:
        raise InputError(
            f"scale: must be from 1/{MOST_SCALE} to {MOST_SCALE}, received {scale!r}"
        )
    if not 0 <= matting <= MOST_MATTING:
        raise InputError(
            f"matting: must be from 0 to {MOST_MATTING}, received {matting}"
        )


def _check_own(model, options):
    """Refuses options that moving decides itself, where a model has learned it."""
    if not {"remove", "complete", "harmonize"} & {*model.tasks}:
        return
    for name in ("task", "prompt"):
        if options.get(name):
            raise InputError(
                f"{name}: must not be given for a model that has learned tasks of "
                f"moving, received {options[name]!r}"
            )


def _nearness(depth, picture):
    """Returns the nearness of a picture (H, W, 3), float32 (H, W), or None."""
    found = depth(picture) if callable(depth) else depth
    if found is None:
        return None
    found, size = np.asarray(found, "float32"), picture.shape[:2]
    if found.shape != size or not np.isfinite(found).all():
        raise InputError(
            f"depth: must be finite numbers {size}, received {found.shape}"
        )
    return found


def reposition_bytes(
    model,
    image: Source,
    mask: Source | Callable,
    *,
    suffix: str = ".png",
    mask_label: int | str | None = None,
    amodal: Source | None = None,
    depth: Source | None = None,
    max_pixels: int = MAX_PIXELS,
    steps: dict | None = None,
    **options,
) -> tuple[bytes, list[str]]:
    """Moves the subject of a picture file's content.

    Args:
        model: as for `reposition`.
        image: a picture file's bytes, or its path.
        mask: another's; white in the subject, see `data.holes.hole_of`; or a function,
            see `reposition`.
        suffix: chooses the output's format.
        mask_label: in a mask of labels, the number of the subject's, or "any" but 0.
        amodal: a mask, see `reposition`.
        depth: a picture of nearness, see there.
        max_pixels: the largest width x height, refused from the header.
        steps: takes those of `Repositioned`.
        **options: of `reposition`, and of the model.

    Returns:
        The output's bytes, of colours in eight bits, and notes.

    Raises:
        InputError: if an argument breaks its rule, a picture cannot be read, or they do
            not fit together.
    """
    choose(modes.SUFFIX, suffix.lower(), modes.FORMATS)
    opened, notes = open_picture(image, max_pixels), []
    if opened.mode != "RGB":
        notes += [f"image: is saved in colours of 8 bits, received {opened.mode}"]
    if (frames := read_header(image, max_pixels).frames) > 1:
        notes += [f"image: its first page or frame is saved, {frames - 1} more are not"]

    def read(name, source, label=None):
        drawing = open_picture(source, max_pixels, argument=name)
        hole, remarks = hole_of(drawing, label)
        notes.extend(remarks)
        return fit_hole(hole.astype(np.uint8), opened.size, resize_mask=False)

    subject = mask if callable(mask) else read("mask", mask, mask_label)
    if amodal is not None:
        options["amodal"] = read("amodal", amodal)
    if depth is not None:
        grey = open_picture(depth, max_pixels, argument="depth")
        options["depth"] = np.asarray(grey.convert("F"))
    found = reposition(model, to_rgb(opened), subject, **options)
    moved = Image.fromarray(found.image)
    if opened.mode in ("RGB", "RGBA", "P"):  # whose profiles are of these channels
        moved = modes.with_metadata(moved, opened)
    content, more = modes.encode(moved, suffix)
    if steps is not None:
        steps |= found.steps | {"scale": found.scale}
    return content, [*dict.fromkeys([*notes, *more, *found.notes])]


def reposition_file(settings: RepositionSettings):
    """Moves the subject of a picture file and saves the result.

    Raises:
        InputError: if the model does not take an option, or files break a rule.
    """
    output = Path(settings.save_to)
    check_output(settings.image, settings.mask or settings.image, output)
    check_replaced([output], settings.overwrite)
    subject = settings.mask
    if settings.point:
        subject = segmenter(settings.point, settings.sam or SAM)
    check_with_options(settings)
    # Files that break a rule are refused before a model is loaded.
    model = Later(lambda: chosen_with_options(settings)[1])
    names = ("shift", "scale", "matting", "mask_dilation", "seed")
    names += ("mask_label", "amodal", "depth", "max_pixels")
    given, steps = {name: getattr(settings, name) for name in names}, {}
    content, notes = reposition_bytes(
        model,
        settings.image,
        subject,
        suffix=output.suffix,
        steps=steps,
        **given,
        **settings.with_options,
    )
    for note in notes:
        log.warning(note)
    write_bytes(output, content)
    scale = steps.pop("scale")
    if settings.keep_steps:
        for i, (name, step) in enumerate(steps.items(), 1):
            save_png(output.with_name(f"{output.stem}_steps") / f"{i}_{name}.png", step)
    shift = ", ".join(map(str, settings.shift))
    print(f"{output}: moved by {shift}, at {scale:.3g} of its size")
