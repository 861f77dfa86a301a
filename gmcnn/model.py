"""GMCNN and its two stages: reconstruction only, then WGAN-GP with ID-MRF.

Reference: Wang et al., Image Inpainting via Generative Multi-column Convolutional
Neural Networks, NeurIPS 2018.
"""

import inspect

import keras
from keras import ops

from inpainting_zoo.engine.steps import minimize
from inpainting_zoo.features.vgg import TAPS, build_vgg_features
from inpainting_zoo.gmcnn.networks import build_critic, build_generator
from inpainting_zoo.layers.window import crop, hole_window
from inpainting_zoo.losses import adversarial as adversarial_losses
from inpainting_zoo.losses.adversarial import gradient_penalty
from inpainting_zoo.losses.id_mrf import id_mrf_loss
from inpainting_zoo.losses.reconstruction import (
    confidence_mask,
    known_loss,
    reconstruction_loss,
)
from inpainting_zoo.models.bookkeeping import weighted_sum
from inpainting_zoo.models.inpainter import Inpainter
from inpainting_zoo.models.pixels import as_floats, paste


class GMCNN(Inpainter):
    """Generative multi-column network with a global and a local critic.

    The local critic and the ID-MRF loss see, of each sample, the square window that
    holds most of its hole; for a rectangle of that size this is the rectangle.

    Args:
        image_size: side in pixels of the training images.
        local_size: side in pixels of the window; half of `image_size` by default.
        critic_channels: width of the critics' first convolution.
        critic_steps: critic steps, each on a fresh batch, for one of the generator.
        critic: name in `gmcnn.architectures.CRITICS`.
        adversarial: name in `losses.adversarial.ADVERSARIAL`; "hinge" and "binary" go
            with a `gradient_penalty_weight` of 0.
        id_mrf_formula: name in `losses.id_mrf.FORMULAS`.
        confidence_kernel: name in `losses.reconstruction.KERNELS`.
        reconstruction_weight, known_weight, id_mrf_weight, adversarial_weight,
            gradient_penalty_weight: factors of the loss terms.
        seed: of everything random within a training step.
        **generator: arguments of `build_generator`.
    """

    STAGES = ("warm_up_generator", "wgan")
    GENERATOR_OPTIONS = inspect.signature(build_generator).parameters

    def __init__(
        self,
        image_size: int = 256,
        local_size: int | None = None,
        critic_channels: int = 64,
        critic_steps: int = 5,
        critic: str = "wgan",
        adversarial: str = "wasserstein",
        id_mrf_formula: str = "paper",
        confidence_kernel: str = "gaussian",
        reconstruction_weight: float = 1.4,
        known_weight: float = 1.2,
        id_mrf_weight: float = 0.05,
        adversarial_weight: float = 0.001,
        gradient_penalty_weight: float = 10.0,
        seed: int = 0,
        **generator,
    ):
        super().__init__(
            build_generator(**generator), image_size, size_multiple=4, seed=seed
        )
        self.local_size = local_size or image_size // 2
        self.critic_channels = critic_channels
        self.critic_steps = critic_steps
        self.critic_topology = critic
        self.critic_loss, self.adversarial_loss = adversarial_losses.get(adversarial)
        self.id_mrf_formula = id_mrf_formula
        self.confidence_kernel = confidence_kernel
        self.weights_of = {
            "reconstruction": reconstruction_weight,
            "known": known_weight,
            "id_mrf": id_mrf_weight,
            "adversarial": adversarial_weight,
            "critic": 1.0,
            "gradient_penalty": gradient_penalty_weight,
        }
        self.global_critic = self.local_critic = self.features = None

    def begin(self, stage, make_optimizer, vgg_weights=None, **compile_options):
        """See `Inpainter.begin`; the warm-up has no critic and no VGG."""
        super().begin(stage, make_optimizer, **compile_options)
        if stage == "warm_up_generator":
            return
        if self.weights_of["id_mrf"]:
            self.features = build_vgg_features(vgg_weights)
        self.global_critic, self.local_critic = (
            build_critic(side, self.critic_channels, name, self.critic_topology)
            for name, side in (
                ("global_critic", self.image_size),
                ("local_critic", self.local_size),
            )
        )
        self.critic_optimizer = make_optimizer("critic_optimizer")
        self.critic_optimizer.build(self._critic_variables)

    @property
    def networks(self):
        if self.stage != "wgan":
            return super().networks
        critics = {
            "global_critic": self.global_critic,
            "local_critic": self.local_critic,
        }
        return super().networks | critics

    @property
    def optimizers(self):
        if self.stage != "wgan":
            return super().optimizers
        return super().optimizers | {"critic_optimizer": self.critic_optimizer}

    def batches_per_step(self, stage: str):
        """Returns how many fresh batches one training step of a stage takes."""
        return 1 if stage == "warm_up_generator" else self.critic_steps + 1

    @property
    def _critic_variables(self):
        return [
            *self.global_critic.trainable_variables,
            *self.local_critic.trainable_variables,
        ]

    def training_step(self, batch):
        image, mask = as_floats(batch["image"], batch["mask"])
        if self.stage == "wgan":
            return self.adversarial_step(image, mask)
        return minimize(
            lambda: self.reconstruction_terms(image, mask),
            self.generator.trainable_variables,
            self.optimizer,
        )

    def adversarial_step(self, image, mask):
        """Takes `critic_steps` steps of the critics, then one of the generator.

        Each step has a batch of its own. The generator stands still meanwhile, so one
        forward pass makes the fake images of all critic steps.
        """
        size = image.shape[0] // (self.critic_steps + 1)
        fake = ops.stop_gradient(self.complete(image[:-size], mask[:-size]))
        for i in range(self.critic_steps):
            part = slice(i * size, (i + 1) * size)
            logs = minimize(
                lambda part=part: self.critic_terms(
                    image[part], fake[part], mask[part]
                ),
                self._critic_variables,
                self.critic_optimizer,
            )
        return logs | minimize(
            lambda: self.generator_terms(image[-size:], mask[-size:]),
            self.generator.trainable_variables,
            self.optimizer,
        )

    def reconstruction_terms(self, image, mask):
        """Returns `(loss, logs)` of the warm-up: Equation 5, L1 outside the hole."""
        terms = self.reconstruction(self.generator([image, mask]), image, mask)
        return weighted_sum(terms, self.weights_of, "generator")

    def generator_terms(self, image, mask):
        """Returns `(loss, logs)` of the generator in the second stage (Equation 8)."""
        prediction = self.generator([image, mask])
        completed = paste(prediction, image, mask)
        terms = self.reconstruction(prediction, image, mask)
        window = hole_window(mask, self.local_size)
        local, local_image = crop(completed, window), crop(image, window)
        terms["adversarial"] = self.adversarial_loss(
            self.global_critic(completed)
        ) + self.adversarial_loss(self.local_critic(local))
        if self.features is not None:
            formula, seed = self.id_mrf_formula, self.seed_generator
            terms["id_mrf"] = sum(
                weight * id_mrf_loss(generated, target, formula, seed)
                for weight, generated, target in zip(
                    TAPS.values(), self.features(local), self.features(local_image)
                )
            )
        return weighted_sum(terms, self.weights_of, "generator")

    def critic_terms(self, real, fake, mask):
        """Returns `(loss, logs)` of both critics (Equation 7)."""
        window = hole_window(mask, self.local_size)
        views = (
            (self.global_critic, real, fake, mask),
            (self.local_critic, *(crop(x, window) for x in (real, fake, mask))),
        )
        terms = {"critic": 0.0}
        for critic, real, fake, _ in views:
            scores = critic(ops.concatenate([real, fake]), training=True)
            size = real.shape[0]
            terms["critic"] += self.critic_loss(scores[:size], scores[size:])
        if self.weights_of["gradient_penalty"]:
            terms["gradient_penalty"] = sum(
                gradient_penalty(*view, self._interpolation(view[1])) for view in views
            )
        return weighted_sum(terms, self.weights_of, "critic")

    def _interpolation(self, real):
        """Draws where between real and fake each sample's penalty is taken."""
        shape = (real.shape[0], 1, 1, 1)
        return keras.random.uniform(shape, seed=self.seed_generator)

    def reconstruction(self, prediction, image, mask):
        """See `Inpainter.reconstruction`: in the hole (Equation 5), and outside it."""
        completed = paste(prediction, image, mask)
        weight = confidence_mask(mask, self.confidence_kernel)
        return {
            "reconstruction": reconstruction_loss(image, completed, weight, mask),
            "known": known_loss(image, prediction, mask),
        }
