"""LoRA: by hand, against diffusers, as a file of its own, and as what alone learns."""

import keras
import numpy as np
import pytest

from inpainting_zoo.errors import InputError
from inpainting_zoo.layers.lora import LoRA
from inpainting_zoo.stable_diffusion.unet import build_unet
from inpainting_zoo.storage.variables import without_memory
from parity import difference, golden, nhwc
from tiny_diffusion import TINY, load

pytestmark = pytest.mark.both_engines
UNET = {**TINY["unet"], "context_channels": 32}


def test_by_hand():
    """B A x is (2, 0) (1, 3) (5, 7) = (52, 0), by its scale for each of the batch."""
    lora = LoRA(1)
    x, scale = keras.Input((2,)), keras.Input(())
    network = keras.Model([x, scale], lora.adapt(x, 2, "layer", scale))
    assert [v.path for v in lora.variables] == [
        "lora/layer.lora_A.weight",
        "lora/layer.lora_B.weight",
    ]
    assert not network.variables
    inputs = np.array([[5, 7]] * 3, "float32"), np.array([1, 0.5, 0], "float32")
    assert difference(network(inputs), np.zeros((3, 2))) == 0
    for variable, value in zip(lora.variables, ([[1, 3]], [[2], [0]])):
        variable.assign(value)
    assert difference(network(inputs), [[52, 0], [26, 0], [0, 0]]) == 0
    with pytest.raises(InputError, match="lora_rank: must be at least 1, received 0"):
        LoRA(0)


@pytest.mark.long
def test_what_a_rank_costs():
    """Of Stable Diffusion 2, in parameters."""
    with without_memory():
        lora = LoRA(1)
        build_unet(heads=(5, 10, 20, 20), context_channels=1024, lora=lora)
    assert lora.count_params() == 207_488


def test_the_unet_of_diffusers_with_its_lora():
    """At three scales."""
    arrays = golden("diffusion/unet_sd15_tiny")
    expected = golden("diffusion/lora_unet_sd15_tiny")
    lora = LoRA(4)
    unet = load(build_unet(**UNET, lora=lora), arrays)
    theirs = {k.removeprefix("lora/unet."): v for k, v in expected.items()}
    for variable in lora.variables:
        variable.assign(theirs.pop(variable.path.removeprefix("lora/")))
    assert {name.split("/")[0] for name in theirs} == {"out"}
    inputs = [nhwc(arrays["in/sample"]), arrays["in/timestep"].astype("float32")]
    inputs += [arrays["in/context"]]
    for name, scale in {"whole": 1.0, "half": 0.5, "none": 0.0}.items():
        found = unet([*inputs, np.full(2, scale, "float32")])
        assert difference(found, nhwc(theirs[f"out/{name}"])) < 1e-5, name
