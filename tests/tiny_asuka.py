"""A masked autoencoder and an ASUKA so narrow that a picture takes no time."""

import numpy as np
from keras import ops
from safetensors.numpy import save_file

from inpainting_zoo.weights.convert_asuka import official_tensors
from tiny_diffusion import NARROW as NARROW_DIFFUSION

NARROW_MAE = {
    "image_size": 16,
    "patch": 4,
    "width": 8,
    "depth": 1,
    "heads": 2,
    "decoder_width": 8,
    "decoder_depth": 2,
    "decoder_heads": 2,
}
NARROW_ASUKA = {
    "image_size": 16,
    "unet": NARROW_DIFFUSION["unet"],
    "autoencoder": {"channels": (4, 8, 16, 16), "layers": 1, "groups": 2},
    "mae": {**NARROW_MAE, "image_size": 8, "patch": 2},
    "feature_blocks": 1,
    "alignment": {"width": 4, "heads": 2, "blocks": 1},
    "discriminator_channels": 2,
    "adversarial_from": 1,
}
FILES = {
    "unet": "unet/diffusion_pytorch_model.safetensors",
    "vae": "vae/diffusion_pytorch_model.safetensors",
    "mae": "mae/model.safetensors",
    "alignment": "alignment/model.safetensors",
}


def write_folder(folder, model, *components, leave_out="(nothing)"):
    """Writes parts of a model by their official names; returns the folder.

    Args:
        folder: to write.
        model: an `ASUKA`.
        *components: of `FILES`.
        leave_out: what names of tensors that are left out hold.
    """
    found = {component: {} for component in components}
    state = model.use_state()
    for official, (name, _, _) in official_tensors(state, {}).items():
        component, _, rest = official.partition(".")
        if component in found and leave_out not in official:
            array = ops.convert_to_numpy(state[name])
            if name.endswith("/kernel"):
                axes = (1, 0) if array.ndim == 2 else (3, 2, 0, 1)
                array = array.transpose(axes)
            found[component][rest] = np.array(array, order="C")
    for component, tensors in found.items():
        path = folder / FILES[component]
        path.parent.mkdir(parents=True)
        save_file(tensors, path)
    return folder
