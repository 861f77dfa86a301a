"""The mean squared error."""

from keras import ops


def mean_squared_error(generated, target):
    """Returns the mean squared difference of two tensors of one shape, of any."""
    return ops.mean(ops.square(generated - target))
