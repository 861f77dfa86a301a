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
