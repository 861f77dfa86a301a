"""Losses against the official PyTorch and TensorFlow 1 programs."""

import numpy as np
import pytest
from keras import ops

from inpainting_zoo.engine.steps import input_gradient
from inpainting_zoo.gmcnn.networks import build_critic
from inpainting_zoo.losses import adversarial
from inpainting_zoo.losses.id_mrf import id_mrf_loss
from inpainting_zoo.losses.reconstruction import (
    confidence_mask,
    known_loss,
    reconstruction_loss,
)
from parity import difference, flattened, golden, gradients, hwio, nhwc, sides

pytestmark = pytest.mark.both_engines

CONFIDENCES = {
    "conf": {"kernel": "flat", "size": 65},
    "tf1_code": {"kernel": "flat", "size": 64, "padding": "zeros"},
    "keras_port_formula": {
        "size": 65,
        "scale": 40,
        "iterations": 3,
        "padding": "zeros",
    },
}


@pytest.mark.parametrize("mask", ["rect", "irregular", "border"])
@pytest.mark.parametrize("variant", CONFIDENCES)
def test_confidence_masks(mask, variant):
    arrays = golden("confidence_mask")
    ours = confidence_mask(nhwc(arrays[f"{mask}_mask"]), **CONFIDENCES[variant])
    assert difference(ours, nhwc(arrays[f"{mask}_{variant}"])) < 2e-5


def test_reconstruction_and_known_terms_and_their_gradient():
    arrays = golden("rec_ae_losses")
    names = ("gt", "pred", "mask_01", "conf")
    gt, pred, mask, conf = (nhwc(arrays[name]) for name in names)

    def terms(pred):
        completed = pred * mask + gt * (1 - mask)
        return (
            reconstruction_loss(gt, completed, conf, mask),
            known_loss(gt, pred, mask),
        )

    def total(pred):
        reconstruction, known = terms(pred)
        return 1.4 * reconstruction + 1.2 * known

    pred = ops.convert_to_tensor(pred)
    reconstruction, known = terms(pred)
    assert float(reconstruction) == pytest.approx(arrays["rec_loss"], rel=1e-5)
    assert float(known) == pytest.approx(arrays["ae_loss"], rel=1e-5)
    assert float(total(pred)) == pytest.approx(arrays["total_stage1"], rel=1e-5)
    # The largest derivative is 1e-4.
    theirs = nhwc(arrays["grad_total_wrt_pred"])
    assert difference(input_gradient(total, pred), theirs) < 1e-5 * theirs.max()


def test_the_tf1_program_divides_by_the_crop_and_doubles_the_known_term():
    arrays = golden("rec_ae_losses")
    gt, pred = nhwc(arrays["gt"]), nhwc(arrays["pred"])
    mask, conf = nhwc(arrays["mask_01"]), nhwc(arrays["tf1_formula_conf"])
    # The hole is the whole crop, so its mean over the crop is ours over the hole.
    completed = pred * mask + gt * (1 - mask)
    hole = 1.2 * float(reconstruction_loss(gt, completed, conf, mask))
    known = 1.2 * float(known_loss(gt, pred, mask))
    assert hole == pytest.approx(arrays["tf1_formula_l1_loss_stage1"], rel=1e-5)
    assert known == pytest.approx(arrays["tf1_formula_ae_loss_stage1"], rel=1e-5)
    assert 2 * known == pytest.approx(arrays["tf1_formula_ae_loss_stage2"], rel=1e-5)
    total = 1.4 * hole + 1.2 * known
    assert total == pytest.approx(arrays["tf1_formula_g_loss_stage1"], rel=1e-5)


@pytest.mark.parametrize("case", ["a", "c"])
def test_id_mrf_of_the_pytorch_program_and_its_gradient(case):
    arrays = golden("id_mrf")
    generated = ops.convert_to_tensor(nhwc(arrays[f"{case}_gen"]))
    target = nhwc(arrays[f"{case}_tar"])

    def loss(generated):
        return id_mrf_loss(generated, target, "pytorch")

    assert float(loss(generated)) == pytest.approx(arrays[f"{case}_loss_sum"], rel=1e-5)
    each = [
        float(id_mrf_loss(g[None], t[None], "pytorch"))
        for g, t in zip(generated, target)
    ]
    np.testing.assert_allclose(each, arrays[f"{case}_loss_per_sample"], rtol=1e-5)
    theirs = nhwc(arrays[f"{case}_grad_gen"])
    ours = ops.convert_to_numpy(input_gradient(loss, generated))
    assert np.abs(ours - theirs).max() < 1e-4 * np.abs(theirs).max()
    assert np.linalg.norm(ours) == pytest.approx(np.linalg.norm(theirs), rel=1e-4)


@pytest.mark.parametrize("case", ["a", "c"])
def test_id_mrf_of_the_tf1_program(case):
    arrays = golden("id_mrf")
    loss = id_mrf_loss(nhwc(arrays[f"{case}_gen"]), nhwc(arrays[f"{case}_tar"]), "tf1")
    assert float(loss) == pytest.approx(arrays[f"{case}_tf1_code_loss"], rel=1e-5)


