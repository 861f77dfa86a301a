"""Completing pictures of any size with a model that was made for one size."""

import functools
import logging
import math

import numpy as np

from inpainting_zoo.data.conversions import as_given, as_mask, as_picture
from inpainting_zoo.errors import InputError, choose
from inpainting_zoo.inpainting.crops import (
    grow,
    plan_crops,
    relative,
    union,
    window_around,
)
from inpainting_zoo.models.completer import check_seed
from inpainting_zoo.models.pixels import blend, dilate
from inpainting_zoo.models.scaling import enlarge, feather, shrink, shrink_hole
from inpainting_zoo.models.texture import texture_of

log = logging.getLogger(__name__)
SMALLEST_SIZE = 64  # the working size is not halved below this


def choose_strategy(height: int, width: int, whole: int) -> str:
    """Returns the default strategy of a picture, by its size alone.

    Up to twice the model's size, of a network with one size up to that, a picture is
    completed as it is ("original"): nothing is interpolated, and it costs at most four
    pictures of the model's size. A larger one is completed by "crop", whose time and
    memory follow the holes rather than the picture. "resize", one look at the whole
    picture, is for the user to ask for.

    Args:
        height: of the picture, in pixels.
        width: of the picture, in pixels.
        whole: longest side of pictures that the model is shown whole, in pixels; see
            `models.completer`.
    """
    return "original" if max(height, width) <= whole else "crop"


def complete(
    model,
    image,
    mask,
    strategy: str | None = None,
    seed: int = 0,
    mask_dilation: float = 0,
    feathering: float = 0,
    texture: str | None = None,
    notes: list | None = None,
    **options,
) -> np.ndarray:
    """Completes a picture of any size; its known pixels stay the same, bit for bit.

    Where the model runs out of memory the working size is halved, down to 64 pixels.
    An empty mask gives a copy of the image, and the model is not called.

    Args:
        model: a `models.completer.Completer`.
        image: uint8 (H, W, 3), or what else `data.conversions.as_picture` takes.
        mask: (H, W), 1 in the hole, or what else `data.conversions.as_mask` takes.
        strategy: a name of `STRATEGIES`; None lets `choose_strategy` decide.
        seed: of what is random in the model.
        mask_dilation: pixels by which the hole is widened before.
        feathering: pixels over which the prediction fades in within the ring by which
            the hole was widened; at most `mask_dilation`.
        texture: name of a `models.texture.Texture`, whose patches follow what the model
            predicted, at the picture's own size; see `Completer.inpaint`.
        notes: list to which what should be known about the result is added; by default
            it is logged as warnings.
        **options: of the model.

    Returns:
        (H, W, 3) in the type of the image, see `data.conversions.as_given`.

    Raises:
        InputError: if an argument breaks its rule, sizes are unequal, or memory does
            not suffice even at the smallest working size.
    """
    if not hasattr(model, "predict_images"):
        raise InputError(f"model: must be one that `load` returns, received {model!r}")
    check_seed(seed)
    source = texture_of(model, texture)
    picture = as_picture(image)
    hole = as_mask(mask, picture.shape[:2])
    dilated = dilate(hole, mask_dilation, feathering)
    name = strategy or choose_strategy(*hole.shape, model.whole)
    fill = choose("strategy", name, STRATEGIES)
    completed = picture.copy()
    if not dilated.any():
        said = ["mask: has no hole, the picture stays as it is"]
    else:
        said = remarks(model, dilated, strategy, texture, **options)
        look = functools.partial(predict, model, seed=seed, **options)
        fill(look, completed, dilated, model, model.least_window(**options))
        if source:
            follow = functools.partial(_follow, source, seed)
            name = choose_strategy(*hole.shape, source.whole)
            fill = STRATEGIES[name]
            fill(follow, completed, dilated, source, source.image_size)
    for remark in said:
        log.warning(remark) if notes is None else notes.append(remark)
    if feathering:
        completed = blend(completed, picture, hole, dilated, feathering)
    return as_given(completed, image, dilated)


def fill_original(look, image, hole, model, side):
    """Fills the hole of an image in place, from one prediction at its own size.

    Args:
        look: `predict` of the model.
        image: uint8 (H, W, 3).
        hole: uint8 (H, W), 1 in the hole.
        model: as for `complete`.
        side: `model.least_window` of its options.
    """
    predicted = enlarge(look(image, hole, max(hole.shape)), hole.shape)
    np.copyto(image, predicted, where=hole[..., None] > 0)


def fill_resized(look, image, hole, model, side):
    """Fills the hole in place, from a prediction of the image shrunk to a side."""
    predicted = enlarge(look(image, hole, side), hole.shape)
    np.copyto(image, predicted, where=hole[..., None] > 0)


