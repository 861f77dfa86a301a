"""The networks of an ensemble: two denoisers, and the combiner between them."""

import keras
from keras import ops

from inpainting_zoo.errors import choose
from inpainting_zoo.layers.hvi import HVI

SLOPE = 0.2  # of the leaky ReLU where the input is negative


def build_networks(
    channels: int = 32,
    skips: bool = True,
    color_space: str = "hvi",
    denoise: bool = True,
    blend: bool = False,
    dtype: str = "float32",
) -> dict:
    """Builds what an ensemble trains, by name, in the order that it sees a picture.

    Args:
        channels: width of the first convolution of each network.
        skips: whether the combiner's encoder is shown to its decoder.
        color_space: name in `COLOR_SPACES`, which the combiner sees and predicts.
        denoise: whether there are denoisers before and after the combiner.
        blend: whether networks change what they are shown, at first not at all, and the
            combiner blends both pictures, at first into the mean of their RGB or HVI;
            without it they predict colours, as in the report.
        dtype: that the convolutions compute in.
    """
    combiner = build_combiner(channels, skips, color_space, dtype, blend)
    if not denoise:
        return {"combiner": combiner}
    return {
        "denoiser": build_denoiser("denoiser", channels, dtype, blend),
        "combiner": combiner,
        "final_denoiser": build_denoiser("final_denoiser", channels, dtype, blend),
    }


def build_denoiser(name: str, channels: int, dtype: str, blend: bool = False):
    """Builds an autoencoder of [image (B, H, W, 3)], in and out in [-1, 1].

    Args:
        name: of the network.
        channels: of the first convolution, at half the resolution; twice and four times
            as many follow.
        dtype: that the convolutions compute in.
        blend: see `build_networks`.
    """
    x = image = keras.Input((None, None, 3), name="image")
    for i in range(3):
        x = _down(x, channels * 2**i, f"down_{i}", dtype)
    for i in (1, 0):
        x = _leaky(_up(x, channels * 2**i, f"up_{i + 1}", dtype))
    x = _up(x, 3, "up_0", dtype, "zeros" if blend else "glorot_uniform")
    x = ops.cast(x, "float32")
    prediction = ops.clip(image + x, -1, 1) if blend else 2 * ops.sigmoid(x) - 1
    return keras.Model([image], prediction, name=name)


def build_combiner(
    channels: int, skips: bool, color_space: str, dtype: str, blend: bool = False
):
    """Builds a U-Net of [first, second, mask], three times down and up.

    The first two are images (B, H, W, 3), as the prediction in [-1, 1]; the mask is
    (B, H, W, 1), 1 in the hole.

    Args:
        channels: at full resolution; each of three levels below has twice as many.
        skips, color_space, dtype, blend: see `build_networks`.
    """
    seen, bounded, shown = choose("color_space", color_space, COLOR_SPACES)()
    first, second = (keras.Input((None, None, 3), name=n) for n in ("first", "second"))
    mask = keras.Input((None, None, 1), name="mask")
    colours = [seen(first), seen(second)]
    x = ops.concatenate([*colours, mask], axis=-1)
    levels = []
    for i in range(3):
        x = _block(x, channels * 2**i, f"encoder_{i}", dtype)
        levels.append(x)
        x = _down(x, channels * 2 ** (i + 1), f"down_{i}", dtype)
    x = _block(x, channels * 8, "bottleneck", dtype)
    for i in (2, 1, 0):
        x = _leaky(_up(x, channels * 2**i, f"up_{i}", dtype))
        x = ops.concatenate([x, levels[i]], axis=-1) if skips else x
        x = _block(x, channels * 2**i, f"decoder_{i}", dtype)
    options = {"padding": "same", "name": "output", "dtype": dtype}
    if blend:
        x = keras.layers.Conv2D(4, 3, kernel_initializer="zeros", **options)(x)
        change, share = ops.split(ops.cast(x, "float32"), [3], axis=-1)
        share = ops.sigmoid(share)  # of the first
        x = share * colours[0] + (1 - share) * colours[1] + change
    else:
        x = keras.layers.Conv2D(3, 3, **options)(x)
        x = bounded(ops.cast(x, "float32"))
    return keras.Model([first, second, mask], shown(x), name="combiner")


def _block(x, channels, name, dtype):
    for i in range(2):
        options = {"padding": "same", "name": f"{name}_{i}", "dtype": dtype}
        x = _leaky(keras.layers.Conv2D(channels, 3, **options)(x))
    return x


def _down(x, channels, name, dtype):
    options = {"strides": 2, "padding": "same", "name": name, "dtype": dtype}
    return _leaky(keras.layers.Conv2D(channels, 3, **options)(x))


def _up(x, channels, name, dtype, initializer="glorot_uniform"):
    options = {"strides": 2, "padding": "same", "name": name, "dtype": dtype}
    return keras.layers.Conv2DTranspose(
        channels, 4, kernel_initializer=initializer, **options
    )(x)


def _leaky(x):
    return ops.leaky_relu(x, SLOPE)


def _rgb():
    """Returns functions of images in [-1, 1], of any numbers, and of colours.

    The first two return colours, the last one images.
    """
    return lambda image: image, ops.tanh, lambda colours: ops.clip(colours, -1, 1)


def _hvi():
    """The same in HVI, with one trained k for both ways."""
    hvi = HVI(name="hvi")

    def bounded(x):
        parts = [ops.tanh(x[..., :2]), ops.sigmoid(x[..., 2:])]
        return ops.concatenate(parts, axis=-1)

    def shown(colours):
        return 2 * hvi(colours, inverse=True) - 1

    return lambda image: hvi((image + 1) / 2), bounded, shown


COLOR_SPACES = {"rgb": _rgb, "hvi": _hvi}