def test_hinge_losses():
    arrays = golden("critics_global_local_sn_c4")
    critic_loss, generator_loss = sides("hinge")
    loss = sum(
        float(critic_loss(arrays[f"hinge_real_{view}"], arrays[f"hinge_fake_{view}"]))
        for view in "gl"
    )
    assert loss == pytest.approx(arrays["hinge_d_loss"], rel=1e-6)
    for view, name in (("g", "hinge_g_adv"), ("l", "hinge_g_adv_local")):
        ours = float(generator_loss(arrays[f"hinge_fake_{view}"]))
        assert ours == pytest.approx(arrays[name], rel=1e-6)


def tensor(array):
    return ops.convert_to_tensor(nhwc(array))


def slopes(critic, real, fake, mask, alpha):
    gradient = input_gradient(critic, real + alpha * (fake - real))
    square = ops.sum(ops.square(gradient) * mask, axis=(1, 2, 3))
    return gradient, ops.convert_to_numpy(ops.sqrt(square))


def test_gradient_penalty_of_the_pytorch_program():
    arrays = golden("wgan_gp_pt_c4_32")
    critic = build_critic(32, 4, topology="hinge")
    weights = [arrays[f"w:layers.{i}.weight"] for i in range(5)]
    kernels = [*map(hwio, weights[:4]), flattened(weights[4], 2, 2)]
    biases = [arrays[f"w:layers.{i}.bias"] for i in range(5)]
    critic.set_weights([w for pair in zip(kernels, biases) for w in pair])
    real, fake, mask = (tensor(arrays[n]) for n in ("real", "fake", "mask"))
    alpha = 1 - arrays["alpha"]  # its share of the real image

    scores = critic(real), critic(fake)
    critic_loss, generator_loss = sides("wasserstein")
    assert float(critic_loss(*scores)) == pytest.approx(arrays["wgan_d_loss"], abs=1e-5)
    ours = float(generator_loss(scores[1]))
    assert ours == pytest.approx(arrays["wgan_g_loss"], abs=1e-5)

    for region, name in ((mask, "masked"), (ops.ones_like(mask), "unmasked")):
        gradient, slope = slopes(critic, real, fake, region, alpha)
        assert difference(gradient, nhwc(arrays["input_grad"])) < 1e-5
        np.testing.assert_allclose(slope, arrays[f"grad_norm_{name}"], rtol=1e-5)
        penalty = adversarial.gradient_penalty(critic, real, fake, region, alpha)
        assert float(penalty) == pytest.approx(arrays[f"penalty_{name}"], rel=1e-5)

    _, found = gradients(
        critic, lambda: adversarial.gradient_penalty(critic, real, fake, mask, alpha)
    )
    for i in range(5):
        name = f"critic_{'score' if i == 4 else f'conv{i}'}"
        theirs = arrays[f"dgp:layers.{i}.weight"]
        theirs = flattened(theirs, 2, 2) if i == 4 else hwio(theirs)
        largest = np.abs(theirs).max()
        assert difference(found[f"{name}/kernel"], theirs) < 1e-4 * largest
        bias = arrays[f"dgp:layers.{i}.bias"]
        assert (
            difference(found[f"{name}/bias"], bias) < 1e-4 * np.abs(bias).max() + 1e-9
        )


def test_critic_and_gradient_penalty_of_the_tf1_program():
    arrays = golden("wgan_gp_tf1_formula_c4_64")
    critic = build_critic(64, 4)
    pairs = [(arrays[f"kernel{i}_hwio"], arrays[f"bias{i}"]) for i in range(1, 7)]
    pairs.append((arrays["dense_kernel"], arrays["dense_bias"]))
    critic.set_weights([w for pair in pairs for w in pair])
    names = ("real_nchw", "fake_nchw", "mask_nchw")
    real, fake, mask = (tensor(arrays[n]) for n in names)
    alpha = arrays["alpha"]

    assert difference(critic(real), arrays["tf1_logit_real"]) < 1e-5
    assert difference(critic(fake), arrays["tf1_logit_fake"]) < 1e-5
    critic_loss, generator_loss = sides("wasserstein")
    ours = float(critic_loss(critic(real), critic(fake)))
    assert ours == pytest.approx(arrays["tf1_d_loss"], abs=1e-5)
    ours = float(generator_loss(critic(fake)))
    assert ours == pytest.approx(arrays["tf1_g_loss"], abs=1e-5)

    _, slope = slopes(critic, real, fake, mask, alpha)
    np.testing.assert_allclose(slope, arrays["slopes"], rtol=1e-5)
    value, found = gradients(
        critic, lambda: adversarial.gradient_penalty(critic, real, fake, mask, alpha)
    )
    assert value == pytest.approx(arrays["tf1_penalty"], rel=1e-5)
    theirs = hwio(arrays["dpenalty_dkernel1_oihw"])
    largest = np.abs(theirs).max()
    assert difference(found["critic_conv0/kernel"], theirs) < 1e-4 * largest
