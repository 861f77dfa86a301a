"""Operations that Keras lacks, or that take a faster way on one engine."""

import concurrent.futures
import functools
import itertools
import time

import numpy as np
from keras import ops

from inpainting_zoo.engine.backend import BACKEND, accelerators, jax, tf

# Numbers that the cache of a CPU holds: 4 MB of float32.
CACHED = 2**20


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


def attention(queries, keys, values, mask=None, causal: bool = False):
    """Returns what queries gather of values: softmax(Q K' / sqrt(C)) V, by heads.

    TensorFlow writes the weights of all heads to memory. Of long sequences a CPU takes
    one head after the other instead, and so many rows of its weights as its cache
    holds, in half of the time.

    Args:
        queries: (B, n, heads, C).
        keys, values: (B, m, heads, C).
        mask: whether a query sees a key, (B, 1, 1 or n, m); all by default.
        causal: whether a query sees no key that comes after it.
    """
    plain = BACKEND == "tensorflow" and mask is None and not causal
    _, n, heads, size = queries.shape
    m = keys.shape[1]
    if not plain or None in (n, m) or heads * n * m <= CACHED or accelerators():
        return ops.dot_product_attention(
            queries, keys, values, mask=mask, is_causal=causal
        )
    rows = max(1, CACHED // m)

    def gather(head):
        q, k, v = head  # (n, C), (m, C), (m, C)
        found = []
        for i in range(0, n, rows):
            weights = tf.matmul(q[i : i + rows], k, transpose_b=True)
            weights = tf.nn.softmax(tf.cast(weights, "float32"))
            found.append(tf.matmul(tf.cast(weights, v.dtype), v))
        return tf.concat(found, 0)

    heads_first = tuple(
        tf.reshape(tf.transpose(x, (0, 2, 1, 3)), (-1, x.shape[1], size))
        for x in (queries * size**-0.5, keys, values)
    )
    found = tf.map_fn(
        gather,
        heads_first,
        fn_output_signature=values.dtype,
        parallel_iterations=1,
    )
    return tf.transpose(tf.reshape(found, (-1, heads, n, size)), (0, 2, 1, 3))


def split(x, sizes, axis: int):
    """Returns parts of x of these sizes; `keras.ops.split` takes ten operations."""
    if BACKEND == "tensorflow":
        return tf.split(x, sizes, axis)
    return ops.split(x, list(itertools.accumulate(sizes[:-1])), axis)


def computes_in(dtype: str) -> bool:
    """Returns whether the engine has convolutions in a dtype here, and gradients.

    JAX has them everywhere: its compiler computes in float32 what a CPU has not.
    """
    if BACKEND == "jax" or dtype == "float32":
        return True
    return _probe(dtype, 1, tf.executing_eagerly())


def _dilates(dtype):
    """Whether TensorFlow has gradients of dilated kernels here; not on every CPU."""
    return _probe(dtype, 2, tf.executing_eagerly())


@functools.cache
def _probe(dtype, dilation, eagerly):
    def gradients():
        x, kernel = tf.ones((1, 5, 5, 1), dtype), tf.ones((3, 3, 1, 1), dtype)
        with tf.GradientTape() as tape:
            tape.watch([x, kernel])
            y = tf.nn.conv2d(x, kernel, 1, "VALID", dilations=dilation)
        return tape.gradient(y, [x, kernel])

    # In a thread of its own: where a function is traced nothing runs at once, and
    # `tf.init_scope`, which would make it, pauses tapes.
    run = gradients if eagerly else tf.function(gradients, autograph=False)
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        try:
            return thread.submit(run).result() is not None
        except tf.errors.OpError:
            return False


def seconds_of_product(dtype: str, side: int = 1024, repeats: int = 3) -> float:
    """Returns the least seconds that a product of square matrices takes here."""
    x, times = ops.cast(np.random.default_rng(0).random((side, side)), dtype), []
    for _ in range(1 + repeats):
        began = time.perf_counter()
        ops.convert_to_numpy(ops.matmul(x, x)[0])  # waits for the result
        times.append(time.perf_counter() - began)
    return min(times[1:])  # the first call makes ready


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


def normalize_batch(x, gamma, beta, epsilon: float):
    """Normalizes features (B, H, W, C) by their mean and variance.

    Returns:
        `(y, mean, variance)`: of the type of x, and float32 (C,); the variance is the
        unbiased estimate, by which y is not normalized.
    """
    if BACKEND == "tensorflow":  # in half of the time of single operations
        return tf.compat.v1.nn.fused_batch_norm(x, gamma, beta, epsilon=epsilon)[:3]
    wide = ops.cast(x, "float32")
    mean, variance = ops.moments(wide, axes=(0, 1, 2))
    y = ops.batch_normalization(wide, mean, variance, -1, beta, gamma, epsilon)
    count = x.size // x.shape[-1]
    return ops.cast(y, x.dtype), mean, variance * (count / max(count - 1, 1))


def rfft2(x):
    """Returns the real and the imaginary part of the spectrum of (B, H, W, C).

    Each is (B, H, W // 2 + 1, C), not normalized.
    """
    if BACKEND == "jax":
        y = jax.numpy.fft.rfft2(x, axes=(1, 2))
        return y.real, y.imag
    y = tf.transpose(tf.signal.rfft2d(tf.transpose(x, (0, 3, 1, 2))), (0, 2, 3, 1))
    return tf.math.real(y), tf.math.imag(y)


def irfft2(real, imaginary, width):
    """Returns the images (B, H, W, C) whose spectrum `rfft2` would return."""
    if BACKEND == "jax":
        size = (real.shape[1], width)
        return jax.numpy.fft.irfft2(real + 1j * imaginary, size, axes=(1, 2))
    y = tf.transpose(tf.complex(real, imaginary), (0, 3, 1, 2))
    size = [tf.shape(real)[1], width]
    return tf.transpose(tf.signal.irfft2d(y, size), (0, 2, 3, 1))


def convolve_channels(x, kernel, margins=(0, 0), stride: int = 1):
    """Returns the correlation of every channel of (B, H, W, C) with one kernel.

    Args:
        x: features.
        kernel: NumPy array (h, w).
        margins: zeros before and after each axis.
        stride: of the positions that are kept.
    """
    channels = x.shape[-1]
    kernel = ops.cast(kernel[..., None, None], x.dtype)
    if BACKEND == "jax":
        return jax.lax.conv_general_dilated(
            x,
            jax.numpy.tile(kernel, (1, 1, 1, channels)),
            (stride, stride),
            [margins, margins],
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=channels,
        )
    kernel = ops.tile(kernel, (1, 1, channels, 1))
    # TensorFlow's own explicit padding here fails in its optimizer of graphs.
    x = ops.pad(x, [(0, 0), margins, margins, (0, 0)])
    return tf.nn.depthwise_conv2d(x, kernel, [1, stride, stride, 1], "VALID")


def scaled_once(x, kernel, scale: float):
    """Returns scale * kernel, computed no sooner than x.

    TensorFlow would else compute the kernels of all layers at the start, since they
    wait for nothing, and hold as much memory as all weights take.
    """
    if BACKEND == "jax":
        return kernel * scale
    with tf.control_dependencies([x]):
        return kernel * scale
