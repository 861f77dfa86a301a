"""Configurations of masked autoencoders by name."""

from inpainting_zoo.errors import InputError
from inpainting_zoo.families import Family
from inpainting_zoo.models.sizes import Sizes


def sizes(image_size: int, patch: int = 16, **others) -> Sizes:
    """Returns the one size of the network, which patches fill; see `Family`."""
    if image_size % patch:
        raise InputError(
            f"patch: must divide the image's side of {image_size} pixels, received "
            f"{patch}"
        )
    return Sizes(side=image_size)


FAMILY = Family(
    "inpainting_zoo.mae.model:MAE",
    network="inpainting_zoo.mae.networks:build_generator",
    stages=("pretraining", "finetuning"),
    sizes=sizes,
)


def _training(batch_size: int, rate: float) -> dict:
    """Returns settings of training.

    Args:
        batch_size: images of a batch.
        rate: learning rate for batches of 256, to whose size it is proportional.
    """
    return {
        "batch_size": batch_size,
        "learning_rate": rate * batch_size / 256,
        "optimizer": "adamw",
        "adam_betas": [0.9, 0.95],
    }


PRESETS = {
    "mae_base": {
        "description": "masked autoencoder, ViT-B, 256 px; 112.2 M parameters",
        "family": FAMILY,
        "config": {},
        "training": _training(32, 1.5e-4),
    },
    "mae_small": {
        "description": "a narrow one, 128 px; 3.6 M; trains on a CPU in hours",
        "family": FAMILY,
        "config": {
            "image_size": 128,
            "patch": 8,
            "width": 192,
            "depth": 6,
            "heads": 6,
            "decoder_width": 128,
            "decoder_depth": 4,
            "decoder_heads": 4,
        },
        "training": _training(32, 4e-3),
    },
}
