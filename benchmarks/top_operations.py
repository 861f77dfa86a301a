"""The operations that take the longest, by TensorFlow's profiler."""

import collections
import tempfile
from pathlib import Path

import tensorflow as tf
from tensorflow.tsl.profiler.protobuf import xplane_pb2


def top_operations(run, steps: int, count: int = 25):
    """Traces a call and adds up the time of its operations, over all threads.

    Args:
        run: takes nothing; what is traced.
        steps: how many training steps it takes.
        count: how many kinds of operations are returned, the longest first.

    Returns:
        A list of dicts: operation, milliseconds and calls of one step, share of all.
    """
    with tempfile.TemporaryDirectory() as folder:
        with tf.profiler.experimental.Profile(folder):
            run()
        (trace,) = Path(folder).rglob("*.xplane.pb")
        space = xplane_pb2.XSpace.FromString(trace.read_bytes())
    picoseconds, calls = collections.Counter(), collections.Counter()
    for plane in space.planes:
        for event in (e for line in plane.lines for e in line.events):
            # Operations are called "node:kind", what runs them "Class::Method".
            name = plane.event_metadata[event.metadata_id].name
            node, _, kind = name.rpartition(":")
            if node and not node.endswith(":") and kind.isidentifier():
                picoseconds[kind] += event.duration_ps
                calls[kind] += 1
    total = picoseconds.total()
    return [
        {
            "operation": kind,
            "milliseconds": duration / 1e9 / steps,
            "calls": calls[kind] / steps,
            "share": duration / total,
        }
        for kind, duration in picoseconds.most_common(count)
    ]
