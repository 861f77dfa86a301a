"""When the variables of networks take memory: once they are given numbers.

Importing this takes no engine.
"""

import contextlib

WAITING = "uninitialized_variables"  # private to Keras; a test notices if it changes


@contextlib.contextmanager
def without_memory():
    """Builds networks whose variables have shapes, and numbers only once they are set.

    Yields:
        A list, which has these variables once they are built; see `complete`.
    """
    import keras
    from keras.src.backend.common import global_state
    from keras.src.random.seed_generator import global_seed_generator

    global_seed_generator()  # which would be one of the variables if it were new
    before, built = [*(global_state.get_global_attribute(WAITING) or [])], []
    try:
        with keras.StatelessScope(initialize_variables=False):
            yield built
    finally:
        waiting = global_state.get_global_attribute(WAITING) or []
        built += waiting[len(before) :]
        # Keras would initialize them at the end of the next scope, whosever that is.
        global_state.set_global_attribute(WAITING, before)


def give(variable, array):
    """Sets a variable, which may be of `without_memory`.

    Where it has random numbers first, those leave gaps in the allocator: of Stable
    Diffusion a quarter of its memory.

    Args:
        variable: of Keras.
        array: of its shape and any type.
    """
    if has_numbers(variable):
        variable.assign(array)
        return
    from keras import ops

    variable._initialize(ops.convert_to_tensor(array, variable.dtype))
    variable._initializer = None


def complete(variables):
    """Gives those variables that have no numbers their first, mostly random ones."""
    for variable in variables:
        if not has_numbers(variable):
            variable._deferred_initialize()


def has_numbers(variable) -> bool:
    """Whether a variable takes memory; one of `without_memory` does once it is set."""
    return getattr(variable, "_value", variable) is not None
