"""How much of a completed area is the grid that upsampling layers leave behind."""

import numpy as np

RADIUS = 1 / 32  # of a neighbourhood, cycles per pixel
TAPER = 9  # pixels from no weight to full weight at the border of the area
ROUNDING = 1e-12  # energy that one colour may have by rounding
LEAST_SIDE = 64  # the transform is padded to it, for bins finer than RADIUS


def checkerboard(image, mask=None, truth=None) -> float:
    """Returns the share of an area's spectral energy that repeats every 2 or 4 pixels.

    A transposed convolution or a nearest-neighbour upsampling treats the pixels of a
    2x2 (two in a row: 4x4) cell differently. That multiplies the picture by a pattern
    of period 2 (4), which copies its spectrum from around frequency 0 to around the
    multiples of 1/2 (1/4) cycles per pixel. The share is the energy within 1/32 of
    these 15 points of the frequency plane, divided by the energy at all frequencies,
    after the mean colour is removed and the border of the area is faded out.

    It is near 1 for a pattern of period 2 or 4, 15/256 for white noise, and far
    below that for photographs, whose energy lies at low frequencies.

    Args:
        image: uint8 or float (H, W, 3).
        mask: (H, W), 1 in the completed area; the whole picture if None.
        truth: the real picture, same shape as `image`: if given, the share is divided
            by the real picture's own share in the same area, so that 1 means as much
            as in reality, and more means a grid.

    Returns:
        The share, in [0, 1], or the ratio of shares; 0 for an area of one colour, nan
        where the area is too thin (under about 5 pixels) to have a spectrum.

    Reference:
        Odena, Dumoulin and Olah, Deconvolution and checkerboard artifacts,
        Distill, 2016.
    """
    if mask is None:
        mask = np.ones(image.shape[:2])
    window = _taper(np.asarray(mask, float))
    share = _share(image, window)
    if truth is None:
        return share
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.divide(share, _share(truth, window)))


def _taper(mask):
    """Weight (H, W) that falls smoothly to 0 at the border of the area."""
    kernel = np.hanning(TAPER + 2)[1:-1]
    kernel /= kernel.sum()
    smooth = np.pad(mask, TAPER // 2)  # nothing is completed beyond the picture
    for axis in (0, 1):
        smooth = np.apply_along_axis(np.convolve, axis, smooth, kernel, "valid")
    return np.clip(2 * smooth - 1, 0, 1)


def _share(image, window):
    """Energy around the lattice of upsampling frequencies over all energy."""
    if not window.any():
        return float("nan")
    window = window[..., None]
    mean = (image * window).sum(axis=(0, 1)) / window.sum()
    sides = [max(LEAST_SIDE, side + -side % 4) for side in image.shape[:2]]
    spectrum = np.fft.fft2((image - mean) * window, sides, axes=(0, 1))
    energy = np.abs(spectrum) ** 2
    total = energy.sum()
    return float(energy[_lattice(*sides)].sum() / total) if total > ROUNDING else 0.0


def _lattice(height, width):
    """Bins (height, width) near multiples of 1/4 cycle per pixel, except near 0."""
    y = np.fft.fftfreq(height)[:, None]
    x = np.fft.fftfreq(width)[None, :]
    near = [np.abs(f - np.round(4 * f) / 4) <= RADIUS for f in (y, x)]
    origin = (np.abs(y) <= RADIUS) & (np.abs(x) <= RADIUS)
    return near[0] & near[1] & ~origin
