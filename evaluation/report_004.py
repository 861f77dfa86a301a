"""The rule by which the attention report (004) measured: only to compare with it.

Its PSNR is of the raw output on [0, 1], not completed, as if the data range were 2,
which adds 6.02 dB; pictures and masks are resized with anti-aliasing, which softens the
holes, and without keeping the aspect.
"""

from collections.abc import Callable

import numpy as np
import skimage
from tqdm import tqdm

from inpainting_zoo.data.evaluation import EvaluationPairs
from inpainting_zoo.errors import InputError
from inpainting_zoo.evaluation.protocol import Scores, columns
from inpainting_zoo.metrics.image_quality import psnr
from inpainting_zoo.metrics.measures import MEASURES, Measure

NAME = "report_004"


def evaluate(
    pairs: EvaluationPairs,
    name: str,
    model,
    baselines: dict,
    weights_sha256: str | None = None,
    pictures: int = 8,
) -> dict:
    """Returns a report as `protocol.evaluate` does, with the PSNR of that rule alone.

    Args:
        pairs: files and masks to take; they are resized by that rule.
        name: of the model.
        model: an `Inpainter`.
        baselines: name -> complete(image, mask), both uint8, the mask 0 and 1.
        weights_sha256: of the model's weight file; recorded.
        pictures: how many of the first pairs are kept for the picture grid.
    """
    methods = {name: predicting(model), **{m: raw(b) for m, b in baselines.items()}}
    measures = {
        "psnr": Measure("PSNR", 2, psnr_of_range_2),
        "identical": MEASURES["identical"],
    }
    scores = Scores(methods, measures, len(pairs), pairs.image_size)
    shown = []
    for index in tqdm(range(len(pairs)), NAME, unit="image", disable=None):
        picture, image, mask = pairs.read(index)
        image, mask = soften(image, mask, pairs.image_size)
        outputs = {m: predict(image, mask) for m, predict in methods.items()}
        scores.add(picture, image, outputs, mask)
        if len(shown) < pictures:
            seen = {m: to_uint8(output) for m, output in outputs.items()}
            shown.append(columns(to_uint8(image), seen, mask >= 0.5))
    report = scores.report(NAME, pairs.seed, weights_sha256, "original")
    return report | {"pictures": shown}


def soften(image, mask, size: int):
    """Resizes a pair as that rule does: anti-aliased, aspect not kept, soft mask.

    Args:
        image: uint8 (H, W, 3).
        mask: (H', W'), 1 in the hole.
        size: side of the results in pixels.

    Returns:
        float image (size, size, 3) and float mask (size, size), both on [0, 1].
    """
    resize = skimage.transform.resize
    small = resize(image / 255, (size, size, 3), anti_aliasing=True)
    return small, resize(np.asarray(mask, float), (size, size), anti_aliasing=True)


def predicting(model) -> Callable:
    """Returns predict(image, mask), the model's raw output; all on [0, 1]."""

    from keras import ops

    def predict(image, mask):
        model.sizes.check(len(image))
        inputs = {"image": 2 * image[None] - 1, "mask": mask[None, ..., None]}
        inputs |= model.further_inputs(image[None].shape, 0)
        inputs = {k: ops.convert_to_tensor(x, "float32") for k, x in inputs.items()}
        return (ops.convert_to_numpy(model.compiled_call(inputs))[0] + 1) / 2

    return predict


def raw(complete: Callable) -> Callable:
    """Makes predict(image, mask) on [0, 1] of a completion of uint8 images."""

    def predict(image, mask):
        return complete(to_uint8(image), np.uint8(mask >= 0.5)) / 255

    return predict


def psnr_of_range_2(truth, output, mask) -> float:
    """Returns the PSNR of the whole picture on [0, 1]: 6.02 dB too high."""
    if not np.isfinite(output).all():  # a nan would drop out of the mean unseen
        raise InputError("raw output: finite numbers, received nan or infinity")
    return psnr(truth, output, data_range=2)


def to_uint8(image):
    """Returns an image on [0, 1] as uint8."""
    return np.rint(image.clip(0, 1) * 255).astype(np.uint8)
