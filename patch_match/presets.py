"""PatchMatch by name."""

PRESETS = {
    "patchmatch": {
        "description": "copies of the picture itself; not for faces, objects, text",
        "model": "inpainting_zoo.patch_match.model:PatchMatch",
        "config": {"image_size": 256},
        "weights": {},  # needs none
    },
}
