"""The first stage of MAT: a transformer between convolutions, a coarse prediction."""

import functools

from keras import ops

from inpainting_zoo.layers.equalized import EqualizedConv2D, EqualizedDense
from inpainting_zoo.layers.modulated_convolution import ModulatedConv2D
from inpainting_zoo.layers.partial_convolution import PartialConv2D
from inpainting_zoo.layers.window_attention import WindowAttention
from inpainting_zoo.mat.styles import colours, mixed, summary

SIDES = (64, 32, 16, 32, 64)  # of the transformer's features
WINDOWS = (8, 16, 16, 16, 8)
MIDDLE = 2  # the stage whose output the style is of; the mask ends before it


def first_stage(inputs, width: int, depths, heads: int):
    """Returns the coarse prediction (B, S, S, 3).

    Args:
        inputs: see `mat.networks.build_synthesis`, and "shown" (B, S, S, 3), the image
            with what fills its hole, to which the stage adds.
        width: channels of all features.
        depths: blocks of each stage of the transformer.
        heads: of the attention.
    """
    shown, known = inputs["shown"], 1 - inputs["mask"]
    conv = functools.partial(EqualizedConv2D, width)
    partial = functools.partial(PartialConv2D, width)
    styled = functools.partial(ModulatedConv2D, width)

    def body(features, stage):
        """Resamples, attends, convolves, adds."""
        side, name = SIDES[stage], f"coarse_body{stage}"
        if (before := features[0].shape[1]) != side:
            way = "down" if side < before else "up"
            features = partial(resampling=way, name=f"{name}_entry")(features)
        first, window = features[0], min(WINDOWS[stage], side)
        for i in range(depths[stage]):
            shift = window // 2 if i % 2 and window < side else 0
            features = block(features, heads, window, shift, f"{name}_block{i}")
        x, *mask = partial(name=f"{name}_exit")(features)
        return [x + first, *mask]

    x = ops.concatenate([known - 0.5, shown], axis=-1)
    features = partial(name="coarse_entry")([x, known])
    outer, inner = [], []  # skipped features
    while features[0].shape[1] > SIDES[0]:
        outer.append(features[0])
        name = f"coarse_down{len(outer) - 1}"
        features = partial(resampling="down", name=name)(features)
    for stage in range(MIDDLE):
        features = body(features, stage)
        inner.append(features[0])
    (x,) = body(features[:1], MIDDLE)

    w = EqualizedDense(width, "lrelu", name="coarse_w")(inputs["styles"][:, -1])
    x = mixed(x, w, inputs["stage1_map"], "coarse_square")
    halvings = [conv(resampling="down", name=f"coarse_style_down{i}") for i in range(4)]
    style = ops.concatenate([summary(x, halvings, 2 * width, "coarse_style"), w], -1)

    for stage in range(MIDDLE + 1, len(SIDES)):
        (x,) = body([x], stage)
        x = x + inner.pop()
    rgb = None
    for i, skip in enumerate(reversed(outer)):
        name = f"coarse_up{i}"
        x = styled(resampling="up", name=f"{name}_conv0")([x, style]) + skip
        x = styled(name=f"{name}_conv1")([x, style])
        rgb = colours(x, style, rgb, f"{name}_rgb")
    return rgb * (1 - known) + shown


def block(features, heads: int, window: int, shift: int, name: str):
    """Attends; concatenates where transformers add and normalize (section 3.3).

    Args:
        features: see `layers.window_attention`, as what is returned.
        heads, window, shift: of the attention.
        name: that the names of its layers begin with.
    """
    x, *_ = features
    attend = WindowAttention(heads, window, shift, name=f"{name}_attention")
    y, *mask = attend(features)
    width = x.shape[-1]
    x = ops.concatenate([x, y], axis=-1)
    x = EqualizedDense(width, "lrelu", name=f"{name}_fuse")(x)
    x = EqualizedDense(2 * width, "lrelu", name=f"{name}_hidden")(x)
    return [EqualizedDense(width, name=f"{name}_out")(x), *mask]
