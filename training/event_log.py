"""TensorBoard logs without TensorFlow, so that they are the same on every engine."""

import time
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from metrics.pictures import png_bytes


class EventLog:
    """Writes scalars and pictures that `tensorboard --logdir` shows.

    Args:
        folder: of the event files.
    """

    def __init__(self, folder):
        self.writer = EventFileWriter(str(Path(folder)))

    def scalars(self, step: int, values: dict):
        """Logs numbers by name."""
        items = [Summary.Value(tag=k, simple_value=float(v)) for k, v in values.items()]
        self._add(step, items)

    def picture(self, step: int, name: str, image):
        """Logs a uint8 image (H, W, 3)."""
        height, width, _ = image.shape
        encoded = Summary.Image(
            height=height,
            width=width,
            colorspace=3,
            encoded_image_string=png_bytes(image),
        )
        self._add(step, [Summary.Value(tag=name, image=encoded)])

    def close(self):
        self.writer.close()

    def _add(self, step, values):
        summary = Summary(value=values)
        self.writer.add_event(Event(step=step, wall_time=time.time(), summary=summary))
