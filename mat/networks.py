"""Networks of MAT: the generator of two stages and the discriminator of two heads.

Reference: Li et al., MAT: Mask-Aware Transformer for Large Hole Image Inpainting, CVPR
2022.
"""

import math

import keras
from keras import ops

from inpainting_zoo.errors import InputError, choose
from inpainting_zoo.layers.equalized import EqualizedConv2D, EqualizedDense
from inpainting_zoo.layers.minibatch_deviation import MinibatchDeviation
from inpainting_zoo.layers.pull_push import HOLE_FILLS, fill_hole
from inpainting_zoo.layers.truncation import Truncation
from inpainting_zoo.mat.first_stage import SIDES, first_stage
from inpainting_zoo.mat.presets import FAMILY
from inpainting_zoo.mat.second_stage import noise_sides, second_stage, widths
from inpainting_zoo.mat.styles import SIDE
from inpainting_zoo.settings import check_value

# Of the discriminator, and how many times narrower they are.
HEADS = {"head": 1, "coarse_head": 2}


def build_mapping(latent: int, layers: int):
    """Builds the mapping network: [z, truncation] -> w.

    z (B, latent) is standard normal; of the truncation (B, 1), 1 leaves w (B, latent)
    as it is, 0 takes its average, which follows with `training`.

    Args:
        latent: length of z and w.
        layers: dense ones.
    """
    z, truncation = keras.Input((latent,)), keras.Input((1,))
    x = z * ops.rsqrt(ops.mean(ops.square(z), axis=1, keepdims=True) + 1e-8)
    for i in range(layers):
        x = EqualizedDense(latent, "lrelu", rate=0.01, name=f"mapping{i}")(x)
    w = Truncation(name="mapping_average")([x, truncation])
    return keras.Model([z, truncation], w, name="mapping")


def build_synthesis(
    image_size: int,
    channels,
    width: int,
    latent: int,
    depths,
    heads: int,
    hole_fill: str,
):
    """Builds the two stages: name -> input, to [prediction, coarse prediction].

    Inputs are, by name,
    - "image" (B, S, S, 3) in [-1, 1], whose hole the network empties or fills itself;
    - "mask" (B, S, S, 1), 1 in the hole;
    - "styles" (B, 2 log2(S) - 6, latent), a w for every layer;
    - "stage1_map" (B, 16, 16, width) and "stage2_map" (B, 16, 16, C), drawn of 0 and 1:
      where a feature stays, 1, and where the style's takes its place, 0;
    - "noise" (B, n), standard normal, and "noise_shares" (B, 2): how much of the stored
      noise and of this one is added.
    Both predictions are (B, S, S, 3) in [-1, 1]; known pixels are the image's.

    Args: see `build_generator`.
    """
    found = widths(image_size, channels)
    shapes = {
        "image": (image_size, image_size, 3),
        "mask": (image_size, image_size, 1),
        "styles": (2 * int(math.log2(image_size)) - 6, latent),
        "stage1_map": (SIDE, SIDE, width),
        "stage2_map": (SIDE, SIDE, found[SIDE]),
        "noise": (sum(side**2 for side in noise_sides(image_size)),),
        "noise_shares": (2,),
    }
    inputs = {name: keras.Input(shape, name=name) for name, shape in shapes.items()}
    shown = fill_hole(hole_fill, inputs["image"], inputs["mask"])
    coarse = first_stage({**inputs, "shown": shown}, width, depths, heads)
    prediction = second_stage({**inputs, "shown": shown}, coarse, found)
    return keras.Model(inputs, [prediction, coarse], name="synthesis")


