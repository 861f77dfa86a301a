"""Configurations of ASUKA by name."""

from inpainting_zoo.families import Family
from inpainting_zoo.mae.presets import PRESETS as MAE
from inpainting_zoo.stable_diffusion.presets import SAMPLING, SMALL, sizes
from inpainting_zoo.storage.downloads import Weights

FAMILY = Family(
    "inpainting_zoo.asuka.model:ASUKA",
    stages=("alignment", "decoder"),
    sizes=sizes,
    options={
        "num_steps": 30,
        "sampler": "dpmpp",
        "strength": 1.0,
        "prior_strength": 1.0,
        "attention_slices": 0,
    },
    rules={
        **SAMPLING,
        "prior_strength": {
            "least": 0,
            "most": 1,
            "about": "share of the masked autoencoder's condition",
        },
    },
    choices={"predicts": "inpainting_zoo.stable_diffusion.samplers:PREDICTS"},
    draws=True,
    shares=("prior_dropped", "all_hole", "colours", "generated"),
)

PUBLISHED = Weights(
    "Stable Diffusion 1.5 with mae/",
    "",  # a folder
    licence=(
        "CreativeML OpenRAIL-M: not every use; mae/ of the authors CC BY-NC 4.0: no "
        "commercial use"
    ),
    source="Runway and ASUKA's authors",
    official=True,
)
BETAS = {"alignment": [0.9, 0.999], "decoder": [0.5, 0.9]}

PRESETS = {
    "asuka": {
        "description": "Stable Diffusion 1.5, led by a masked autoencoder; 1.09 G",
        "family": FAMILY,
        "published": PUBLISHED,
        "config": {},
        "training": {
            "batch_size": 4,
            # Of the decoder: 4.5e-6 for each picture of a batch, as latent diffusion.
            "learning_rate": {"alignment": 1e-4, "decoder": 1.8e-5},
            "adam_betas": BETAS,
        },
    },
    "asuka_small": {
        "description": "that of sd_small, led by a mae_small of 64 px",
        "family": FAMILY,
        "config": {
            **SMALL,
            "mae": {**MAE["mae_small"]["config"], "image_size": 64, "patch": 4},
            "feature_blocks": 3,
            "alignment": {"width": 64, "heads": 4},
            "adversarial_from": 500,
        },
        "training": {
            "batch_size": 16,
            "learning_rate": {"alignment": 1e-3, "decoder": 5e-4},
            "adam_betas": BETAS,
        },
    },
}
