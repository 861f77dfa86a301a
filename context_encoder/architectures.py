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
    centre: bool = True
    use_bias: bool = False
    slope: float = 0.2
    fill: tuple = LUA_FILL

    @property
    def image_size(self) -> int:
        """Side in pixels of the images, from what the bottleneck expects."""
        side, _, _ = BOTTLENECKS[self.bottleneck]
        return side * 2 ** len(self.encoder)


# Side of the feature map that each takes, kernel and stride of its convolution: to a
# single position and back, or after the channel-wise layer over the map as it is.
BOTTLENECKS = {"valid": (4, 4, 1), "strided": (2, 4, 2), "channelwise": (4, 1, 1)}

TOPOLOGIES = {
    # The authors' Lua code for holes in the centre, and its PyTorch port.
    "centre": Topology(),
    # Their code for random regions at 128 and at 64 pixels. Channels stay unconnected
    # in no version of it: the channel-wise layer is in the paper alone.
    "regions": Topology(
        decoder=(8, 4, 2, 1, 1), discriminator=(1, 1, 2, 4, 8), centre=False
    ),
    "regions_64": Topology(encoder=(1, 2, 4, 8), centre=False),
    # The paper's channel-wise bottleneck between the same encoder and decoder.
    "channelwise": Topology(
        decoder=(4, 2, 1, 1),
        discriminator=(1, 1, 2, 4, 8),
        bottleneck="channelwise",
        centre=False,
    ),
    # Meneust and Pinto, Image Inpainting with Basic Convolutional Networks, 2024.
    "report_001": Topology(bottleneck_norm=False, use_bias=True, fill=GREY),
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
