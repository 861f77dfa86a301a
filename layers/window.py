"""Square windows around the holes of a batch."""

from keras import ops


def hole_window(mask, side: int):
    """Finds, for each sample, the window that holds most of its hole.

    A rectangle of the window's size is found exactly; of a larger or scattered hole the
    window sees the fullest part.

    Args:
        mask: (B, H, W, 1), 1 in the hole; H and W static and at least `side`.
        side: height and width of the window in pixels.

    Returns:
        Rows (B, side) and columns (B, side) for `crop`.
    """
    # Summed-area table with a border of zeros: the hole's pixels in any window are a
    # sum of four of its entries, exact in float32 up to 2**24 pixels.
    table = ops.cumsum(ops.cumsum(mask[..., 0], axis=1), axis=2)
    table = ops.pad(table, ((0, 0), (1, 0), (1, 0)))
    pixels = table[:, side:, side:] - table[:, :-side, side:]
    pixels = pixels - table[:, side:, :-side] + table[:, :-side, :-side]
    _, rows, columns = pixels.shape
    best = ops.argmax(ops.reshape(pixels, (-1, rows * columns)), axis=1)
    offsets = ops.arange(side)[None]
    top, left = best // columns, best % columns
    return (
        ops.cast(top, "int32")[:, None] + offsets,
        ops.cast(left, "int32")[:, None] + offsets,
    )


def crop(x, window):
    """Takes each sample's window: (B, H, W, C) -> (B, side, side, C)."""
    rows, columns = window
    batch, side = x.shape[0], rows.shape[1]
    rows = ops.broadcast_to(rows[:, :, None, None], (batch, side, *x.shape[2:]))
    x = ops.take_along_axis(x, rows, axis=1)
    columns = ops.broadcast_to(
        columns[:, None, :, None], (batch, side, side, x.shape[3])
    )
    return ops.take_along_axis(x, columns, axis=2)
