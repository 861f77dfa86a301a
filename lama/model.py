"""LaMa and its two stages: reconstruction only, then with a GAN and features.

Reference: Suvorov et al., Resolution-robust Large Mask Inpainting with Fourier
Convolutions, WACV 2022.
"""

import dataclasses
import inspect
import logging
import math
from collections.abc import Callable

import numpy as np
from keras import ops

from inpainting_zoo.errors import InputError, choose
from inpainting_zoo.features.load import advising
from inpainting_zoo.lama import refinement
from inpainting_zoo.lama.architectures import PERCEPTUAL
from inpainting_zoo.lama.networks import build_generator, split_generator
from inpainting_zoo.lama.presets import FAMILY
from inpainting_zoo.layers.patch_discriminator import (
    build_discriminator,
    share_of_patches,
)
from inpainting_zoo.losses.adversarial import (
    lazily,
    logistic_critic_loss,
    non_saturating_generator_loss,
    r1_penalty,
    relativistic_loss,
)
from inpainting_zoo.losses.feature_distance import (
    feature_matching_loss,
    perceptual_loss,
)
from inpainting_zoo.losses.reconstruction import weighted_absolute_error
from inpainting_zoo.models.bookkeeping import weighted_sum
from inpainting_zoo.models.inpainter import GeneratorInpainter
from inpainting_zoo.models.pixels import as_colours, as_floats, paste, to_uint8
from inpainting_zoo.models.sizes import Sizes
from inpainting_zoo.models.stage import Stage

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Judged:
    """What the discriminator and the perceptual network see, and how it is judged.

    Args:
        seen: takes prediction, image and mask, returns pictures.
        normalized: whether the discriminator has batch normalization.
        critic_loss, generator_loss: take logits (B, h, w, 1) of real and of fake
            pictures, and the mask.
    """

    seen: Callable
    normalized: bool
    critic_loss: Callable
    generator_loss: Callable


def official_critic_loss(real, fake, mask):
    """Calls patches fake whose first pixel is of the hole (Equation 4)."""
    return logistic_critic_loss(real, fake, resize_nearest(mask, *fake.shape[1:3]))


def paired_critic_loss(real, fake, mask):
    """Compares each patch with the same one of the other picture, in the hole."""
    return relativistic_loss(real, fake, share_of_patches(mask, *fake.shape[1:3]))


JUDGED = {
    "prediction": Judged(
        seen=lambda prediction, image, mask: prediction,
        normalized=True,
        critic_loss=official_critic_loss,
        generator_loss=lambda real, fake, mask: non_saturating_generator_loss(fake),
    ),
    "completed": Judged(
        seen=paste,
        normalized=False,  # statistics of two batches would tell them apart
        critic_loss=paired_critic_loss,
        generator_loss=lambda real, fake, mask: paired_critic_loss(fake, real, mask),
    ),
}


