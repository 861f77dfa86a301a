"""Optimizers of the training stages, with their learning rate schedules."""

import keras
from keras import ops

from inpainting_zoo.errors import choose


class Muon(keras.optimizers.Muon):
    """Muon for convolutions: orthogonalized momentum for kernels between hidden layers.

    A kernel (height, width, in, out) is taken as a matrix of `out` columns. Biases and
    kernels with at most 8 input or output channels, such as those of the first and
    last layer, take Adam steps. Updates have the size that Adam's have.

    References: Jordan et al., Muon: An optimizer for hidden layers in neural networks,
    2024; Liu et al., Muon is Scalable for LLM Training, 2025.
    """

    def _should_use_adamw(self, variable):
        return len(variable.shape) != 4 or min(variable.shape[2:]) <= 8

    def zeropower_via_newtonschulz5(self, x, steps: int):
        matrix = ops.reshape(x, (-1, x.shape[-1]))
        return ops.reshape(super().zeropower_via_newtonschulz5(matrix, steps), x.shape)

    def lr_adjust(self, x):
        matrix = ops.reshape(x, (-1, x.shape[-1]))
        return ops.reshape(super().lr_adjust(matrix), x.shape)


def adam(rate, betas, name, clip=None):
    """Adam, with the epsilon of the original programs."""
    return keras.optimizers.Adam(
        rate, *betas, epsilon=1e-8, global_clipnorm=clip, name=name
    )


def muon(rate, betas, name, clip=None):
    """Muon without weight decay; its Adam steps are smaller by a factor."""
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
    name: str,
    settings: dict,
    steps: int,
    factor: float = 1.0,
    clip: float | None = None,
):
    """Returns the optimizer of the generator or of the critics.

    Args:
        name: of the optimizer.
        settings: `optimizer`, `learning_rate` and what else the command line says.
        steps: of the stage.
        factor: of the learning rate.
        clip: largest norm of all gradients together, to which larger ones are scaled.

    Raises:
        InputError: if the optimizer is unknown.
    """
    make = choose("optimizer", settings["optimizer"], OPTIMIZERS)
    peak = factor * settings["learning_rate"]
    rate = keras.optimizers.schedules.CosineDecay(
        # Full steps from the start overshoot the clip at 1 before anything is learned.
        peak / 100,
        steps,
        alpha=0.0 if settings["learning_rate_decay"] == "cosine" else 1.0,
        warmup_target=peak,
        warmup_steps=max(1, min(500, steps // 10)),
    )
    optimizer = make(rate, settings["adam_betas"], name, clip)
    # Without it float16 gradients underflow and nothing is learned; critics and their
    # losses stay in float32.
    if settings["mixed_precision"] == "float16" and name == "generator_optimizer":
        return keras.optimizers.LossScaleOptimizer(optimizer, name=f"{name}_scale")
    return optimizer


OPTIMIZERS = {"adam": adam, "muon": muon}
