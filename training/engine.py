"""The only file that knows TensorFlow from JAX: gradients, steps, batches, devices."""

import collections
import concurrent.futures
import functools
import itertools
import weakref

import keras
from keras import ops

from errors import InputError

COMPILED_SIZES = 16  # that JAX keeps; each takes seconds to compile, and memory
LARGEST_CONSTANT = 2**24  # in bytes; TensorFlow keeps several copies of each
BACKEND = keras.backend.backend()
if BACKEND == "tensorflow":
    import tensorflow as tf
elif BACKEND == "jax":
    import jax
else:
    raise InputError(f"KERAS_BACKEND: must be tensorflow or jax, received {BACKEND!r}")


def minimize(loss_fn, variables, optimizer):
    """Takes one optimizer step on `variables` and returns what the loss logs.

    Args:
        loss_fn: takes nothing, returns `(loss, logs)` with a scalar loss.
        variables: the trainable variables of the step, as `optimizer` was built.
        optimizer: a built Keras optimizer; scales the loss if it is a
            `LossScaleOptimizer`.
    """
    if BACKEND == "jax":
        return _bound.minimize(loss_fn, variables, optimizer)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch([v.value for v in variables])
        loss, logs = loss_fn()
        loss = optimizer.scale_loss(loss)
    _apply(optimizer)(tape.gradient(loss, [v.value for v in variables]))
    return logs


def _apply(optimizer):
    """Returns what applies gradients: one operation in steps that run eagerly, too.

    One by one, the thousands of Adam take a tenth of such a step's time.
    """
    if not tf.executing_eagerly():
        return optimizer.apply
    if optimizer not in _applied:
        own = weakref.ref(optimizer)  # or it would never be freed
        _applied[optimizer] = tf.function(lambda g: own().apply(g), autograph=False)
    return _applied[optimizer]


_applied = weakref.WeakKeyDictionary()


def input_gradient(fn, x):
    """Returns d sum(fn(x)) / dx, which can be differentiated again."""
    if BACKEND == "jax":
        # What fn assigns (power iterations, say) must not leave the gradient.
        def total(x):
            with _bound.nested_scope():
                return ops.sum(fn(x))

        return jax.grad(total)(x)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(x)
        y = fn(x)
    return tape.gradient(y, x)


def dilated_convolution(x, kernel, padding: str, dilation):
    """Returns the convolution of images (B, H, W, C) with a kernel, of stride 1.

    Args:
        x: images.
        kernel: (h, w, C, channels).
        padding: "valid" or "same".
        dilation: pixels from one tap of the kernel to the next.
    """
    if BACKEND == "tensorflow":
        kernel = tf.convert_to_tensor(kernel)
        # Float32 variables are rearranged in each call, which takes longer than is won;
        # of a constant no gradient is wanted.
        fixed = constant(kernel) is not None
        if fixed or (kernel.dtype != "float32" and _dilates(x.dtype)):
            return tf.nn.conv2d(x, kernel, 1, padding.upper(), dilations=dilation)
    return ops.conv(x, kernel, 1, padding, dilation_rate=dilation)


def constant(x):
    """Returns the values of what a compiled function holds as a constant, or None."""
    if BACKEND == "tensorflow" and not tf.executing_eagerly():
        x = tf.convert_to_tensor(x)
        if tf.is_symbolic_tensor(x):
            return tf.get_static_value(x)
    return None


def outside(array):
    """Returns a tensor of which TensorFlow's functions hold a reference, not copies."""
    with tf.init_scope():
        return tf.constant(array)


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


def compiled(network, constant: bool = False):
    """Returns a function that does what calling the network does, but compiled.

    TensorFlow compiles it for the first size, in a third of the time that one for all
    sizes takes, and for any height and width once others come; JAX anew for every size
    that is not among the last few. Weights may change between calls.

    Args:
        network: functional Keras model of a list of inputs.
        constant: whether weights are those of now for ever, which saves TensorFlow from
            rearranging them for the CPU in each call, and lets layers transform them.
    """
    if BACKEND == "tensorflow":
        call = _with_constants(network) if constant else network
        return tf.function(call, reduce_retracing=True, autograph=False)

    @functools.lru_cache(COMPILED_SIZES)
    def compile_for(shape):  # jax.jit itself would never forget a size
        return jax.jit(lambda *values: network.stateless_call(*values)[0])

    def run(inputs):
        variables = (network.trainable_variables, network.non_trainable_variables)
        values = [[v.value for v in vs] for vs in variables]
        return compile_for(inputs[0].shape)(*values, inputs)

    return run