class LaMa(GeneratorInpainter):
    """Generator of Fourier convolutions and a discriminator of patches.

    As officially, losses take colours in [0, 1]. Their weights are those of the
    released recipe; those of the first stage, which it has not, are ours.

    Args:
        image_size: side in pixels of the training images; in use any from 16 up.
        discriminator_channels: width of the discriminator's first convolution.
        known_weight, hole_weight: of the L1 distance at known pixels and in the hole.
        adversarial_weight, feature_matching_weight: of the generator's other losses.
        judged: what the discriminator and the perceptual network see: the whole
            "prediction", known pixels included, as officially, or what is "completed",
            each patch of the hole against the same one of the photograph.
        perceptual: name in `lama.architectures.PERCEPTUAL`, the network whose features
            are compared.
        perceptual_weight: 0 needs no such network.
        gradient_penalty_weight: of R1.
        gradient_penalty_every: steps from one R1 to the next, which weighs as much as
            those that are left out.
        reconstruction_known_weight, reconstruction_hole_weight,
            reconstruction_perceptual_weight: the same in the first stage.
        discriminator_rate: its learning rate, relative to the generator's.
        clip: largest norm of all gradients of a network together.
        average: half-life, in images, of the average of weights that use takes; 0 takes
            the last ones, as officially.
        masks: what it is trained and evaluated on by default; see `parse_mixture`.
        seed: of everything random within a training step.
        **generator: arguments of `build_generator`.
    """

    largest = 2048
    STAGES, OPTIONS = FAMILY.stages, FAMILY.options
    GENERATOR_OPTIONS = inspect.signature(build_generator).parameters

    def __init__(
        self,
        image_size: int = 256,
        discriminator_channels: int = 64,
        known_weight: float = 10.0,
        hole_weight: float = 0.0,
        adversarial_weight: float = 10.0,
        feature_matching_weight: float = 100.0,
        judged: str = "prediction",
        perceptual: str = "vgg19",
        perceptual_weight: float = 30.0,
        gradient_penalty_weight: float = 0.001,
        gradient_penalty_every: int = 1,
        reconstruction_known_weight: float = 1.0,
        reconstruction_hole_weight: float = 5.0,
        reconstruction_perceptual_weight: float = 0.0,
        discriminator_rate: float = 0.1,
        clip: float = 1.0,
        average: float = 0.0,
        masks: str = "lama_training=1",
        seed: int = 0,
        **generator,
    ):
        generator = build_generator(**generator)
        sizes = Sizes(multiple=8, least=16, padding="symmetric")
        super().__init__(generator, image_size, sizes, seed)
        self.discriminator_channels = discriminator_channels
        self.judged = choose("judged", judged, JUDGED)
        self.perceptual = choose("perceptual", perceptual, PERCEPTUAL)
        self.gradient_penalty_every = gradient_penalty_every
        self.discriminator_rate, self.masks = discriminator_rate, masks
        self.clip, self.average = clip, average or None
        self.stage_weights = {
            "reconstruction": {
                "known": reconstruction_known_weight,
                "hole": reconstruction_hole_weight,
                "perceptual": reconstruction_perceptual_weight,
            },
            "adversarial": {
                "known": known_weight,
                "hole": hole_weight,
                "adversarial": adversarial_weight,
                "feature_matching": feature_matching_weight,
                "perceptual": perceptual_weight,
                "discriminator": 1.0,
                "gradient_penalty": gradient_penalty_weight,
            },
        }
        self.loss_weights = self.stage_weights["reconstruction"]
        self.discriminator = self.features = self._refiner = None

    def make_stage(self, name, features):
        """See `Inpainter.make_stage`; the first stage has no discriminator."""
        self.loss_weights = self.stage_weights[name]
        self.features = self._perceptual(features)
        learns = {"generator": self.generator}
        options = {"clip": dict.fromkeys(learns, self.clip), "average": self.average}
        if name == "reconstruction":
            return Stage(self.reconstruction_step, learns, **options)
        self.discriminator = build_discriminator(
            self.discriminator_channels, normalized=self.judged.normalized
        )
        learns["discriminator"] = self.discriminator
        options["clip"] = dict.fromkeys(learns, self.clip)
        rates = {"discriminator": self.discriminator_rate}
        return Stage(self.adversarial_step, learns, rates=rates, **options)

    def _perceptual(self, features):
        """Loads the network of the perceptual loss, unless it weighs nothing."""
        if not self.loss_weights["perceptual"]:
            return None
        name, taps = self.perceptual.network, self.perceptual.taps
        log.info("perceptual loss: %s, %s", name, ", ".join(taps))
        return advising(features, "it: -set perceptual_weight=0")(name, taps)

    def reconstruction_step(self, batch, minimize):
        """Takes a step of the generator by reconstruction alone."""
        image, mask = batch["image"], batch["mask"]
        return minimize("generator", lambda: self.reconstruction_loss(image, mask))

    def adversarial_step(self, batch, minimize):
        """Takes a step of the generator, then one of the discriminator.

        As in the original the generator runs in both, so the averages of its batch
        normalization see each batch twice.
        """
        image, mask = batch["image"], batch["mask"]
        logs = minimize("generator", lambda: self.generator_loss(image, mask))
        prediction = self.predict_as_trained(image, mask)
        fake = ops.stop_gradient(self.judged.seen(prediction, image, mask))
        return logs | minimize(
            "discriminator", lambda: self.discriminator_loss(image, fake, mask)
        )

    def reconstruction_loss(self, image, mask):
        """Returns `(loss, logs)` of the first stage."""
        prediction = self.predict_as_trained(image, mask)
        terms = self.reconstruction_terms(prediction, image, mask)
        return weighted_sum(terms, self.loss_weights, "generator")

    def generator_loss(self, image, mask):
        """Returns `(loss, logs)` of the generator in the second stage (Equation 7)."""
        prediction = self.predict_as_trained(image, mask)
        terms = self.reconstruction_terms(prediction, image, mask)
        *features, logits = self.judge(self.judged.seen(prediction, image, mask))
        *real_features, real_logits = self.judge(image)
        terms["adversarial"] = self.judged.generator_loss(real_logits, logits, mask)
        terms["feature_matching"] = feature_matching_loss(features, real_features)
        return weighted_sum(terms, self.loss_weights, "generator")

    def discriminator_loss(self, image, fake, mask):
        """Returns `(loss, logs)` of the discriminator, with R1 (Equation 6)."""
        real_logits, fake_logits = self.judge(image)[-1], self.judge(fake)[-1]
        loss = self.judged.critic_loss(real_logits, fake_logits, mask)
        terms = {"discriminator": loss}
        if self.loss_weights["gradient_penalty"]:
            terms["gradient_penalty"] = self._gradient_penalty(image)
        return weighted_sum(terms, self.loss_weights, "discriminator")

    def _gradient_penalty(self, image):
        """Returns R1 in the steps that have one."""

        def penalty():
            return r1_penalty(
                lambda x: self.discriminator(x, training=True)[-1], as_colours(image)
            )

        def step():
            return self.optimizers["discriminator"].iterations

        return lazily(penalty, step, self.gradient_penalty_every)

    def reconstruction_terms(self, prediction, image, mask):
        """Returns the L1 distances and the perceptual one.

        Args:
            prediction, image: (B, H, W, 3) in [-1, 1].
            mask: (B, H, W, 1), 1 in the hole.
        """
        colours = as_colours(image), as_colours(prediction)
        terms = {
            "known": weighted_absolute_error(*colours, 1 - mask),
            "hole": weighted_absolute_error(*colours, mask),
        }
        if self.features is not None:
            relative = self.perceptual.relative
            seen = self.judged.seen(prediction, image, mask)
            maps = self.features(seen), self.features(image)
            terms["perceptual"] = perceptual_loss(*maps, relative)
        return terms

    def judge(self, image):
        """Returns the discriminator's activations, with the statistics of the batch."""
        return self.discriminator(as_colours(image), training=True)

    def predict_as_trained(self, image, mask):
        """Returns a prediction with the statistics of the batch."""
        return self.generator([image, mask], training=True)

    def predict_images(self, images, masks, seed: int = 0, **options):
        """See `Inpainter.predict_images`.

        Args:
            images: uint8 (B, H, W, 3).
            masks: (B, H, W), nonzero in the hole.
            seed: is not used.
            **options: `refine`: whether pictures whose short side is of 725 pixels or
                more are predicted from coarse to fine; see `lama.refinement`.
        """
        if not self._refines(**self.chosen(options)):
            return super().predict_images(images, masks, seed)
        if self.averages:
            raise InputError(
                "refine: takes weights that do not change, received a model in "
                "training; load what it has saved"
            )
        pixels = math.prod(masks[0].shape)
        if pixels > refinement.MOST_PIXELS:
            raise InputError(
                f"refine: at most {refinement.MOST_PIXELS} pixels at once, received "
                f"{pixels}; -strategy resize or a smaller picture"
            )
        if self._refiner is None:
            parts = split_generator(self.generator)
            self._refiner = refinement.Refiner(*parts, self.sizes)
        predictions = []
        for image, mask in zip(images, masks):
            inputs = as_floats(image[None], (mask != 0)[None, ..., None])
            predictions.append(ops.convert_to_numpy(self._refiner(*inputs)))
        return to_uint8(np.concatenate(predictions))

    def remarks(self, hole, **options):
        if not self._refines(**self.chosen(options)):
            return []
        if refinement.scales(*hole.shape) > 1:
            return []
        return ["refine: changes nothing where the short side is under 725 pixels"]

    def _refines(self, refine):
        if not isinstance(refine, bool):
            raise InputError(f"refine: must be true or false, received {refine!r}")
        return refine

    def validation_loss(self, prediction, image, mask):
        terms = self.reconstruction_terms(prediction, image, mask)
        return weighted_sum(terms, self.loss_weights, "generator")[0]

    def step_macs(self, macs):
        generator = macs(self.generator, self.image_size)
        features = macs(self.features, self.image_size) if self.features else 0
        # Of prediction and target, and the gradient of the prediction.
        step = 3 * generator + 3 * features
        if self.discriminator is None:
            return step
        # The generator's step: both images, and the gradient of the prediction; the
        # discriminator's: both, forwards and backwards: 6; R1: forwards, gradient of
        # the inputs, and both of them backwards: 6.
        penalty = 6 / self.gradient_penalty_every
        judged = macs(self.discriminator, self.image_size)
        return step + generator + round((3 + 6 + penalty) * judged)


def resize_nearest(mask, height: int, width: int):
    """Takes the pixels of (B, H, W, C) that PyTorch's nearest interpolation takes.

    TensorFlow and Keras take the pixel in the middle of each patch, PyTorch its first.
    """
    for axis, size in ((1, height), (2, width)):
        first = np.arange(size) * mask.shape[axis] // size
        mask = ops.take(mask, first, axis=axis)
    return mask
