"""The context encoders and their discriminators as tables of what differs."""

import dataclasses

# Means of ImageNet's colours, on 0..255, in the order that the authors' Lua code has
# them for red, green and blue; trained weights expect it.
LUA_FILL = tuple(2 * mean / 255 - 1 for mean in (117, 104, 123))
GREY = (0.0, 0.0, 0.0)


@dataclasses.dataclass(frozen=True)
class Topology:
    """What differs between context encoders.

    Args:
        encoder: channels / base_channels of the 4x4 convolutions of stride 2.
        decoder: channels / base_channels of the transposed 4x4 convolutions before the
            last one, which makes the colours.
        discriminator: channels / base_channels of its 4x4 convolutions of stride 2.
        bottleneck: name in `BOTTLENECKS`.
        bottleneck_norm: whether the bottleneck has batch normalization.
        image_size: side in pixels of the images.
        pretrained: whether AlexNet as LPIPS has it, trained on ImageNet and frozen, is
            the encoder, without batch normalization; `encoder` is empty then.
        centre: whether only the central half of height and width is predicted.
        use_bias: of convolutions.
        slope: of the encoder's leaky ReLU for negative numbers.
        fill: colour of the hole that the network is shown, in [-1, 1].
    """

    encoder: tuple = (1, 1, 2, 4, 8)
    decoder: tuple = (8, 4, 2, 1)
    discriminator: tuple = (1, 2, 4, 8)
    bottleneck: str = "valid"
    bottleneck_norm: bool = True
    image_size: int = 128
    pretrained: bool = False
    centre: bool = True
    use_bias: bool = False
    slope: float = 0.2
    fill: tuple = LUA_FILL


# Kernel and stride of each convolution: to a single position and back, of a map of 4x4,
# 2x2 or AlexNet's 7x7, or after the channel-wise layer over the map as it is.
BOTTLENECKS = {
    "valid": (4, 1),
    "strided": (4, 2),
    "alexnet": (7, 1),
    "channelwise": (1, 1),
}

TOPOLOGIES = {
    # The authors' Lua code for holes in the centre, and its PyTorch port.
    "centre": Topology(),
    # Their code for random regions at 128 and at 64 pixels. Channels stay unconnected
    # in no version of it: the channel-wise layer is in the paper alone.
    "regions": Topology(
        decoder=(8, 4, 2, 1, 1), discriminator=(1, 1, 2, 4, 8), centre=False
    ),
    "regions_64": Topology(encoder=(1, 2, 4, 8), image_size=64, centre=False),
    # The paper's channel-wise bottleneck between the same encoder and decoder.
    "channelwise": Topology(
        decoder=(4, 2, 1, 1),
        discriminator=(1, 1, 2, 4, 8),
        bottleneck="channelwise",
        centre=False,
    ),
    # Meneust and Pinto, Image Inpainting with Basic Convolutional Networks, 2024.
    "report_001": Topology(bottleneck_norm=False, use_bias=True, fill=GREY),
    # Their future work: features that were learned before. The paper's AlexNet had to
    # learn them by inpainting; this one had labels.
    "alexnet": Topology(
        encoder=(),
        bottleneck="alexnet",
        bottleneck_norm=False,
        pretrained=True,
        use_bias=True,
        fill=GREY,
    ),
    # Nanavati and Patel, Image Inpainting using Context Encoders and Diffusion Model.
    "report_000": Topology(
        encoder=(1, 2, 4, 8, 8, 8),
        decoder=(8, 8, 8, 4, 2, 1),
        bottleneck="strided",
        bottleneck_norm=False,
        centre=False,
        use_bias=True,
        slope=0.0,
        fill=GREY,
    ),
}
