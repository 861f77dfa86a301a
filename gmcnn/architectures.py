"""The published generators and critics of GMCNN as tables of what differs."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Generator:
    """What differs between the published generators.

    Args:
        inputs: what is stacked on the channel axis: "image" (hole at zero), "ones",
            "mask".
        columns: for each column the kernel size, that of its first convolution, and its
            tail: ("nearest" | "bilinear", factor) upsamples, (kernel, width) convolves
            to `width * base_channels`.
        bgr: whether the network works on blue, green, red.
        linear: (column, layer) of the convolutions without activation.
        wide_dilation: whether a dilation of 32 is added above 32 base channels.
    """

    inputs: tuple
    columns: tuple
    bgr: bool = False
    linear: tuple = ()
    wide_dilation: bool = False

    def encoder(self, column: int, base_channels: int):
        """Lists (kernel, channels / base_channels, stride, dilation) of a column."""
        kernel, first_kernel, _ = self.columns[column]
        dilations = [2, 4, 8, 16]
        if self.wide_dilation and base_channels > 32:
            dilations.append(32)
        return [
            (first_kernel, 1, 1, 1),
            (kernel, 2, 2, 1),
            (kernel, 2, 1, 1),
            (kernel, 4, 2, 1),
            *[(kernel, 4, 1, 1)] * 2,
            *[(kernel, 4, 1, dilation) for dilation in dilations],
            *[(kernel, 4, 1, 1)] * 2,
        ]


@dataclasses.dataclass(frozen=True)
class Critic:
    """What differs between the published critics.

    Args:
        widths: channels / base_channels of the 5x5 convolutions of stride 2.
        slope: of the leaky ReLU for negative numbers; None is an ELU instead.
        symmetric: whether zeros are padded on both sides, 2 on each, instead of as
            TensorFlow does ("same").
        spectral: whether every kernel is divided by its largest singular value.
    """

    widths: tuple = (1, 2, 4, 8, 4, 2)
    slope: float | None = 0.2
    symmetric: bool = False
    spectral: bool = False


TOPOLOGIES = {
    # The official PyTorch code; 7 * base_channels wide where the columns meet.
    "pytorch": Generator(
        inputs=("image", "mask"),
        columns=(
            (7, 7, [("bilinear", 4)]),
            (5, 5, [("nearest", 2), (5, 2), (5, 2), ("bilinear", 2)]),
            (3, 3, [("nearest", 2), (3, 2), (3, 2), ("nearest", 2), (3, 1), (3, 1)]),
        ),
    ),
    # The official TensorFlow 1 code.
    "tf1": Generator(
        inputs=("image", "ones", "mask"),
        columns=(
            (7, 7, [("bilinear", 4)]),
            (5, 5, [("nearest", 2), (3, 2), (5, 2), ("bilinear", 2)]),
            (3, 5, [("nearest", 2), (3, 2), (3, 2), ("nearest", 2), (3, 1), (3, 0.5)]),
        ),
        bgr=True,
        wide_dilation=True,
    ),
    # The Keras port behind the attention report; it does not see the mask.
    "keras_port": Generator(
        inputs=("image",),
        columns=(
            (7, 7, [("nearest", 4)]),
            (5, 5, [("nearest", 2), (5, 2), (5, 2), ("nearest", 2)]),
            (3, 3, [("nearest", 2), (5, 2), (5, 2), ("nearest", 2), (3, 2), (3, 2)]),
        ),
        linear=((1, 5),),
    ),
}

CRITICS = {
    # WGAN-GP of the official TensorFlow 1 code, and ours.
    "wgan": Critic(),
    # The official PyTorch code, without and with its spectral normalization.
    "hinge": Critic(widths=(1, 2, 4, 4), slope=None, symmetric=True),
    "hinge_spectral": Critic(
        widths=(1, 2, 4, 4), slope=None, symmetric=True, spectral=True
    ),
}
