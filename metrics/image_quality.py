"""How near a completed picture is to the true one: numbers on uint8 RGB images."""

import numpy as np
import skimage  # whose rooms, and SciPy, are loaded when they are used

SSIM_WINDOW = 11


def psnr(truth, image, data_range: float = 255) -> float:
    """Returns the peak signal-to-noise ratio in dB; infinite for identical images.

    Args:
        truth: (H, W, 3), or any shape shared with `image`.
        image: same shape and scale as `truth`.
        data_range: distance between the least and the greatest possible value.
    """
    with np.errstate(divide="ignore"):
        return float(
            skimage.metrics.peak_signal_noise_ratio(truth, image, data_range=data_range)
        )


def psnr_hole(truth, image, mask) -> float:
    """Returns the PSNR in dB over the hole alone; nan where the hole is empty.

    Args:
        truth: uint8 (H, W, 3).
        image: uint8 (H, W, 3).
        mask: (H, W), 1 in the hole.
    """
    hole = np.asarray(mask, bool)
    return psnr(truth[hole], image[hole]) if hole.any() else float("nan")


def ssim(truth, image) -> float:
    """Returns the structural similarity, mean over RGB, 1 for identical images.

    Gaussian window of 11 pixels (sigma 1.5), K1 = .01, K2 = .03, averaged where the
    window lies inside the picture. A side under 11 pixels has no such place: nan.

    Args:
        truth: uint8 (H, W, 3).
        image: uint8 (H, W, 3).

    Reference:
        Wang et al., Image quality assessment: from error visibility to structural
        similarity, IEEE Transactions on Image Processing 13(4), 2004.
    """
    if min(truth.shape[:2]) < SSIM_WINDOW:
        return float("nan")
    similarity = skimage.metrics.structural_similarity(
        truth,
        image,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=255,
        channel_axis=-1,
    )
    return float(similarity)


def l1(truth, image) -> float:
    """Returns the mean absolute difference of uint8 images on [0, 1]."""
    return float(_difference(truth, image).mean() / 255)


def l1_hole(truth, image, mask) -> float:
    """Returns the mean absolute difference in the hole, on [0, 1]; nan without one."""
    hole = np.asarray(mask, bool)
    return l1(truth[hole], image[hole]) if hole.any() else float("nan")


def l2(truth, image) -> float:
    """Returns the mean squared difference of uint8 images on [0, 1]."""
    return float(skimage.metrics.mean_squared_error(truth, image) / 255**2)


def l2_hole(truth, image, mask) -> float:
    """Returns the mean squared difference in the hole, on [0, 1]; nan without one."""
    hole = np.asarray(mask, bool)
    return l2(truth[hole], image[hole]) if hole.any() else float("nan")


def outside_max(truth, image, mask) -> int:
    """Returns the largest difference at a known pixel, in grey levels; 0 if completed.

    Args:
        truth: uint8 (H, W, 3).
        image: uint8 (H, W, 3).
        mask: (H, W), 1 in the hole.
    """
    known = ~np.asarray(mask, bool)
    return int(_difference(truth[known], image[known]).max(initial=0))


def identical(truth, image, mask=None) -> int:
    """Returns 1 if two pictures are the same, whose PSNR is infinite, else 0."""
    return int(np.array_equal(truth, image))


def _difference(truth, image):
    """|truth - image| as int16, where uint8 would wrap around."""
    return np.abs(np.subtract(truth, image, dtype=np.int16))
