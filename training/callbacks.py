"""What happens between training steps: guard, progress, log, saving."""

import logging
import math
import signal
import time
from collections.abc import Callable

import keras
from tqdm import tqdm

from inpainting_zoo.errors import NumericError

log = logging.getLogger(__name__)
STOPS = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP
ESTIMATED = 17  # steps to tell the time by; some losses come in every 16th


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
    """A tqdm bar with the raw loss terms and the time left.

    Without a terminal it logs once how long a step takes, and all that are left.
    """

    def __init__(self, start: int, total: int, description: str):
        super().__init__()
        self.bar = tqdm(
            total=total, initial=start, desc=description, unit="step", disable=None
        )
        self.description, self.left, self.ends = description, total - start, []

    def on_train_batch_end(self, batch, logs=None):
        if self.bar.disable:
            self._estimate()
            return
        terms = {k: v for k, v in logs.items() if not k.startswith("weighted_")}
        self.bar.set_postfix({k: f"{v:.3g}" for k, v in terms.items()}, refresh=False)
        self.bar.update()

    def _estimate(self):
        if len(self.ends) == ESTIMATED:
            return
        self.ends.append(time.perf_counter())
        if len(self.ends) == ESTIMATED and self.left > ESTIMATED:
            # The first step, which makes ready for the others, has ended before.
            seconds = (self.ends[-1] - self.ends[0]) / (ESTIMATED - 1)
            left = tqdm.format_interval(seconds * (self.left - ESTIMATED))
            log.info("%s: %.2f s a step, %s left", self.description, seconds, left)

    def close(self):
        """Ends the bar, whether training has ended or failed."""
        self.bar.close()


class StepLog(keras.callbacks.Callback):
    """Logs the loss terms of every step, and the seconds that it took.

    Args:
        start: step that training starts from.
        events: an `EventLog`.

    Attributes:
        seconds: of every step.
    """

    def __init__(self, start: int, events):
        super().__init__()
        self.start, self.events, self.seconds = start, events, []

    def on_train_batch_begin(self, batch, logs=None):
        self.began = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        self.seconds.append(time.perf_counter() - self.began)
        numbers = {"seconds_per_step": self.seconds[-1], **logs}
        self.events.scalars(self.start + batch + 1, numbers)


class StopSignals:
    """Notes the first signal that asks to stop, in a block; a second one ends it all.

    Attributes:
        received: that signal, or None.
    """

    def __init__(self):
        self.received, self.former = None, {}

    def __enter__(self):
        for number in (signal.Signals[s] for s in STOPS if hasattr(signal, s)):
            ignored = signal.getsignal(number) is signal.SIG_IGN
            if not (ignored and number.name == "SIGHUP"):  # as nohup asks for
                self.former[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *_):
        for number, handler in self.former.items():
            signal.signal(number, handler)

    def _receive(self, number, frame):
        self.received = signal.Signals(number)
        signal.signal(number, self.former[number])


class Saver(keras.callbacks.Callback):
    """Saves every few steps, at the end, and when a signal asks to stop.

    What other callbacks do after the step of the signal is still done.

    Args:
        start: step that training starts from.
        every: steps between saved states.
        total: the last step.
        save: takes the model and the step, writes the full state.
        signals: that ask to stop.
    """

    def __init__(
        self, start: int, every: int, total: int, save: Callable, signals: StopSignals
    ):
        super().__init__()
        self.start, self.every, self.total, self.save = start, every, total, save
        self.step, self.saved, self.signals = start, start, signals

    def on_train_batch_end(self, batch, logs=None):
        step = self.step = self.start + batch + 1
        if self.signals.received or step % self.every == 0 or step == self.total:
            self._save()

    def on_train_batch_begin(self, batch, logs=None):
        received = self.signals.received
        if received and self.step > self.start:  # in this run
            if self.saved != self.step:  # the signal came after the end of the step
                self._save()
            log.info("stopped by %s; saved step %d", received.name, self.step)
            raise SystemExit(128 + received)

    def _save(self):
        self.save(self.model, self.step)
        self.saved = self.step


def words(numbers: dict) -> str:
    """Returns numbers by name as text; weighted ones, which repeat others, left out."""
    return ", ".join(
        f"{k} {v:.4g}" for k, v in numbers.items() if not k.startswith("weighted_")
    )
