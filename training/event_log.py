"""TensorBoard logs without TensorFlow, so that they are the same on every engine."""

import json
import time
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams.summary_v2 import hparams_pb
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from inpainting_zoo.drawing import png_bytes


class EventLog:
    """Writes settings, scalars and pictures that `tensorboard --logdir` shows.

    To be used in a `with`, whose end writes what is waiting, also after a failure.

    Args:
        folder: of the event files.
    """

    def __init__(self, folder):
        self.writer = EventFileWriter(str(Path(folder)))

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def hyper_parameters(self, settings: dict):
        """Logs settings by name for the tab HPARAMS; None is left out."""
        plain = {
            name: value if isinstance(value, bool | int | float) else _text(value)
            for name, value in settings.items()
            if value is not None
        }
        self._add(0, hparams_pb(plain))

    def scalars(self, step: int, values: dict):
        """Logs numbers by name."""
        items = [Summary.Value(tag=k, simple_value=float(v)) for k, v in values.items()]
        self._add(step, Summary(value=items))

    def picture(self, step: int, name: str, image):
        """Logs a uint8 image (H, W, 3)."""
        height, width, _ = image.shape
        encoded = Summary.Image(
            height=height,
            width=width,
            colorspace=3,
            encoded_image_string=png_bytes(image),
        )
        self._add(step, Summary(value=[Summary.Value(tag=name, image=encoded)]))

    def close(self):
        """Writes what is waiting; nothing can be logged afterwards."""
        self.writer.close()

    def _add(self, step, summary):
        self.writer.add_event(Event(step=step, wall_time=time.time(), summary=summary))


def _text(value):
    return value if isinstance(value, str) else json.dumps(value)
