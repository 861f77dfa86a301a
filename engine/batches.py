"""Batches made ahead, in order, in parallel."""

import collections
import concurrent.futures
import contextlib

from inpainting_zoo.engine.backend import BACKEND, tf


def stream(load_batch, start: int, stop: int, workers: int = 4):
    """Yields `(load_batch(i),)` for i in [start, stop), in order, made ahead.

    Parallel: a `tf.data` pipeline on TensorFlow, threads elsewhere.

    Args:
        load_batch: a pure function of i that returns a dict of arrays, each of one
            dtype and shape whatever i; called from several threads.
    """
    if BACKEND != "tensorflow":
        return _threaded(load_batch, start, stop, workers)
    first = load_batch(start)
    dtypes = [array.dtype for array in first.values()]
    shapes = {name: array.shape for name, array in first.items()}

    def load(i):
        arrays = tf.numpy_function(
            lambda i: [load_batch(int(i))[name] for name in shapes], [i], dtypes
        )
        named = zip(shapes, arrays)
        return ({name: tf.ensure_shape(a, shapes[name]) for name, a in named},)

    batches = tf.data.Dataset.range(start, stop)
    batches = batches.map(load, num_parallel_calls=workers, deterministic=True)
    return batches.prefetch(workers)


@contextlib.contextmanager
def streaming(load_batch, start: int, stop: int, workers: int = 4):
    """Gives `stream` to a block, which fails with what `load_batch` raised.

    TensorFlow would raise an error of its own, with that one's traceback as text.
    """
    first = []

    def load(i):
        try:
            return load_batch(i)
        except Exception as error:
            first.append(error)
            raise

    try:
        yield stream(load, start, stop, workers)
    except Exception as error:
        if first and first[0] is not error:
            raise first[0] from error
        raise


def _threaded(load_batch, start, stop, workers):
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        ahead = collections.deque()
        for i in range(start, stop):
            ahead.append(pool.submit(load_batch, i))
            if len(ahead) > workers:
                yield (ahead.popleft().result(),)
        while ahead:
            yield (ahead.popleft().result(),)
