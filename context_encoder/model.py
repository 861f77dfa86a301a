"""Context encoders and their two stages: reconstruction only, then with a GAN.

Reference: Pathak et al., Context Encoders: Feature Learning by Inpainting, CVPR 2016.
"""

import inspect

import numpy as np
from keras import ops

from inpainting_zoo.context_encoder import architectures
from inpainting_zoo.context_encoder.networks import build_discriminator, build_generator
from inpainting_zoo.engine.steps import minimize
from inpainting_zoo.errors import InputError
from inpainting_zoo.losses.adversarial import binary_critic_loss, binary_generator_loss
from inpainting_zoo.losses.ring_reconstruction import (
    joint_weights,
    ring_weights,
    weighted_squared_error,
)
from inpainting_zoo.models import sizes
from inpainting_zoo.models.bookkeeping import weighted_sum
from inpainting_zoo.models.inpainter import Inpainter
from inpainting_zoo.models.pixels import as_floats
from inpainting_zoo.models.scaling import enlarge, shrink


class ContextEncoder(Inpainter):
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
        discriminator_rate: its learning rate, relative to the generator's.
        masks: what it is trained and evaluated on by default; see `parse_mixture`.
        seed: of everything random within a training step.
        **generator: further arguments of `build_generator`.
    """

    STAGES = ("warm_up_generator", "joint")
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
        discriminator_rate: float = 0.1,
        masks: str = "centre=1",
        seed: int = 0,
        **generator,
    ):
        table = architectures.get(topology)
        if image_size != table.image_size:
            raise InputError(
                f"image_size: {table.image_size} for the topology {topology}, "
                f"received {image_size}"
            )
        super().__init__(
            build_generator(topology, **generator),
            image_size,
            size_multiple=image_size,
            seed=seed,
        )
        self.centre, self.masks = table.centre, masks
        self.ring, self.ring_weight = ring, ring_weight
        self.discriminator_rate = discriminator_rate
        self.weights_of = joint_weights(lambda_ratio)
        self.weights_of["discriminator"] = discriminator_weight
        self.discriminator_options = {
            "topology": topology,
            "base_channels": discriminator_channels,
            "conditional": conditional,
        }
        self.discriminator = None

    def begin(self, stage, make_optimizer, **options):
        super().begin(stage, make_optimizer, **options)
        if stage == "warm_up_generator":
            return
        self.discriminator = build_discriminator(**self.discriminator_options)
        self.discriminator_optimizer = make_optimizer(
            "discriminator_optimizer", self.discriminator_rate
        )
        self.discriminator_optimizer.build(self.discriminator.trainable_variables)

    @property
    def networks(self):
        if self.stage != "joint":
            return super().networks
        return super().networks | {"discriminator": self.discriminator}

    @property
    def optimizers(self):
        if self.stage != "joint":
            return super().optimizers
        added = {"discriminator_optimizer": self.discriminator_optimizer}
        return super().optimizers | added

    def training_step(self, batch):
        image, mask = as_floats(batch["image"], batch["mask"])
        if self.stage == "joint":
            return self.joint_step(image, mask)
        return minimize(
            lambda: self.reconstruction_terms(image, mask),
            self.generator.trainable_variables,
            self.optimizer,
        )

    def joint_step(self, image, mask):
        """Takes a step of the discriminator, then one of the generator.

        The generator runs in both, as in report 001; the authors' code uses its first
        output twice. So averages of batch normalization see each batch twice here.
        """
        prediction = ops.stop_gradient(self.predict_as_trained(image, mask))
        fake = self.region(prediction)
        logs = minimize(
            lambda: self.discriminator_terms(image, fake, mask),
            self.discriminator.trainable_variables,
            self.discriminator_optimizer,
        )
        return logs | minimize(
            lambda: self.generator_terms(image, mask),
            self.generator.trainable_variables,
            self.optimizer,
        )

    def reconstruction_terms(self, image, mask):
        """Returns `(loss, logs)` of the warm-up (Equation 1)."""
        prediction = self.predict_as_trained(image, mask)
        terms = self.reconstruction(prediction, image, mask)
        return self._weighted(terms, prediction, image)

    def generator_terms(self, image, mask):
        """Returns `(loss, logs)` of the generator: the joint loss (Equation 3)."""
        prediction = self.predict_as_trained(image, mask)
        terms = self.reconstruction(prediction, image, mask)
        logits = self.judge(self.region(prediction), image, mask)
        terms["adversarial"] = binary_generator_loss(logits)
        return self._weighted(terms, prediction, image)

    def discriminator_terms(self, image, fake, mask):
        """Returns `(loss, logs)` of the discriminator (Equation 2)."""
        real = self.judge(self.region(image), image, mask)
        terms = {
            "discriminator": binary_critic_loss(real, self.judge(fake, image, mask))
        }
        return weighted_sum(terms, self.weights_of, "discriminator")

    def judge(self, region, image, mask):
        """Returns the discriminator's logits, with the statistics of this batch."""
        conditional = self.discriminator_options["conditional"]
        inputs = [region, image, mask] if conditional else region
        return self.discriminator(inputs, training=True)

    def predict_as_trained(self, image, mask):
        """Returns a prediction with the statistics of the batch."""
        return self.generator([image, mask], training=True)

    def region(self, x):
        """Takes the part of (B, S, S, C) that the topology predicts."""
        if not self.centre:
            return x
        inside = slice(self.image_size // 4, -(self.image_size // 4))
        return x[:, inside, inside]

    def predict_image(self, image, mask):
        """As `Inpainter.predict_image`; the network sees a square around the hole.

        Larger squares than its own size are shrunk. Outside the square the prediction
        is the image.
        """
        hole, prediction = np.asarray(mask) != 0, image.copy()
        if not hole.any():
            return prediction
        top, left, side = sizes.window_of(hole, self.image_size, self.centre)
        square = sizes.take(image, top, left, side)
        unknown = sizes.take(hole, top, left, side).astype("uint8")
        small = super().predict_image(*shrink(square, unknown, self.image_size))
        sizes.put(enlarge(small, (side, side)), prediction, top, left)
        return prediction

    def reconstruction(self, prediction, image, mask):
        """See `Inpainter.reconstruction`: Equation 1, of the region."""
        fake, real = self.region(prediction), self.region(image)
        weight = self.region(ring_weights(mask, self.ring, self.ring_weight))
        return {"reconstruction": weighted_squared_error(real, fake, weight)}

    def check_masks(self, masks):
        """See `Inpainter.check_masks`: holes must lie in what is predicted."""
        if self.region(masks).sum() < masks.sum():
            raise InputError(
                "-masks: holes within the central half of height and width, such as "
                "those of centre, inner_centre or circle, for the topology "
                f"{self.discriminator_options['topology']}, which predicts no more; "
                "received one that reaches beyond"
            )

    def _weighted(self, terms, prediction, image):
        """Adds up the terms and logs the PSNR of the region in dB; colours span 2."""
        loss, logs = weighted_sum(terms, self.weights_of, "generator")
        error = ops.mean(ops.square(self.region(prediction) - self.region(image)))
        return loss, logs | {"psnr": 10 * ops.log10(4 / ops.maximum(error, 1e-10))}
