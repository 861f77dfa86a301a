"""When the variables of networks take memory: as late as they are given numbers.

Importing this takes no engine.
"""

import contextlib

WAITING = "uninitialized_variables"  # private to Keras; a test notices if it changes


@contextlib.contextmanager
def memory_last():
    """Builds networks whose variables take memory when they are given numbers.

    Those that are not, by `give`, have their first ones at the end; none have if an
    error occurs.
    """
    import keras
    from keras.src.backend.common import global_state

    try:
        with keras.StatelessScope(initialize_variables=False):
            yield
    except BaseException:
        # Keras would initialize them at the end of the next scope, whosever that is.
        global_state.set_global_attribute(WAITING, [])
        raise
    waiting = global_state.get_global_attribute(WAITING) or []
    global_state.set_global_attribute(WAITING, [v for v in waiting if _waits(v)])
    with keras.StatelessScope():
        pass  # initializes them at its end


def give(variable, array):
    """Sets a variable; one of `memory_last` never has other numbers before.

    Where networks have random numbers first, what those leave in the allocator is a
    quarter of the networks' memory.

    Args:
        variable: of Keras.
        array: of its shape.
    """
    if not _waits(variable):
        variable.assign(array)
        return
    from keras import ops

    variable._initialize_with_initializer(
        lambda shape, dtype=None: ops.convert_to_tensor(array, dtype)
    )
    variable._initializer = None


def _waits(variable):
    return getattr(variable, "_value", variable) is None
