"""PatchMatch by name."""

from inpainting_zoo.families import Family
from inpainting_zoo.models.sizes import Sizes

FAMILY = Family(
    "inpainting_zoo.patch_match.model:PatchMatch",
    options={"patch_size": 3},
    rules={"patch_size": {"least": 1, "most": 15, "about": "radius in pixels"}},
    draws=True,
    sizes=lambda **arguments: Sizes(),
    precisions=("float32",),
)

PRESETS = {
    "patchmatch": {
        "description": "copies of the picture itself; not for faces, objects, text",
        "family": FAMILY,
        "config": {"image_size": 256},
        "weights": {},  # needs none
    },
}