def _with_constants(network):
    """Returns a function that calls the network with the weights of now."""
    variables = (network.trainable_variables, network.non_trainable_variables)
    arrays = [[v.numpy() for v in vs] for vs in variables]
    values = [
        [outside(a) if a.nbytes > LARGEST_CONSTANT else a for a in part]
        for part in arrays
    ]

    def call(inputs):
        constants = [[tf.convert_to_tensor(v) for v in part] for part in values]
        return network.stateless_call(*constants, inputs)[0]

    return call


class StepModel(keras.Model):
    """A model whose `training_step(batch) -> logs` is the same on every engine."""

    def training_step(self, batch):
        raise NotImplementedError

    def compile(self, *arguments, run_eagerly=False, jit_compile=False, **options):
        """Compiles as Keras does; JAX has no other way to compile than XLA."""
        jit_compile = (jit_compile or BACKEND == "jax") and not run_eagerly
        options |= {"run_eagerly": run_eagerly, "jit_compile": jit_compile}
        super().compile(*arguments, **options)

    if BACKEND == "tensorflow":

        def train_step(self, data):
            return self.training_step(data[0])

    else:

        def train_step(self, state, data):
            variables = (
                self.trainable_variables,
                self.non_trainable_variables,
                self.optimizer.variables,
                self.metrics_variables,
            )
            with _bound.bind(itertools.chain(*variables), itertools.chain(*state)):
                logs = self.training_step(data[0])
                return logs, tuple([_bound.value(v) for v in vs] for vs in variables)


class _Bound:
    """The values that the variables of a JAX step have at the moment."""

    def __init__(self):
        self.variables, self.scope = [], None

    def value(self, variable):
        return self.scope.get_current_value(variable)

    def bind(self, variables, values):
        self.variables = list(variables)
        self.scope = keras.StatelessScope(list(zip(self.variables, values)))
        return self.scope

    def nested_scope(self, replaced=()):
        mapping = [(v, v.value) for v in self.variables]  # of the innermost scope
        return keras.StatelessScope([*mapping, *replaced])

    def minimize(self, loss_fn, variables, optimizer):
        def stateless_loss(values):
            with self.nested_scope(zip(variables, values)) as inner:
                loss, logs = loss_fn()
                loss = optimizer.scale_loss(loss)
            updated = [inner.get_current_value(v) for v in self.variables]
            return loss, (logs, updated)

        values = [self.value(v) for v in variables]
        gradients, (logs, updated) = jax.grad(stateless_loss, has_aux=True)(values)
        self._assign(self.variables, updated)
        slots = [self.value(v) for v in optimizer.variables]
        values, slots = optimizer.stateless_apply(slots, gradients, values)
        self._assign([*variables, *optimizer.variables], [*values, *slots])
        return logs

    def _assign(self, variables, values):
        for variable, value in zip(variables, values):
            self.scope.add_update((variable, value))


_bound = _Bound()


def stream(load_batch, start: int, stop: int, workers: int = 4):
    """Yields `(load_batch(i),)` for i in [start, stop), in order, made ahead.

    Parallel: a `tf.data` pipeline on TensorFlow, threads elsewhere.

    Args:
        load_batch: a pure function of i that returns a dict of uint8 arrays of fixed
            shapes; called from several threads.
    """
    if BACKEND != "tensorflow":
        return _threaded(load_batch, start, stop, workers)
    shapes = {k: v.shape for k, v in load_batch(start).items()}
    keys = list(shapes)

    def load(i):
        arrays = tf.numpy_function(
            lambda i: [load_batch(int(i))[k] for k in keys], [i], [tf.uint8] * len(keys)
        )
        return ({k: tf.ensure_shape(a, shapes[k]) for k, a in zip(keys, arrays)},)

    batches = tf.data.Dataset.range(start, stop)
    batches = batches.map(load, num_parallel_calls=workers, deterministic=True)
    return batches.prefetch(workers)


def _threaded(load_batch, start, stop, workers):
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        ahead = collections.deque()
        for i in range(start, stop):
            ahead.append(pool.submit(load_batch, i))
            if len(ahead) > workers:
                yield (ahead.popleft().result(),)
        while ahead:
            yield (ahead.popleft().result(),)


def deterministic():
    """Makes every following run repeat itself bit for bit on the same machine."""
    if BACKEND == "tensorflow":
        tf.config.experimental.enable_op_determinism()


def devices():
    """Returns the devices that the engine sees, in words."""
    if BACKEND == "jax":
        return [f"{d.platform}:{d.id} {d.device_kind}" for d in jax.devices()]
    return [d.name for d in tf.config.list_physical_devices()]


def on_cpu():
    """Whether the engine has nothing faster."""
    return all("cpu" in device.lower() for device in devices())


def version():
    """Returns the engine's name and version."""
    return {BACKEND: (jax if BACKEND == "jax" else tf).__version__}
