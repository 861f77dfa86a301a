"""Optimizers of the training stages, with their learning rate schedules.

The engine is loaded when one is made, so that `OPTIMIZERS` can be read without.
"""

import functools

from inpainting_zoo.errors import choose


def adam(rate, betas, name, clip=None):
    """Adam, with the epsilon of the original programs."""
    import keras

    return keras.optimizers.Adam(
        rate, *betas, epsilon=1e-8, global_clipnorm=clip, name=name
    )


def adamw(rate, betas, name, clip=None, decay: float = 0.05):
    """Adam with weights that decay: 0.05 as in MAE, but for biases and the like.

    References: Loshchilov and Hutter, Decoupled Weight Decay Regularization, ICLR 2019;
    He et al., Masked Autoencoders Are Scalable Vision Learners, CVPR 2022, appendix A.
    """
    import keras

    optimizer = keras.optimizers.AdamW(
        rate, decay, *betas, epsilon=1e-8, global_clipnorm=clip, name=name
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta", "alpha"])
    return optimizer


def muon(rate, betas, name, clip=None):
    """Muon without weight decay; its Adam steps are smaller by a factor."""
    from inpainting_zoo.training.muon import Muon

    return Muon(
        rate,
        *betas,
        adam_weight_decay=None,
        weight_decay=None,
        epsilon=1e-8,
        adam_lr_ratio=0.3,
        global_clipnorm=clip,
        name=name,
    )


def make_optimizer(
    name: str, settings, steps: int, factor: float = 1.0, clip: float | None = None
):
    """Returns the optimizer of the generator or of the critics.

    Args:
        name: of the optimizer.
        settings: `TrainSettings` with nothing left open: `optimizer`, `learning_rate`,
            `learning_rate_decay` and `adam_betas`.
        steps: of the stage.
        factor: of the learning rate.
        clip: largest norm of all gradients together, to which larger ones are scaled.

    Raises:
        InputError: if the optimizer is unknown.
    """
    import keras

    make = choose("optimizer", settings.optimizer, OPTIMIZERS)
    peak = factor * settings.learning_rate
    rate = keras.optimizers.schedules.CosineDecay(
        # Full steps from the start overshoot the clip at 1 before anything is learned.
        peak / 100,
        steps,
        alpha=0.0 if settings.learning_rate_decay == "cosine" else 1.0,
        warmup_target=peak,
        warmup_steps=max(1, min(500, steps // 10)),
    )
    return make(rate, settings.adam_betas, name, clip)


OPTIMIZERS = {
    "adam": adam,
    "adamw": adamw,
    "adamw_light": functools.partial(adamw, decay=0.01),  # as PyTorch has it
    "muon": muon,
}
