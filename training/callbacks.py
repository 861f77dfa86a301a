"""What happens between training steps: guard, progress, logs, samples, saving."""

import collections
import math
import signal
import time

import keras
import numpy as np
from tqdm import tqdm

from inpainting_zoo.drawing import grid, masked, save_png
from inpainting_zoo.errors import NumericError
from inpainting_zoo.metrics.checkerboard import checkerboard
from inpainting_zoo.metrics.image_quality import psnr, psnr_hole


class NumericGuard(keras.callbacks.Callback):
    """Stops at the first step with loss terms that are NaN or infinite; names them."""

    def __init__(self, start: int):
        super().__init__()
        self.start = start

    def on_train_batch_end(self, batch, logs=None):
        wrong = {name: v for name, v in logs.items() if not math.isfinite(v)}
        if wrong:
            raise NumericError(
                f"{', '.join(wrong)}: must be finite, received "
                f"{', '.join(str(float(v)) for v in wrong.values())} at step "
                f"{self.start + batch + 1}; the last saved state is untouched"
            )


class Progress(keras.callbacks.Callback):
    """A tqdm bar with the raw loss terms and the time left; none without a terminal."""

    def __init__(self, start: int, total: int, description: str):
        super().__init__()
        self.bar = tqdm(
            total=total, initial=start, desc=description, unit="step", disable=None
        )

    def on_train_batch_end(self, batch, logs=None):
        terms = {k: v for k, v in logs.items() if not k.startswith("weighted_")}
        self.bar.set_postfix({k: f"{v:.3g}" for k, v in terms.items()}, refresh=False)
        self.bar.update()


class Samples(keras.callbacks.Callback):
    """Logs loss terms each step; validation numbers and pictures every few.

    Args:
        start: step that training starts from.
        every: steps between samples; the last step always makes one.
        total: the last step.
        log: an `EventLog`.
        pairs: sequence of (name, image, mask) that are not trained on.
        folder: where the pictures go.
    """

    def __init__(self, start, every, total, log, pairs, folder):
        super().__init__()
        self.start, self.every, self.total = start, every, total
        self.log, self.pairs, self.folder = log, pairs, folder
        self.history, self.seconds = [], []

    def on_train_batch_begin(self, batch, logs=None):
        self.began = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        self.seconds.append(time.perf_counter() - self.began)
        step = self.start + batch + 1
        self.log.scalars(step, {"seconds_per_step": self.seconds[-1], **logs})
        if step % self.every == 0 or step == self.total:
            self.sample(step, logs)

    def sample(self, step, logs):
        """Completes the validation pairs, measures them, shows some.

        A grid of four goes into a file and the log, the first three also one by one.
        """
        rows, numbers = [], collections.defaultdict(list)
        shown = range(0, len(self.pairs), max(1, len(self.pairs) // 4))[:4]
        for i, (_, image, mask) in enumerate(self.pairs):
            prediction = self.model.predict_image(image, mask)
            completed = np.where(mask[..., None] != 0, prediction, image)
            numbers["psnr"].append(psnr(image, completed))
            numbers["psnr_hole"].append(psnr_hole(image, completed, mask))
            numbers["checkerboard"].append(checkerboard(completed, mask, image))
            loss = self.model.validation_number(prediction, image, mask)
            if loss is not None:
                numbers["loss"].append(loss)
            if i < 3:
                name = f"validation/inpainted_image_{i}"
                self.log.picture(step, name, completed)
            if i in shown:
                rows.append([masked(image, mask), prediction, completed, image])
        means = {f"validation_{k}": _finite_mean(v) for k, v in numbers.items()}
        self.history.append({"step": step, **means, **logs})
        self.log.scalars(step, means)
        picture = grid(rows, ["masked", "predicted", "completed", "ground truth"])
        self.log.picture(step, "samples", picture)
        save_png(self.folder / f"step_{step:08d}.png", picture)
        tqdm.write(f"step {step}: {_words(means)}, {_words(logs)}")

    def on_train_end(self, logs=None):
        self.log.close()


class Saver(keras.callbacks.Callback):
    """Saves every few steps, at the end, and when a signal asks to stop.

    What other callbacks do after the step of the signal is still done.

    Args:
        start: step that training starts from.
        every: steps between saved states.
        total: the last step.
        save: takes the model and the step, writes the full state.
    """

    def __init__(self, start, every, total, save):
        super().__init__()
        self.start, self.every, self.total, self.save = start, every, total, save
        self.step, self.saved = start, start
        self.received, self.former = None, {}

    def on_train_begin(self, logs=None):
        signals = (signal.SIGINT, signal.SIGTERM)
        self.former = {s: signal.signal(s, self._receive) for s in signals}

    def on_train_batch_end(self, batch, logs=None):
        step = self.step = self.start + batch + 1
        if self.received or step % self.every == 0 or step == self.total:
            self._save()

    def on_train_batch_begin(self, batch, logs=None):
        if self.received and self.step > self.start:  # in this run
            if self.saved != self.step:  # the signal came after the end of the step
                self._save()
            tqdm.write(f"stopped by {self.received.name}; saved step {self.step}")
            raise SystemExit(128 + self.received)

    def _save(self):
        self.save(self.model, self.step)
        self.saved = self.step

    def restore_signals(self):
        """Gives the signals back to whoever handled them before."""
        for number, handler in self.former.items():
            signal.signal(number, handler)

    def _receive(self, number, frame):
        self.received = signal.Signals(number)
        # A second signal ends the program at once.
        signal.signal(number, self.former[number])


def _finite_mean(values):
    finite = [v for v in values if math.isfinite(v)]
    return float(np.mean(finite)) if finite else math.nan


def _words(numbers):
    return ", ".join(
        f"{k} {v:.4g}" for k, v in numbers.items() if not k.startswith("weighted_")
    )
