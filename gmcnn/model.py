"""GMCNN and its two stages: reconstruction only, then WGAN-GP with ID-MRF.

Reference: Wang et al., Image Inpainting via Generative Multi-column Convolutional
Neural Networks, NeurIPS 2018.
"""

import inspect

import keras
from keras import ops

from inpainting_zoo.errors import choose
from inpainting_zoo.features.load import advising
from inpainting_zoo.gmcnn.networks import build_critic, build_generator
from inpainting_zoo.gmcnn.presets import FAMILY
from inpainting_zoo.layers.window import crop, hole_window
from inpainting_zoo.losses.adversarial import ADVERSARIAL, gradient_penalty
from inpainting_zoo.losses.id_mrf import id_mrf_loss
from inpainting_zoo.losses.reconstruction import (
    confidence_mask,
    known_loss,
    reconstruction_loss,
)
from inpainting_zoo.models.bookkeeping import weighted_sum
from inpainting_zoo.models.inpainter import GeneratorInpainter
from inpainting_zoo.models.pixels import paste
from inpainting_zoo.models.stage import Stage, split_batches

# Taps (after the ReLU) and their weights: conv3_2 for texture, conv4_2 for texture and
# content (Equation 4 of the paper counts it twice).
TAPS = {"block3_conv2": 1.0, "block4_conv2": 2.0}
# By network of ID-MRF, what is taken where a file ends before block 4.
SUBSTITUTES = {"vgg19": {"block4_conv2": "block3_conv4"}, "vgg16": {}}


