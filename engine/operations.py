"""Operations that Keras lacks, or that take a faster way on one engine."""

import concurrent.futures
import functools
import itertools

from keras import ops

from inpainting_zoo.engine.backend import BACKEND, jax, tf


def dilated_convolution(x, kernel, padding: str, dilation):
    """Returns the convolution of images (B, H, W, C) with a kernel, of stride 1.

    Args:
        x: images.
        kernel: (h, w, C, channels).
        padding: "valid" or "same".
        dilation: pixels from one tap of the kernel to the next.
    """
    # In float32 kernels are rearranged in each call, which takes longer than is won.
    narrow = BACKEND == "tensorflow" and x.dtype != "float32"
    if narrow and _dilates(x.dtype):
        return tf.nn.conv2d(x, kernel, 1, padding.upper(), dilations=dilation)
    return ops.conv(x, kernel, 1, padding, dilation_rate=dilation)


def split(x, sizes, axis: int):
    """Returns parts of x of these sizes; `keras.ops.split` takes ten operations."""
    if BACKEND == "tensorflow":
        return tf.split(x, sizes, axis)
    return ops.split(x, list(itertools.accumulate(sizes[:-1])), axis)


def _dilates(dtype):
    """Whether TensorFlow has gradients of dilated kernels here; not on every CPU."""
    return _probe_dilation(dtype, tf.executing_eagerly())


@functools.cache
def _probe_dilation(dtype, eagerly):
    def gradients():
        x, kernel = tf.ones((1, 5, 5, 1), dtype), tf.ones((3, 3, 1, 1), dtype)
        with tf.GradientTape() as tape:
            tape.watch([x, kernel])
            y = tf.nn.conv2d(x, kernel, 1, "VALID", dilations=2)
        return tape.gradient(y, [x, kernel])

    # In a thread of its own: where a function is traced nothing runs at once, and
    # `tf.init_scope`, which would make it, pauses tapes.
    run = gradients if eagerly else tf.function(gradients, autograph=False)
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        try:
            return thread.submit(run).result() is not None
        except tf.errors.OpError:
            return False


def fold(fn, value, parts):
    """Returns fn(... fn(fn(value, parts[0]), parts[1]) ..., parts[-1]).

    One call after the other, never two at once, so that memory is that of one call. It
    can be differentiated, and compiled with XLA, which `keras.ops.scan` cannot on
    TensorFlow.

    Args:
        fn: takes a value and a part, returns a value of the same shape.
        value: tensor to begin with.
        parts: tensor whose first axis is static.
    """
    if BACKEND == "jax":
        return jax.lax.scan(lambda v, part: (fn(v, part), None), value, parts)[0]
    count = parts.shape[0]
    array = tf.TensorArray(parts.dtype, count).unstack(parts)
    return tf.while_loop(
        lambda i, value: i < count,
        lambda i, value: (i + 1, fn(value, array.read(i))),
        (0, value),
        parallel_iterations=1,
        maximum_iterations=count,
    )[1]
