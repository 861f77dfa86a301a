"""Configurations of context encoders by name."""

from inpainting_zoo.context_encoder.architectures import TOPOLOGIES
from inpainting_zoo.errors import InputError, choose
from inpainting_zoo.families import Family
from inpainting_zoo.models.sizes import Sizes
from inpainting_zoo.storage.downloads import Weights


def sizes(image_size: int, topology: str, **others) -> Sizes:
    """Returns the one size of a topology; see `Family`."""
    table = choose("topology", topology, TOPOLOGIES)
    if image_size != table.image_size:
        raise InputError(
            f"image_size: {table.image_size} for the topology {topology}, "
            f"received {image_size}"
        )
    return Sizes(side=image_size, centre=table.centre)


FAMILY = Family(
    "inpainting_zoo.context_encoder.model:ContextEncoder",
    network="inpainting_zoo.context_encoder.networks:build_generator",
    stages=("warm_up_generator", "joint"),
    sizes=sizes,
    choices={"topology": "inpainting_zoo.context_encoder.architectures:TOPOLOGIES"},
)
LICENCE = "non-commercial research; see weights/README.md"
SOURCE = "trained by this project on faces of LFW, Unsplash, StyleGAN2 and ALAE"


def _preset(description, config, batch_size=64, **training):
    """One configuration with the learning rates of all of them.

    The generator's is ten times the discriminator's, 0.002 to 0.0002, in the authors'
    code as in that of Meneust and Pinto (report 001); the text of the latter says ten
    times more of both. Neither has the warm-up of `training.optimizers`.
    """
    rates = dict.fromkeys(FAMILY.stages, 2e-3)
    return {
        "description": description,
        "family": FAMILY,
        "config": config,
        "training": {"batch_size": batch_size, "learning_rate": rates, **training},
    }


# Report 001's network, narrow enough for a CPU.
SMALL = {
    "image_size": 128,
    "topology": "report_001",
    "base_channels": 32,
    "bottleneck": 256,
    "discriminator_channels": 32,
    "ring": 7,
    "discriminator_weight": 0.5,
}

# Adam's decay rates in the authors' code. Reports 000 and 001 keep 0.5 and 0.9.
LUA_BETAS = {"adam_betas": [0.5, 0.999]}

PRESETS = {
    "context_encoder": _preset(
        "the authors' for the centre of 128 px; 71.1 M parameters",
        # The hole leaves 4 pixels of what is predicted visible on each side.
        {"topology": "centre", "masks": "inner_centre=1"},
        **LUA_BETAS,
    ),
    "context_encoder_conditional": _preset(
        "the same, its discriminator sees the surroundings",
        {"topology": "centre", "masks": "inner_centre=1", "conditional": True},
        **LUA_BETAS,
    ),
    "context_encoder_regions": _preset(
        "the authors' for random regions of 128 px; 71.2 M",
        {"topology": "regions", "masks": "regions=1", "ring_weight": 1.0},
        **LUA_BETAS,
    ),
    "context_encoder_regions_64": _preset(
        "the authors' for random regions of 64 px; 71.1 M",
        {
            "image_size": 64,
            "topology": "regions_64",
            "masks": "regions=1",
            "ring_weight": 1.0,
        },
        **LUA_BETAS,
    ),
    "context_encoder_channelwise": _preset(
        "channel-wise bottleneck, random blocks and regions; 6.0 M",
        {
            "topology": "channelwise",
            "bottleneck": 512,
            "masks": "blocks=1,regions=1",
            "ring_weight": 1.0,
        },
        **LUA_BETAS,
    ),
    "context_encoder_report_001": _preset(
        "report 001: centre, ring of 7 px in the hole; 71.1 M",
        {"topology": "report_001", "ring": 7, "discriminator_weight": 0.5},
    ),
    "context_encoder_report_000": _preset(
        "report 000: whole image of 128 px, seven layers; 30.7 M",
        {"topology": "report_000", "bottleneck": 512, "ring_weight": 1.0},
    ),
    "context_encoder_small": _preset(
        "report 001's, narrow; trains on a CPU in minutes; 3.5 M",
        SMALL,
        batch_size=32,
    ),
    "context_encoder_faces_128": _preset(
        "the centre of faces: a narrow context encoder, 128 px",
        SMALL,
        batch_size=32,
    )
    | {
        "weights": {
            "generator": Weights(
                "context_encoder_faces_128.npz",
                "da7ae1e02e46a885432aafa398121b33c2dc7b4058e091dba8d4f13b20b0be4f",
                licence=LICENCE,
                source=SOURCE,
            )
        },
    },
}
