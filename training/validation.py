"""Pictures and numbers of what a model completes, every few steps of a training."""

import collections
import logging
import math
from pathlib import Path

import keras
import numpy as np

from inpainting_zoo.drawing import grid, masked, save_png
from inpainting_zoo.metrics.checkerboard import checkerboard
from inpainting_zoo.metrics.image_quality import psnr, psnr_hole
from inpainting_zoo.training.callbacks import words
from inpainting_zoo.training.event_log import EventLog

log = logging.getLogger(__name__)
TITLES = ["masked", "predicted", "completed", "ground truth"]


class Validation(keras.callbacks.Callback):
    """Completes pictures that are not trained on, measures them, shows some.

    A grid of four goes into a file and the log, the first three also one by one.

    Args:
        start: step that training starts from.
        every: steps between validations; the last step always makes one.
        total: the last step.
        events: where numbers and pictures are logged.
        pairs: sequence of (name, image, mask), or with what is aligned with the image
            by name as the fourth.
        folder: where the pictures go.

    Attributes:
        history: step, means and loss terms of each validation.
    """

    def __init__(
        self, start: int, every: int, total: int, events: EventLog, pairs, folder: Path
    ):
        super().__init__()
        self.start, self.every, self.total = start, every, total
        self.events, self.pairs, self.folder = events, pairs, folder
        self.history = []

    def on_train_batch_end(self, batch, logs=None):
        step = self.start + batch + 1
        if step % self.every == 0 or step == self.total:
            self.validate(step, logs)

    def validate(self, step: int, logs: dict):
        """Validates the model as it is after a step with these loss terms."""
        rows, numbers = [], collections.defaultdict(list)
        shown = range(0, len(self.pairs), max(1, len(self.pairs) // 4))[:4]
        for i, (_, image, mask, *aligned) in enumerate(self.pairs):
            prediction = self.model.predict_aligned(image, mask, *aligned)
            completed = np.where(mask[..., None] != 0, prediction, image)
            truth = dict(*aligned).get(self.model.stage.truth, image)
            numbers["psnr"].append(psnr(truth, completed))
            numbers["psnr_hole"].append(psnr_hole(truth, completed, mask))
            numbers["checkerboard"].append(checkerboard(completed, mask, truth))
            loss = self.model.validation_number(prediction, image, mask, *aligned)
            if loss is not None:
                numbers["loss"].append(loss)
            if i < 3:
                name = f"validation/inpainted_image_{i}"
                self.events.picture(step, name, completed)
            if i in shown:
                rows.append([masked(image, mask), prediction, completed, truth])
        means = {f"validation_{k}": _finite_mean(v) for k, v in numbers.items()}
        self.model.keep_best(means.get("validation_loss", math.nan))
        self.history.append({"step": step, **means, **logs})
        self.events.scalars(step, means)
        picture = grid(rows, TITLES)
        self.events.picture(step, "samples", picture)
        save_png(self.folder / f"step_{step:08d}.png", picture)
        log.info("step %d: %s, %s", step, words(means), words(logs))


def _finite_mean(values):
    finite = [v for v in values if math.isfinite(v)]
    return float(np.mean(finite)) if finite else math.nan
