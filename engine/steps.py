"""Gradients, and training steps that are the same on every engine."""

import contextlib
import contextvars
import itertools
import weakref

import keras
from keras import ops

from inpainting_zoo.engine.backend import BACKEND, explicit_settings, jax, tf


def minimize(loss_fn, variables, optimizer):
    """Takes one optimizer step on `variables` and returns what the loss logs.

    Args:
        loss_fn: takes nothing, returns `(loss, logs)` with a scalar loss.
        variables: the trainable variables of the step, as `optimizer` was built.
        optimizer: a built Keras optimizer; scales the loss if it is a
            `LossScaleOptimizer`.
    """
    if BACKEND == "jax":
        return _bound.get().minimize(loss_fn, variables, optimizer)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch([v.value for v in variables])
        loss, logs = loss_fn()
        loss = optimizer.scale_loss(loss)
    _apply(optimizer)(tape.gradient(loss, [v.value for v in variables]))
    return logs


def descend(loss_fn, variables, optimizer, steps: int, read=()):
    """Takes optimizer steps outside of any training, compiled.

    Args:
        loss_fn, variables, optimizer: as for `minimize`.
        steps: how many.
        read: variables that `loss_fn` reads beside those.
    """

    def step():
        return minimize(loss_fn, variables, optimizer)

    if BACKEND == "tensorflow":
        step = tf.function(step, autograph=False)
        for _ in range(steps):
            step()
        return
    bound = [*variables, *optimizer.variables, *read]
    compiled = jax.jit(lambda values: _bound_step(step, [bound], [values])[1][0])
    values = [v.value for v in bound]
    for _ in range(steps):
        values = compiled(values)
    for variable, value in zip(variables, values):
        variable.assign(value)


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


def substituted(variables, values):
    """Returns a block in which variables have the values of others.

    Args:
        variables: Keras variables.
        values: variables whose values they take, one for each.
    """
    pairs = [(v, value.value) for v, value in zip(variables, values)]
    if not pairs:
        return contextlib.nullcontext()
    step = _bound.get(None)
    return step.nested_scope(pairs) if step else keras.StatelessScope(pairs)


def input_gradient(fn, x):
    """Returns d sum(fn(x)) / dx, which can be differentiated again.

    What fn assigns, such as power iterations and moving averages, is discarded.
    """
    if BACKEND == "jax":

        def total(x):
            with _bound.get(_Bound()).nested_scope():
                return ops.sum(fn(x))

        return jax.grad(total)(x)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(x)
        with keras.StatelessScope():
            y = fn(x)
    return tape.gradient(y, x)


class StepModel(keras.Model):
    """A model whose steps, batch -> logs, are the same on every engine.

    `fit` takes `training_step`, `evaluate` and `validation_data` take
    `evaluation_step`, whose logs are averaged over the batches.

    Attributes:
        EVALUATED: names of all that `evaluation_step` may return.
    """

    EVALUATED = ()

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.jit_compile = BACKEND == "jax"  # until `compile`, as it has it
        self.means = {name: keras.metrics.Mean(name) for name in self.EVALUATED}

    @property
    def metrics(self):
        """What `evaluation_step` returns; without Keras's loss, which nothing fills."""
        return [*getattr(self, "means", {}).values()]

    def training_step(self, batch):
        """Takes a step of training; returns scalars by name."""
        raise NotImplementedError

    def evaluation_step(self, batch):
        """Returns scalars by name; changes nothing."""
        raise NotImplementedError

    def compile(self, *arguments, run_eagerly=False, jit_compile=False, **options):
        """Compiles as Keras does; JAX has no other way to compile than XLA."""
        jit_compile = (jit_compile or BACKEND == "jax") and not run_eagerly
        options |= {"run_eagerly": run_eagerly, "jit_compile": jit_compile}
        super().compile(*arguments, **options)

    @explicit_settings()
    def fit(self, *arguments, **options):
        """Trains as Keras does."""
        if arguments and not hasattr(arguments[0], "shape"):
            options.setdefault("shuffle", False)  # a stream; or Keras warns
        return super().fit(*arguments, **options)

    @explicit_settings()
    def evaluate(self, *arguments, **options):
        """Evaluates as Keras does."""
        return super().evaluate(*arguments, **options)

    @explicit_settings()
    def predict(self, *arguments, **options):
        """Predicts as Keras does."""
        return super().predict(*arguments, **options)

    def _averaged(self, logs):
        """Adds scalars to what `evaluate` has seen so far; returns the means."""
        for name, value in logs.items():
            self.means[name].update_state(value)
        return {name: self.means[name].result() for name in logs}

    if BACKEND == "tensorflow":

        def train_step(self, data):
            return self.training_step(_batch(data))

        def test_step(self, data):
            return self._averaged(self.evaluation_step(_batch(data)))

    else:

        def train_step(self, state, data):
            variables = (
                self.trainable_variables,
                self.non_trainable_variables,
                self.optimizer.variables,
                self.metrics_variables,
            )
            return _bound_step(
                lambda: self.training_step(_batch(data)), variables, state
            )

        def test_step(self, state, data):
            variables = (
                self.trainable_variables,
                self.non_trainable_variables,
                self.metrics_variables,
            )
            return _bound_step(
                lambda: self._averaged(self.evaluation_step(_batch(data))),
                variables,
                state,
            )


def _batch(data):
    """Takes the batch from what a data set yields: itself, or the first of a tuple."""
    return keras.utils.unpack_x_y_sample_weight(data)[0]


def _bound_step(step, variables, state):
    """Runs a step of JAX with the values of a state; returns logs and the new state."""
    bound = _Bound(itertools.chain(*variables), itertools.chain(*state))
    with bound.active():
        return step(), tuple([bound.value(v) for v in vs] for vs in variables)


class _Bound:
    """The values that the variables of a JAX step have at the moment."""

    def __init__(self, variables=(), values=()):
        self.variables = list(variables)
        self.scope = keras.StatelessScope(list(zip(self.variables, values)))

    @contextlib.contextmanager
    def active(self):
        """Lets `minimize` and `input_gradient` find this step within the block."""
        token = _bound.set(self)
        try:
            with self.scope:
                yield
        finally:
            _bound.reset(token)

    def value(self, variable):
        return self.scope.get_current_value(variable)

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


# Each thread's own: two models may be traced at once.
_bound = contextvars.ContextVar("step")
