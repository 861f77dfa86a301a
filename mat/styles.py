"""Where style and features of MAT meet, in both of its stages (section 3.4)."""

from keras import ops

from inpainting_zoo.layers.equalized import EqualizedDense
from inpainting_zoo.layers.modulated_convolution import ModulatedConv2D
from inpainting_zoo.layers.resampling import FilteredUpsampling2D

SIDE = 16  # of the features that are mixed with a style


def mixed(x, w, keep, name: str):
    """Replaces features by values of a style, one for all channels of a position.

    Args:
        x: features (B, 16, 16, C).
        w: style (B, S).
        keep: (B, 16, 16, C), 1 where a feature stays, 0 where it is replaced.
        name: of the dense layer.
    """
    values = EqualizedDense(SIDE**2, "lrelu", name=name)(w)
    return x * keep + ops.reshape(values, (-1, SIDE, SIDE, 1)) * (1 - keep)


def summary(x, halvings, units: int, name: str):
    """Returns what features are on the whole, (B, units).

    Args:
        x: features (B, 16, 16, C).
        halvings: convolutions that halve them.
        units: of the dense layer.
        name: of the dense layer.
    """
    for convolve in halvings:
        x = convolve(x)
    return EqualizedDense(units, "lrelu", name=name)(ops.mean(x, axis=(1, 2)))


def colours(x, style, smaller, name: str):
    """Returns RGB of features, added to those of half the side.

    Args:
        x: features (B, H, W, C).
        style: (B, S).
        smaller: (B, H / 2, W / 2, 3), or None.
        name: of the convolution.
    """
    convolve = ModulatedConv2D(3, 1, activation="linear", demodulate=False, name=name)
    rgb = convolve([x, style])
    if smaller is None:
        return rgb
    return rgb + FilteredUpsampling2D(name=f"{name}_upsampled")(smaller)
