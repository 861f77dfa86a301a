"""Adversarial losses: Wasserstein, hinge, non-saturating; penalties of gradients.

References: Gulrajani et al., Improved Training of Wasserstein GANs, NeurIPS 2017;
Lim and Ye, Geometric GAN, 2017 (hinge); Goodfellow et al., Generative Adversarial
Nets, NeurIPS 2014 (binary cross-entropy, whose generator's form does not saturate).
"""

import dataclasses
from collections.abc import Callable

from keras import ops

from inpainting_zoo.engine.steps import input_gradient


def wasserstein_critic_loss(real_scores, fake_scores):
    """Returns mean(D(fake)) - mean(D(real)) of scores (B, 1)."""
    return ops.mean(fake_scores) - ops.mean(real_scores)


def wasserstein_generator_loss(fake_scores):
    """Returns -mean(D(fake)) of scores (B, 1)."""
    return -ops.mean(fake_scores)


def hinge_critic_loss(real_scores, fake_scores):
    """Returns mean(max(0, 1 - D(real))) + mean(max(0, 1 + D(fake))) of (B, 1)."""
    return ops.mean(ops.relu(1 - real_scores)) + ops.mean(ops.relu(1 + fake_scores))


def logistic_critic_loss(real_logits, fake_logits, fake=None):
    """Returns mean(-log D(real)) + mean(-log(1 - D(fake))), D the sigmoid of logits.

    Args:
        real_logits, fake_logits: of any shape.
        fake: which of the fake logits are to be called fake, 1, and which real, 0: the
            hole, where a logit is of a patch. All are fake by default.
    """
    loss = ops.softplus(fake_logits)
    if fake is not None:
        loss = fake * loss + (1 - fake) * ops.softplus(-fake_logits)
    return ops.mean(ops.softplus(-real_logits)) + ops.mean(loss)


def non_saturating_generator_loss(fake_logits):
    """Returns mean(-log D(fake)), which does not saturate as log(1 - D(fake)) does."""
    return ops.mean(ops.softplus(-fake_logits))


def relativistic_loss(logits, others, weight):
    """Returns the mean of -log sigmoid(logits - others): the first should be higher.

    Of pictures that are the same but for a part, what they share does not count. The
    discriminator takes the real ones first, the generator the fake ones.

    Args:
        logits, others: n of each of the same patches (B, h, w, n), which count alike.
        weight: of each patch (B, h, w, 1); all zeros give 0.

    Reference: Jolicoeur-Martineau, The Relativistic Discriminator, ICLR 2019 (RpGAN).
    """
    loss = ops.mean(ops.softplus(others - logits), axis=-1, keepdims=True)
    return ops.sum(weight * loss) / ops.maximum(ops.sum(weight), 1e-6)


def gradient_penalty(critic, real, fake, mask, alpha):
    """Returns mean((|grad D(x)| - 1)^2) between real and fake images, in the hole.

    x = real + alpha (fake - real). Only the gradient of hole pixels counts, since known
    pixels of real and fake are the same.

    Args:
        critic: images (B, H, W, 3) -> scores (B, 1).
        real, fake: images (B, H, W, 3).
        mask: (B, H, W, 1), 1 in the hole.
        alpha: (B, 1, 1, 1) in [0, 1], drawn for each sample.
    """
    gradient = input_gradient(critic, real + alpha * (fake - real))
    square = ops.sum(ops.square(gradient) * mask, axis=(1, 2, 3))
    # The root's derivative is infinite at 0, which an empty hole reaches.
    slope = ops.sqrt(ops.maximum(square, 1e-12))
    return ops.mean(ops.square(slope - 1))


def r1_penalty(critic, real):
    """Returns the mean over images of |grad D(x)|^2 at real images.

    Args:
        critic: images (B, H, W, 3) -> scores, whose sum is differentiated.
        real: images (B, H, W, 3).

    Reference: Mescheder et al., Which Training Methods for GANs do actually Converge?,
    ICML 2018.
    """
    square = ops.square(input_gradient(critic, real))
    return ops.mean(ops.sum(square, axis=(1, 2, 3)))


def lazily(penalty: Callable, step: Callable, every: int):
    """Returns a penalty in every so many steps only, weighed by as many; else 0.

    Args:
        penalty: takes nothing, returns a loss.
        step: takes nothing, returns the number of the step.
        every: steps from one penalty to the next.

    Reference: Karras et al., Analyzing and Improving the Image Quality of StyleGAN,
    CVPR 2020, appendix B.
    """
    if every == 1:
        return penalty()
    return ops.cond(
        ops.equal(step() % every, 0), lambda: every * penalty(), lambda: 0.0
    )


@dataclasses.dataclass(frozen=True)
class Adversarial:
    """The two sides of an adversarial loss.

    Args:
        critic_loss: takes scores or logits of real and of fake images, returns a loss.
        generator_loss: takes those of fake images, returns a loss.
    """

    critic_loss: Callable
    generator_loss: Callable


ADVERSARIAL = {
    "wasserstein": Adversarial(wasserstein_critic_loss, wasserstein_generator_loss),
    "hinge": Adversarial(hinge_critic_loss, wasserstein_generator_loss),
    "non_saturating": Adversarial(logistic_critic_loss, non_saturating_generator_loss),
}
