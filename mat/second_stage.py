"""The second stage of MAT: a U-Net of convolutions that a style modulates."""

import math

from keras import ops

from inpainting_zoo.layers.equalized import EqualizedConv2D
from inpainting_zoo.layers.modulated_convolution import ModulatedConv2D
from inpainting_zoo.mat.styles import SIDE, colours, mixed, summary


def widths(image_size: int, channels, least: int = SIDE) -> dict:
    """Returns side of features -> channels, from the image's side down.

    Args:
        image_size: a power of two.
        channels: from the image's side on; below the last, features have as many.
        least: the smallest side.
    """
    sides = [image_size >> i for i in range(int(math.log2(image_size // least)) + 1)]
    return {s: channels[min(i, len(channels) - 1)] for i, s in enumerate(sides)}


def noise_sides(image_size: int) -> list:
    """Returns the sides of the features that noise is added to, in their order."""
    doubled = [SIDE << i for i in range(1, int(math.log2(image_size // SIDE)) + 1)]
    return [SIDE, *(side for side in doubled for _ in range(2))]


def second_stage(inputs, coarse, channels):
    """Returns the prediction (B, S, S, 3).

    Args:
        inputs: see `first_stage`.
        coarse: prediction of the first stage.
        channels: side of features -> width; see `widths`.
    """
    shown, known = inputs["shown"], 1 - inputs["mask"]
    styles = iter(ops.unstack(inputs["styles"], axis=1))
    first = next(styles)

    def conv(x, units, name, size=3, resampling=None):
        return EqualizedConv2D(units, size, resampling, name=name)(x)

    x, skips = ops.concatenate([known - 0.5, coarse, shown], axis=-1), {}
    for side, units in channels.items():
        entry = {"size": 1} if side == shown.shape[1] else {"resampling": "down"}
        x = conv(x, units, f"encoder{side}_conv0", **entry)
        x = skips[side] = conv(x, units, f"encoder{side}_conv1")
    x = skips[SIDE] = mixed(x, first, inputs["stage2_map"], "square")
    width = x.shape[-1]
    halvings = [
        EqualizedConv2D(width, resampling="down", name=f"style_down{i}")
        for i in range(3)
    ]
    whole = summary(x, halvings, 2 * width, "style")
    noise = iter(_noise(inputs["noise"], noise_sides(shown.shape[1])))

    def style(w):
        return ops.concatenate([w, whole], axis=-1)

    def styled(x, units, w, name, resampling=None):
        layer = ModulatedConv2D(units, 3, resampling, noisy=True, name=name)
        return layer([x, style(w), next(noise), inputs["noise_shares"]])

    rgb, w = None, first
    for side, units in reversed(channels.items()):
        name = f"decoder{side}"
        if side == SIDE:
            x = conv(x, units, f"{name}_conv0")
        else:
            x = styled(x, units, w, f"{name}_conv0", "up")
            w = next(styles)
        x = styled(x + skips.pop(side), units, w, f"{name}_conv1")
        w = next(styles)
        # Two layers share a style: this one, and the first of the next side.
        rgb = colours(x, style(w), rgb, f"{name}_rgb")
    return rgb * (1 - known) + shown


def _noise(flat, sides):
    """Returns (B, n), n numbers in all, as a list of (B, side, side, 1)."""
    found, start = [], 0
    for side in sides:
        stop = start + side**2
        found.append(ops.reshape(flat[:, start:stop], (-1, side, side, 1)))
        start = stop
    return found
