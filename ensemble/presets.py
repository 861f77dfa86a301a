"""Configurations of the ensemble by name."""

from inpainting_zoo.families import Family
from inpainting_zoo.models.sizes import Sizes
from inpainting_zoo.storage.downloads import Weights

STAGES = ("denoiser", "combiner", "final_denoiser")
ROLES = ("first", "second")  # of the members
FAMILY = Family(
    "inpainting_zoo.ensemble.model:Ensemble",
    network="inpainting_zoo.ensemble.networks:build_networks",
    stages=STAGES,
    inputs=dict.fromkeys(STAGES, (*ROLES, "hole")),
    sizes=lambda **arguments: Sizes(multiple=8, least=8, padding="symmetric"),
    choices={
        "color_space": "inpainting_zoo.ensemble.networks:COLOR_SPACES",
        "edges": "inpainting_zoo.ensemble.model:EDGES",
        "perceptual": "inpainting_zoo.ensemble.model:PERCEPTUAL",
    },
    draws=None,  # if a member does
)
TRAINING = {"batch_size": 8, "learning_rate": 1e-4, "adam_betas": [0.9, 0.999]}
# What joins members that are good already: it begins at their mean.
BLEND = {
    "color_space": "rgb",
    "blend": True,
    "denoise": False,
    "perceptual_weight": 0.0,
    "style_weight": 0.0,
}

PRESETS = {
    "ensemble": {
        "description": "two models joined in colours of HVI; 3.7 M parameters",
        "family": FAMILY,
        "config": {"image_size": 256, "first": "lama_big", "second": "mat_512"},
        "training": TRAINING,
    },
    "ensemble_faces_128": {
        "description": "faces, 128 px: LaMa's completion and GMCNN's, blended",
        "family": FAMILY,
        "config": {
            "image_size": 128,
            "first": "lama_faces_256",
            "second": "gmcnn_faces_128_wgan",
            **BLEND,
        },
        "training": TRAINING,
        "weights": {
            "combiner": Weights(
                "ensemble_faces_128.safetensors",
                "e021fc0bde69c37123e1e5e614ccb1c21071e67792817c70bd3b1594f3f8684a",
                licence="non-commercial research; see weights/README.md",
                source=(
                    "trained by this project on faces, and on NVIDIA's irregular "
                    "masks (CC BY-NC-SA 4.0)"
                ),
            )
        },
    },
    "ensemble_photos_256": {
        "description": "as `ensemble`, for photographs; members need no download",
        "family": FAMILY,
        "config": {
            "image_size": 256,
            "first": "lama_photos_256",
            "second": "patchmatch",
        },
        "training": TRAINING,
    },
}
