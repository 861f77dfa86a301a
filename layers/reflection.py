"""Where the pixels of a reflected border come from; needs an engine for tensors."""

import numpy as np


def reflected(size, before: int, after: int, edge: int = 0):
    """Returns the indices of the pixels that an axis shows when padded by reflection.

    Args:
        size: of the axis, in pixels; an integer, for a NumPy array, or a tensor.
        before, after: pixels to add.
        edge: how often the first and the last pixel are repeated, 0 or 1.
    """
    if isinstance(size, int):
        xp = np  # far fewer operations to trace
    else:
        from keras import ops as xp
    period = xp.maximum(2 * (size - 1 + edge), 1)
    positions = xp.arange(-before, size + after)
    # ONNX has no remainder of negative numbers as engines have.
    positions = xp.maximum(positions, -positions - edge) % period
    return xp.minimum(positions, period - edge - positions)
