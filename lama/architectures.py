"""The published generators of LaMa as a table of what differs."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Generator:
    """What differs between the published generators.

    Args:
        ratio: share of global features between the first and the last resampling; 0
            has none, and no Fourier transform.
        use_bias: of the convolutions before batch normalization; transposed ones always
            have one.
        reflect: whether convolutions of stride 2 are padded by reflection, not zeros.
    """

    ratio: float = 0.75
    use_bias: bool = False
    reflect: bool = True


TOPOLOGIES = {
    # Fast Fourier convolutions: lama-fourier and big-lama.
    "fourier": Generator(),
    # The generator of pix2pixHD: lama-regular.
    "regular": Generator(ratio=0.0, use_bias=True, reflect=False),
}


@dataclasses.dataclass(frozen=True)
class Perceptual:
    """A frozen network whose features the perceptual loss compares.

    Args:
        network: name in `features.load.FEATURES`.
        taps: names of its layers.
        strides: of their features.
        relative: see `losses.feature_distance.perceptual_loss`; where the released
            weight of 30 was not chosen for the scale of its features.
        judged: number of the first layers that a discriminator of features sees; by
            default all.
    """

    network: str
    taps: tuple
    strides: tuple
    relative: bool = False
    judged: int | None = None


VGG = ("block1_conv2", "block2_conv2", "block3_conv3"), (1, 2, 4)
PERCEPTUAL = {
    # The released recipe's, of a high receptive field; its file must be named.
    "resnet50": Perceptual(
        "resnet50_dilated", ("layer1", "layer2", "layer3", "layer4"), (4, 8, 8, 8)
    ),
    # LPIPS by VGG16, which has its own layers, and weights of their channels.
    "lpips": Perceptual("lpips_vgg16", (), (1, 2, 4, 8, 16), judged=3),
    "vgg16": Perceptual("vgg16", *VGG, relative=True),
    "vgg19": Perceptual("vgg19", *VGG, relative=True),
}
