"""Configurations of the ensemble by name."""

MODEL = "inpainting_zoo.ensemble.model:Ensemble"
TRAINING = {"batch_size": 8, "learning_rate": 1e-4, "adam_betas": [0.9, 0.999]}

PRESETS = {
    "ensemble": {
        "description": "two members, denoisers and a combiner in HVI; 3.7 M parameters",
        "model": MODEL,
        "config": {"image_size": 256, "first": "lama_big", "second": "mat_512"},
        "training": TRAINING,
    },
    "ensemble_faces_128": {
        "description": "the same of two shipped members for faces, 128 px",
        "model": MODEL,
        "config": {
            "image_size": 128,
            "first": "gmcnn_faces_128_wgan",
            "second": "patchmatch",
        },
        "training": TRAINING,
    },
}
