"""Wasserstein losses with gradient penalty.

Reference: Gulrajani et al., Improved Training of Wasserstein GANs, NeurIPS 2017.
"""

from keras import ops

from training.engine import input_gradient


def wasserstein_critic_loss(real_scores, fake_scores):
    """Returns mean(D(fake)) - mean(D(real)) of scores (B, 1)."""
    return ops.mean(fake_scores) - ops.mean(real_scores)


def wasserstein_generator_loss(fake_scores):
    """Returns -mean(D(fake)) of scores (B, 1)."""
    return -ops.mean(fake_scores)


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