class GMCNN(GeneratorInpainter):
    """Generative multi-column network with a global and a local critic.

    The local critic and the ID-MRF loss see, of each sample, the square window that
    holds most of its hole; for a rectangle of that size this is the rectangle.

    Args:
        image_size: side in pixels of the training images.
        local_size: side in pixels of the window; half of `image_size` by default.
        critic_channels: width of the critics' first convolution.
        critic_steps: critic steps, each on a fresh batch, for one of the generator.
        critic: name in `gmcnn.architectures.CRITICS`.
        adversarial: name in `losses.adversarial.ADVERSARIAL`; "hinge" and
            "non_saturating" go with a `gradient_penalty_weight` of 0.
        id_mrf_formula: name in `losses.id_mrf.FORMULAS`.
        id_mrf_network: whose features it compares, "vgg19" or "vgg16".
        confidence_kernel: name in `losses.reconstruction.KERNELS`.
        reconstruction_weight, known_weight, id_mrf_weight, adversarial_weight,
            gradient_penalty_weight: factors of the loss terms.
        seed: of everything random within a training step.
        **generator: arguments of `build_generator`.
    """

    STAGES = FAMILY.stages
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
        id_mrf_network: str = "vgg19",
        confidence_kernel: str = "gaussian",
        reconstruction_weight: float = 1.4,
        known_weight: float = 1.2,
        id_mrf_weight: float = 0.05,
        adversarial_weight: float = 0.001,
        gradient_penalty_weight: float = 10.0,
        seed: int = 0,
        **generator,
    ):
        generator = build_generator(**generator)
        sizes = FAMILY.sizes(image_size=image_size, local_size=local_size)
        super().__init__(generator, image_size, sizes, seed)
        self.local_size = local_size or image_size // 2
        self.critic_channels = critic_channels
        self.critic_steps = critic_steps
        self.critic_topology = critic
        self.adversarial = choose("adversarial", adversarial, ADVERSARIAL)
        choose("id_mrf_network", id_mrf_network, SUBSTITUTES)
        self.id_mrf_formula, self.id_mrf_network = id_mrf_formula, id_mrf_network
        self.confidence_kernel = confidence_kernel
        self.loss_weights = {
            "reconstruction": reconstruction_weight,
            "known": known_weight,
            "id_mrf": id_mrf_weight,
            "adversarial": adversarial_weight,
            "critic": 1.0,
            "gradient_penalty": gradient_penalty_weight,
        }
        self.global_critic = self.local_critic = self.features = None

    def make_stage(self, name, features):
        """See `Inpainter.make_stage`; the warm-up has no critic and no VGG."""
        if name == "warm_up_generator":
            return Stage(self.warm_up_step, {"generator": self.generator})
        if self.loss_weights["id_mrf"]:
            self.features = self._vgg(features)
        self.global_critic, self.local_critic = (
            build_critic(side, self.critic_channels, name, self.critic_topology)
            for name, side in (
                ("global_critic", self.image_size),
                ("local_critic", self.local_size),
            )
        )
        critics = [self.global_critic, self.local_critic]
        learns = {"generator": self.generator, "critic": critics}
        return Stage(self.adversarial_step, learns, batches=self.critic_steps + 1)

    def _vgg(self, features):
        load, name = advising(features, "ID-MRF: -id_mrf_weight 0"), self.id_mrf_network
        return load(name, TAPS, substitutes=SUBSTITUTES[name])

    def warm_up_step(self, batch, minimize):
        """Takes a step of the generator by reconstruction alone."""
        image, mask = batch["image"], batch["mask"]
        return minimize("generator", lambda: self.warm_up_loss(image, mask))

    def adversarial_step(self, batch, minimize):
        """Takes `critic_steps` steps of the critics, then one of the generator.

        Each step has a batch of its own. The generator stands still meanwhile, so one
        forward pass makes the fake images of all critic steps.
        """
        steps = self.critic_steps
        images, masks = (split_batches(batch[n], steps + 1) for n in ("image", "mask"))
        joined = [ops.reshape(x[:, :-1], (-1, *x.shape[2:])) for x in (images, masks)]
        fakes = split_batches(ops.stop_gradient(self.complete(*joined)), steps)
        for i in range(steps):
            views = images[:, i], fakes[:, i], masks[:, i]
            logs = minimize("critic", lambda views=views: self.critic_loss(*views))
        last = images[:, -1], masks[:, -1]
        return logs | minimize("generator", lambda: self.generator_loss(*last))

    def warm_up_loss(self, image, mask):
        """Returns `(loss, logs)` of the warm-up: Equation 5, L1 outside the hole."""
        prediction = self.generator([image, mask])
        terms = self.reconstruction_terms(prediction, image, mask)
        return weighted_sum(terms, self.loss_weights, "generator")

    def generator_loss(self, image, mask):
        """Returns `(loss, logs)` of the generator in the second stage (Equation 8)."""
        prediction = self.generator([image, mask])
        completed = paste(prediction, image, mask)
        terms = self.reconstruction_terms(prediction, image, mask)
        window = hole_window(mask, self.local_size)
        local, local_image = crop(completed, window), crop(image, window)
        terms["adversarial"] = self.adversarial.generator_loss(
            self.global_critic(completed)
        ) + self.adversarial.generator_loss(self.local_critic(local))
        if self.features is not None:
            formula, seed = self.id_mrf_formula, self.seed_generator
            terms["id_mrf"] = sum(
                weight * id_mrf_loss(generated, target, formula, seed)
                for weight, generated, target in zip(
                    TAPS.values(), self.features(local), self.features(local_image)
                )
            )
        return weighted_sum(terms, self.loss_weights, "generator")

    def critic_loss(self, real, fake, mask):
        """Returns `(loss, logs)` of both critics (Equation 7)."""
        window = hole_window(mask, self.local_size)
        views = (
            (self.global_critic, real, fake, mask),
            (self.local_critic, *(crop(x, window) for x in (real, fake, mask))),
        )
        terms = {"critic": 0.0}
        for critic, real, fake, _ in views:
            # By turns: of several devices each keeps its own rows.
            pairs = ops.stack([real, fake], axis=1)
            scores = critic(ops.reshape(pairs, (-1, *real.shape[1:])), training=True)
            scores = split_batches(scores, 2)
            terms["critic"] += self.adversarial.critic_loss(scores[:, 0], scores[:, 1])
        if self.loss_weights["gradient_penalty"]:
            terms["gradient_penalty"] = sum(
                gradient_penalty(*view, self._interpolation(view[1])) for view in views
            )
        return weighted_sum(terms, self.loss_weights, "critic")

    def _interpolation(self, real):
        """Draws where between real and fake each sample's penalty is taken."""
        shape = (real.shape[0], 1, 1, 1)
        return keras.random.uniform(shape, seed=self.seed_generator)

    def reconstruction_terms(self, prediction, image, mask):
        """Returns the loss terms in the hole (Equation 5), and outside it.

        Args:
            prediction, image: (B, H, W, 3) in [-1, 1].
            mask: (B, H, W, 1), 1 in the hole.
        """
        completed = paste(prediction, image, mask)
        weight = confidence_mask(mask, self.confidence_kernel)
        return {
            "reconstruction": reconstruction_loss(image, completed, weight, mask),
            "known": known_loss(image, prediction, mask),
        }

    def validation_loss(self, prediction, image, mask):
        terms = self.reconstruction_terms(prediction, image, mask)
        return weighted_sum(terms, self.loss_weights, "generator")[0]

    def step_macs(self, macs):
        generator = macs(self.generator, self.image_size)
        if self.global_critic is None:
            return 3 * generator
        critics = macs(self.global_critic, self.image_size)
        critics += macs(self.local_critic, self.local_size)
        vgg = macs(self.features, self.local_size) if self.features else 0
        # Of real and fake, forward and backward: 6. The penalty: forward, gradient of
        # the inputs, and both of them backward: 6.
        critic_step = generator + 12 * critics
        # Critics and VGG have no gradient of their weights; VGG sees the target too.
        step = 3 * generator + 2 * critics + 3 * vgg
        return self.critic_steps * critic_step + step