def fill_by_crops(look, image, hole, model, side):
    """Fills the hole in place, group after group, in a crop around each.

    A crop holds the model's context around the holes and is at least of the side; it
    is shrunk if it is larger than what the model is shown. The prediction is
    pasted with a seam inside the hole. What one crop filled is known to the next.
    """
    for boxes, window, holes in _crops(hole, model, side):
        crop = image[window]
        predicted = look(crop, holes, model.largest)
        for box in boxes:
            _paste(predicted, crop, holes, relative(box, window))


def _crops(hole, model, side):
    """Yields the boxes of each crop, its window, and the hole that is left in it."""
    unknown = hole.copy()
    around = side, model.context
    for boxes in plan_crops(hole, *around):
        window = window_around(union(boxes), hole.shape, *around, model.largest)
        yield boxes, window, unknown[window]
        for box in boxes:
            unknown[box] = 0


def remarks(
    model, hole, strategy: str | None = None, texture: str | None = None, **options
) -> list:
    """Returns what a model says of a hole, in each part that it is shown.

    Args:
        model, strategy, texture, options: as for `complete`.
        hole: uint8 (H, W), 1 in the hole.
    """
    parts = _parts(hole, model, model.least_window(**options), strategy)
    said = [model.remarks(part, **options) for part in parts]
    if source := texture_of(model, texture):
        parts = _parts(hole, source, source.image_size)
        said += [source.remarks(part) for part in parts]
    return [*dict.fromkeys(remark for found in said for remark in found)]


def _parts(hole, model, side, strategy=None):
    """Yields, one after the other, the hole as a model sees it."""
    name = strategy or choose_strategy(*hole.shape, model.whole)
    if name == "original":
        yield hole
    elif name == "resize":
        yield shrink_hole(hole, min(side, max(hole.shape)))
    else:
        for *_, part in _crops(hole, model, side):
            yield shrink_hole(part, min(model.largest, max(part.shape)))


def _paste(predicted, image, hole, box):
    """Pastes the part of a prediction that fills the hole in one box."""
    width = max(hole.shape) / max(predicted.shape)
    area = grow(box, math.ceil(width) + 1, hole.shape)
    part = enlarge(predicted, hole.shape, area)
    part = feather(part, image[area], hole[area], width)
    part = part[relative(box, area)]
    np.copyto(image[box], part, where=hole[box][..., None] > 0)


def predict(model, image, hole, size: int, seed: int = 0, **options):
    """Predicts an image, shrunk until its longer side is at most `size`.

    Known pixels alone are averaged when shrinking, so that what the hole covers cannot
    leak out of it; a shrunk pixel is unknown if less than half of it was known.

    Args:
        model: as for `complete`, and so are seed and options.
        image: uint8 (H, W, 3).
        hole: uint8 (H, W), 1 in the hole.
        size: in pixels; halved, down to 64, as often as memory does not suffice.

    Returns:
        uint8 (h, w, 3), as large as `size` allows.

    Raises:
        InputError: if memory does not suffice at the smallest size.
    """
    size = min(size, max(hole.shape))
    while True:
        small, unknown = shrink(image, hole, size)
        if not unknown.any():
            return small
        try:
            given = small[None].copy(), unknown[None].astype(np.uint8)
            found = np.asarray(model.predict_images(*given, seed, **options))
            return blend(_checked(found, given[0].shape)[0], small, unknown, unknown)
        except Exception as error:
            if not _is_out_of_memory(error):
                raise
            if size <= SMALLEST_SIZE:
                raise InputError(
                    f"image: must fit in memory at {size} pixels, "
                    f"received {type(error).__name__}"
                ) from error
        size = max(SMALLEST_SIZE, size // 2)


def _follow(texture, seed, image, hole, size):
    """Fills the hole of a completed picture anew; looks at it as `predict` does."""
    size = min(size, max(hole.shape))
    filled, _ = shrink(image, np.zeros_like(hole), size)
    small, unknown = shrink(image, hole, size)
    return texture.follow(blend(filled, small, unknown, unknown), unknown, seed)


def _checked(predicted, shape):
    if predicted.shape != shape or predicted.dtype != np.uint8:
        raise ValueError(
            f"model: predict_images must return uint8 {shape}, "
            f"received {predicted.dtype} {predicted.shape}"
        )
    return predicted


def _is_out_of_memory(error):
    name = type(error).__name__
    return (
        isinstance(error, MemoryError)
        or "ResourceExhausted" in name  # TensorFlow
        or "RESOURCE_EXHAUSTED" in str(error)  # XLA, under several class names
    )


STRATEGIES = {
    "original": fill_original,
    "resize": fill_resized,
    "crop": fill_by_crops,
}