def build_generator(
    image_size: int = 512,
    channels: list | tuple = (64, 128, 256, 512),
    width: int = 180,
    latent: int = 512,
    mapping_layers: int = 8,
    depths: list | tuple = (2, 3, 4, 3, 2),
    heads: int = 6,
    hole_fill: str = "zero",
):
    """Builds the generator: name -> input, to [prediction, coarse prediction].

    Inputs are those of `build_synthesis`, with "z" and "truncation" of `build_mapping`
    instead of styles. Both networks are layers of it, by their names.

    Args:
        image_size: S, side of the images that it takes: a power of two from 128 up.
        channels: of the second stage, from features of S pixels on down, each of half
            the side; below the last, features have as many.
        width: channels of the first stage.
        latent: length of z and w.
        mapping_layers: of the mapping network.
        depths: blocks of each of the transformer's five stages.
        heads: of the attention; divide the width.
        hole_fill: name in `layers.pull_push.HOLE_FILLS`: "zero" shows an empty hole, as
            officially, the others a smooth fill, to which both stages add.

    Raises:
        InputError: if an argument breaks its rule.
    """
    FAMILY.sizes(image_size=image_size)
    if heads < 1 or width % heads:
        raise InputError(f"heads: must divide the width of {width}, received {heads}")
    if len(depths) != len(SIDES):
        raise InputError(f"depths: must be {len(SIDES)} numbers, received {depths!r}")
    if not channels:
        raise InputError(f"channels: must be at least one number, received {channels}")
    # The discriminator of the coarse prediction has half of the channels.
    for name, values, least in (("depths", depths, 0), ("channels", channels, 2)):
        for value in values:
            check_value(name, int, value, {"least": least})
    mapping = build_mapping(latent, mapping_layers)
    choose("hole_fill", hole_fill, HOLE_FILLS)
    synthesis = build_synthesis(
        image_size, channels, width, latent, depths, heads, hole_fill
    )
    shapes = {name: x.shape[1:] for name, x in synthesis.input.items()}
    count, _ = shapes.pop("styles")
    shapes |= {"z": (latent,), "truncation": (1,)}
    inputs = {name: keras.Input(shape, name=name) for name, shape in shapes.items()}
    given = dict(inputs)
    w = mapping([given.pop("z"), given.pop("truncation")])
    outputs = synthesis({**given, "styles": ops.repeat(w[:, None], count, axis=1)})
    return keras.Model(inputs, outputs, name="generator")


def build_discriminator(image_size: int, channels, group: int = 8):
    """Builds the discriminator: [prediction, coarse, mask] -> two lists of logits.

    Takes images (B, S, S, 3) in [-1, 1] of both stages and the mask (B, S, S, 1), 1 in
    the hole. A network for each, that of the coarse image half as wide, returns (B, 1).
    Always in float32, because R1 differentiates it twice.

    Args:
        image_size, channels: see `build_generator`.
        group: see `layers.minibatch_deviation`.
    """
    images = [keras.Input((image_size, image_size, 3)) for _ in range(2)]
    mask = keras.Input((image_size, image_size, 1))
    found, logits = widths(image_size, channels, least=4), []
    for image, (name, share) in zip(images, HEADS.items()):
        narrower = {side: units // share for side, units in found.items()}
        logits.append(build_head(image_size, narrower, group, name)([image, mask]))
    return keras.Model([*images, mask], logits, name="discriminator")


def build_head(image_size: int, channels: dict, group: int, name: str):
    """Builds a head: [image, mask] -> logits (B, 1), by residual blocks.

    Args:
        image_size: S of images (B, S, S, 3) and masks (B, S, S, 1).
        channels: side of features -> width, from S down to 4.
        group: see `layers.minibatch_deviation`.
        name: of the network.
    """
    image = keras.Input((image_size, image_size, 3))
    mask = keras.Input((image_size, image_size, 1))

    def conv(x, units, part, *arguments, **options):
        layer = EqualizedConv2D(
            units, *arguments, **options, name=f"{name}_{part}", dtype="float32"
        )
        return layer(x)

    x = ops.concatenate([0.5 - mask, image], axis=-1)
    (_, entry), *rest = channels.items()
    x = conv(x, entry, "entry", 1)
    half = 0.5**0.5  # keeps the variance of what is added
    for side, units in rest:
        block = f"block{2 * side}"
        skip = {"use_bias": False, "gain": half}
        skip = conv(x, units, f"{block}_skip", 1, "down", "linear", **skip)
        x = conv(x, x.shape[-1], f"{block}_conv0")
        x = skip + conv(x, units, f"{block}_conv1", 3, "down", gain=half)
    x = MinibatchDeviation(group, name=f"{name}_deviation", dtype="float32")(x)
    x = conv(x, units, "exit")
    # Flattened channel after channel, as officially.
    x = ops.reshape(ops.transpose(x, (0, 3, 1, 2)), (-1, units * x.shape[1] ** 2))
    for part, count, activation in (
        ("hidden", units, "lrelu"),
        ("logits", 1, "linear"),
    ):
        layer = EqualizedDense(
            count, activation, name=f"{name}_{part}", dtype="float32"
        )
        x = layer(x)
    return keras.Model([image, mask], x, name=name)
