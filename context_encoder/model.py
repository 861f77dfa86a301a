"""Context encoders and their two stages: reconstruction only, then with a GAN.

Reference: Pathak et al., Context Encoders: Feature Learning by Inpainting, CVPR 2016.
"""

import inspect

import keras
from keras import ops

from inpainting_zoo.context_encoder.networks import build_discriminator, build_generator
from inpainting_zoo.context_encoder.presets import FAMILY
from inpainting_zoo.errors import InputError
from inpainting_zoo.losses.adversarial import (
    logistic_critic_loss,
    non_saturating_generator_loss,
)
from inpainting_zoo.losses.mean_squared_error import mean_squared_error
from inpainting_zoo.losses.ring_reconstruction import (
    ring_weights,
    weighted_squared_error,
)
from inpainting_zoo.models.bookkeeping import weighted_sum
from inpainting_zoo.models.inpainter import GeneratorInpainter
from inpainting_zoo.models.stage import Stage


class ContextEncoder(GeneratorInpainter):
    """Encoder, decoder and discriminator of one image size.

    What the topology predicts, the centre or the whole image, is compared with the
    image and judged by the discriminator as it is, known pixels included. In training
    holes must lie in what is predicted; in use a square is fitted around any hole.

    Args:
        image_size: side in pixels of the images; the topology's.
        topology: name in `context_encoder.architectures.TOPOLOGIES`.
        discriminator_channels: width of the discriminator's first convolution.
        conditional: whether the discriminator sees the surroundings as well.
        ring: pixels of the hole next to known ones that count `ring_weight` times, as
            known ones do.
        ring_weight: see `losses.ring_reconstruction.ring_weights`.
        lambda_ratio: weight of reconstruction divided by that of the adversarial loss.
        discriminator_weight: 1 adds its losses of real and predicted regions up, 0.5
            takes their mean.
        noise: deviation of the normal noise that training adds to what the generator is
            shown, where colours are in [-1, 1].
        discriminator_rate: its learning rate, relative to the generator's.
        masks: what it is trained and evaluated on by default; see `parse_mixture`.
        seed: of everything random within a training step.
        **generator: further arguments of `build_generator`.
    """

    STAGES = FAMILY.stages
    GENERATOR_OPTIONS = inspect.signature(build_generator).parameters

    def __init__(
        self,
        image_size: int = 128,
        topology: str = "centre",
        discriminator_channels: int = 64,
        conditional: bool = False,
        ring: int = 0,
        ring_weight: float = 10.0,
        lambda_ratio: float = 999.0,
        discriminator_weight: float = 1.0,
        noise: float = 0.0,
        discriminator_rate: float = 0.1,
        masks: str = "centre=1",
        seed: int = 0,
        **generator,
    ):
        sizes = FAMILY.sizes(image_size=image_size, topology=topology)
        generator = build_generator(topology, **generator)
        super().__init__(generator, image_size, sizes, seed)
        self.centre, self.masks = sizes.centre, masks
        self.ring, self.ring_weight = ring, ring_weight
        self.noise, self.discriminator_rate = noise, discriminator_rate
        self.loss_weights = joint_weights(lambda_ratio)
        self.loss_weights["discriminator"] = discriminator_weight
        self.discriminator_options = {
            "topology": topology,
            "base_channels": discriminator_channels,
            "conditional": conditional,
        }
        self.discriminator = None

    def make_stage(self, name, features):
        """See `Inpainter.make_stage`; the warm-up has no discriminator."""
        if name == "warm_up_generator":
            return Stage(self.warm_up_step, {"generator": self.generator})
        self.discriminator = build_discriminator(**self.discriminator_options)
        learns = {"generator": self.generator, "discriminator": self.discriminator}
        rates = {"discriminator": self.discriminator_rate}
        return Stage(self.joint_step, learns, rates=rates)

    def warm_up_step(self, batch, minimize):
        """Takes a step of the generator by reconstruction alone."""
        image, mask = batch["image"], batch["mask"]
        return minimize("generator", lambda: self.warm_up_loss(image, mask))

    def joint_step(self, batch, minimize):
        """Takes a step of the discriminator, then one of the generator.

        The generator runs in both, as in report 001; the authors' code uses its first
        output twice. So averages of batch normalization see each batch twice here.
        """
        image, mask = batch["image"], batch["mask"]
        prediction = ops.stop_gradient(self.predict_as_trained(image, mask))
        fake = self.region(prediction)
        logs = minimize(
            "discriminator", lambda: self.discriminator_loss(image, fake, mask)
        )
        return logs | minimize("generator", lambda: self.generator_loss(image, mask))

    def warm_up_loss(self, image, mask):
        """Returns `(loss, logs)` of the warm-up (Equation 1)."""
        prediction = self.predict_as_trained(image, mask)
        terms = self.reconstruction_terms(prediction, image, mask)
        return self._weighted(terms, prediction, image)

    def generator_loss(self, image, mask):
        """Returns `(loss, logs)` of the generator: the joint loss (Equation 3)."""
        prediction = self.predict_as_trained(image, mask)
        terms = self.reconstruction_terms(prediction, image, mask)
        logits = self.judge(self.region(prediction), image, mask)
        terms["adversarial"] = non_saturating_generator_loss(logits)
        return self._weighted(terms, prediction, image)

    def discriminator_loss(self, image, fake, mask):
        """Returns `(loss, logs)` of the discriminator (Equation 2)."""
        real = self.judge(self.region(image), image, mask)
        fake = self.judge(fake, image, mask)
        terms = {"discriminator": logistic_critic_loss(real, fake)}
        return weighted_sum(terms, self.loss_weights, "discriminator")

    def judge(self, region, image, mask):
        """Returns the discriminator's logits, with the statistics of this batch."""
        conditional = self.discriminator_options["conditional"]
        inputs = [region, image, mask] if conditional else region
        return self.discriminator(inputs, training=True)

    def predict_as_trained(self, image, mask):
        """Returns a prediction of a noisy image, with the statistics of the batch."""
        if self.noise:
            drawn = keras.random.normal(image.shape, seed=self.seed_generator)
            image = image + self.noise * drawn
        return self.generator([image, mask], training=True)

    def region(self, x):
        """Takes the part of (B, S, S, C) that the topology predicts."""
        if not self.centre:
            return x
        inside = slice(self.image_size // 4, -(self.image_size // 4))
        return x[:, inside, inside]

    def reconstruction_terms(self, prediction, image, mask):
        """Returns the loss terms of reconstruction: Equation 1, of the region.

        Args:
            prediction, image: (B, S, S, 3) in [-1, 1].
            mask: (B, S, S, 1), 1 in the hole.
        """
        fake, real = self.region(prediction), self.region(image)
        weight = self.region(ring_weights(mask, self.ring, self.ring_weight))
        return {"reconstruction": weighted_squared_error(real, fake, weight)}

    def validation_loss(self, prediction, image, mask):
        terms = self.reconstruction_terms(prediction, image, mask)
        return weighted_sum(terms, self.loss_weights, "generator")[0]

    def check_masks(self, masks):
        """See `Inpainter.check_masks`: holes must lie in what is predicted."""
        if self.region(masks).sum() < masks.sum():
            raise InputError(
                "masks: holes within the central half of height and width, such as "
                "those of centre, inner_centre or circle, for the topology "
                f"{self.discriminator_options['topology']}, which predicts no more; "
                "received one that reaches beyond"
            )

    def _weighted(self, terms, prediction, image):
        """Adds up the terms and logs the PSNR of the region in dB; colours span 2."""
        loss, logs = weighted_sum(terms, self.loss_weights, "generator")
        error = mean_squared_error(self.region(prediction), self.region(image))
        return loss, logs | {"psnr": 10 * ops.log10(4 / ops.maximum(error, 1e-10))}

    def step_macs(self, macs):
        generator = macs(self.generator, self.image_size)
        if self.discriminator is None:
            return 3 * generator
        # Of real and fake, forward and backward: 6; forward and inputs for the
        # generator, which runs once more without a gradient.
        return 4 * generator + 8 * macs(self.discriminator, self.image_size)


def joint_weights(ratio: float):
    """Returns the factors of reconstruction and adversarial loss, which sum to 1.

    Args:
        ratio: of the first to the second. The paper's 0.999 and 0.001 are 999.

    Raises:
        InputError: if the ratio is negative.
    """
    if not ratio >= 0:
        raise InputError(f"lambda_ratio: must be at least 0, received {ratio}")
    return {"reconstruction": ratio / (1 + ratio), "adversarial": 1 / (1 + ratio)}
