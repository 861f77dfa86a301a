"""Five optimizer steps of stage 1 against the official PyTorch trainer."""

import keras
import numpy as np
import pytest
from keras import ops

from inpainting_zoo.gmcnn.networks import build_generator
from inpainting_zoo.losses.reconstruction import (
    confidence_mask,
    known_loss,
    reconstruction_loss,
)
from inpainting_zoo.models.bookkeeping import weighted_sum
from inpainting_zoo.models.pixels import paste
from inpainting_zoo.weights.convert_gmcnn import official_tensors
from parity import Step, difference, golden, nhwc

pytestmark = pytest.mark.both_engines

WEIGHTS = {"reconstruction": 1.4, "known": 1.2}


@pytest.mark.long
def test_five_steps_of_stage_1():
    arrays = golden("train_stage1_c4_196")
    image, mask = (ops.convert_to_tensor(nhwc(arrays[n])) for n in ("gt", "mask"))
    confidence = confidence_mask(mask, "flat", size=65)
    generator = build_generator(base_channels=4)
    variables = {f"generator/{v.path}": v for v in generator.variables}
    names = official_tensors(variables, {"topology": "pytorch"})
    start = golden("generator_c4_196")
    for theirs, (ours, _, to_ours) in names.items():
        variables[ours].assign(to_ours(start[f"w:{theirs}"]))

    def loss():
        prediction = generator([image, mask])
        completed = paste(prediction, image, mask)
        terms = {
            "reconstruction": reconstruction_loss(image, completed, confidence, mask),
            "known": known_loss(image, prediction, mask),
        }
        return weighted_sum(terms, WEIGHTS, "generator")

    rate, beta_1, beta_2, epsilon = arrays["hparams"]
    adam = keras.optimizers.Adam(rate, beta_1, beta_2, epsilon)
    logs = Step(generator, loss, adam).take(5)

    keys = {"G_loss": "generator_loss", "G_loss_rec": "reconstruction"}
    keys |= {"G_loss_ae": "known"}
    ours = [[log[keys[str(name)]] for name in arrays["loss_names"]] for log in logs]
    np.testing.assert_allclose(ours, arrays["loss_history"], rtol=2e-3)
    norms = dict(zip(arrays["g_param_names"], arrays["g_param_l2_after"], strict=True))
    for theirs, (ours, _, _) in names.items():
        value = ops.convert_to_numpy(variables[ours])
        assert np.linalg.norm(value) == pytest.approx(norms[theirs], rel=2e-3), theirs
    for key in arrays:
        if key.startswith("g_after:"):
            ours, _, to_ours = names[key.removeprefix("g_after:")]
            largest = np.abs(arrays[key]).max()
            theirs = to_ours(arrays[key])
            assert difference(variables[ours], theirs) < 2e-3 * largest
