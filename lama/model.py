"""LaMa and its two stages: reconstruction only, then with a GAN and features.

Reference: Suvorov et al., Resolution-robust Large Mask Inpainting with Fourier
Convolutions, WACV 2022.
"""

import dataclasses
import inspect
import logging
from collections.abc import Callable

import numpy as np
from keras import ops

from inpainting_zoo.engine.backend import explicit_settings
from inpainting_zoo.errors import InputError, choose
from inpainting_zoo.features.load import advising, perceptual_network
from inpainting_zoo.lama import refinement
from inpainting_zoo.lama.architectures import PERCEPTUAL
from inpainting_zoo.lama.networks import build_generator, split_generator
from inpainting_zoo.lama.presets import FAMILY
from inpainting_zoo.layers.feature_discriminator import (
    build_feature_discriminator,
    share_of_patches,
)
from inpainting_zoo.layers.padding import pad_to_multiple
from inpainting_zoo.layers.patch_discriminator import build_discriminator
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
from inpainting_zoo.losses.perceptual_similarity import perceptual_similarity_loss
from inpainting_zoo.losses.reconstruction import weighted_absolute_error
from inpainting_zoo.models.bookkeeping import weighted_sum
from inpainting_zoo.models.inpainter import GeneratorInpainter
from inpainting_zoo.models.pixels import as_colours, as_floats, paste, to_uint8
from inpainting_zoo.models.scaling import enlarge, shrink, shrink_hole
from inpainting_zoo.models.stage import Stage

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Judged:
    """What the discriminator and the perceptual network see, and how it is judged.

    Args:
        seen: takes prediction, image and mask, returns pictures.
        features: whether the discriminator sees the features of the perceptual network
            instead of colours.
        critic_loss, generator_loss: take logits of real and of fake pictures, and the
            mask.
    """

    seen: Callable
    features: bool
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
        features=False,
        critic_loss=official_critic_loss,
        generator_loss=lambda real, fake, mask: non_saturating_generator_loss(fake),
    ),
    "completed": Judged(
        seen=paste,
        features=True,
        critic_loss=paired_critic_loss,
        generator_loss=lambda real, fake, mask: paired_critic_loss(fake, real, mask),
    ),
}


class LaMa(GeneratorInpainter):
    """Generator of Fourier convolutions and a discriminator of patches.

    As officially, losses take colours in [0, 1]. Their weights are those of the
    released recipe; those of the first stage, which it has not, are ours.

    Args:
        image_size: side in pixels of the training images; in use any is padded to what
            the generator takes, see `lama.presets.sizes`.
        discriminator_channels: width of the discriminator's first convolution.
        known_weight, hole_weight: of the L1 distance at known pixels and in the hole.
        adversarial_weight, feature_matching_weight: of the generator's other losses.
        judged: what the discriminator and the perceptual network see: the whole
            "prediction", known pixels included, as officially, or what is "completed",
            each patch of the hole against the same one of the photograph.
        perceptual: name in `lama.architectures.PERCEPTUAL`, the network whose features
            are compared.
        perceptual_weight: 0 needs no such network, but to judge what is "completed".
        gradient_penalty_weight: of R1, where a "prediction" is judged.
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
        **generator: arguments of `build_generator`; in bfloat16 the perceptual network
            computes like it.
    """

    largest = 2048
    STAGES, OPTIONS, RULES = FAMILY.stages, FAMILY.options, FAMILY.rules
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
        self.lighter_features = generator.get("dtype") == "mixed_bfloat16"
        sizes = FAMILY.sizes(**generator)
        super().__init__(build_generator(**generator), image_size, sizes, seed)
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
        self.discriminator = self.features = self.heads = self._refiner = None

    def make_stage(self, name, features):
        """See `Inpainter.make_stage`; the first stage has no discriminator."""
        self.loss_weights = self.stage_weights[name]
        self.features, self.heads = self._perceptual(features)
        learns = {"generator": self.generator}
        options = {"clip": dict.fromkeys(learns, self.clip), "average": self.average}
        if name == "reconstruction":
            return Stage(self.reconstruction_step, learns, **options)
        if self.judged.features:
            channels = [x.shape[-1] for x in self.features.outputs]
            self.discriminator = build_feature_discriminator(
                channels[: self.perceptual.judged],
                self.perceptual.strides[: self.perceptual.judged],
                self.discriminator_channels,
            )
        else:
            self.discriminator = build_discriminator(self.discriminator_channels)
        learns["discriminator"] = self.discriminator
        options["clip"] = dict.fromkeys(learns, self.clip)
        rates = {"discriminator": self.discriminator_rate}
        return Stage(self.adversarial_step, learns, rates=rates, **options)

    def _perceptual(self, features):
        """Returns the network of the perceptual loss and its heads, or twice None."""
        judges = self.judged.features and "adversarial" in self.loss_weights
        if not self.loss_weights["perceptual"] and not judges:
            return None, None
        name, taps = self.perceptual.network, self.perceptual.taps
        log.info("perceptual loss: %s", ", ".join((name, *taps)))
        advice = "it: -set perceptual_weight=0" + " judged=prediction" * judges
        load = advising(features, advice)
        return perceptual_network(load, name, taps, self.lighter_features)

    def reconstruction_step(self, batch, minimize):
        """Takes a step of the generator by reconstruction alone."""
        image, mask = batch["image"], batch["mask"]
        return minimize("generator", lambda: self.reconstruction_loss(image, mask))

    def adversarial_step(self, batch, minimize):
        """Takes a step of the generator, then one of the discriminator.

        Of colours, as in the original, the generator runs in both, so the averages of
        its batch normalization see each batch twice. Features are looked at once.
        """
        image, mask = batch["image"], batch["mask"]
        logs = minimize("generator", lambda: self.generator_loss(image, mask))
        shown = logs.pop("shown", None)
        if shown is None:
            prediction = self.predict_as_trained(image, mask)
            fake = ops.stop_gradient(self.judged.seen(prediction, image, mask))
            shown = as_colours(fake), as_colours(image)
        return logs | minimize(
            "discriminator", lambda: self.discriminator_loss(*shown, mask)
        )

    def reconstruction_loss(self, image, mask):
        """Returns `(loss, logs)` of the first stage."""
        prediction = self.predict_as_trained(image, mask)
        terms = self.reconstruction_terms(prediction, image, mask)
        return weighted_sum(terms, self.loss_weights, "generator")

    def generator_loss(self, image, mask):
        """Returns `(loss, logs)` of the generator in the second stage (Equation 7).

        Among the logs are the features that were "shown", if those are judged, which
        `adversarial_step` takes out.
        """
        prediction = self.predict_as_trained(image, mask)
        seen = self.judged.seen(prediction, image, mask)
        maps = [self.look(x) for x in (seen, image)]
        terms = self.reconstruction_terms(prediction, image, mask, maps)
        if self.judged.features:
            shown = maps = [x[: self.perceptual.judged] for x in maps]
        else:
            shown = [as_colours(x) for x in (seen, image)]
        (*features, logits), (*real_features, real_logits) = map(self.judge, shown)
        terms["adversarial"] = self.judged.generator_loss(real_logits, logits, mask)
        terms["feature_matching"] = feature_matching_loss(features, real_features)
        loss, logs = weighted_sum(terms, self.loss_weights, "generator")
        return loss, logs | ({"shown": maps} if self.judged.features else {})

    def discriminator_loss(self, fake, real, mask):
        """Returns `(loss, logs)` of the discriminator; of colours with R1 (Equation 6).

        Features of a frozen network need none.

        Args:
            fake, real: what `judge` takes.
            mask: (B, H, W, 1), 1 in the hole.
        """
        real_logits, fake_logits = self.judge(real)[-1], self.judge(fake)[-1]
        loss = self.judged.critic_loss(real_logits, fake_logits, mask)
        terms = {"discriminator": loss}
        if self.loss_weights["gradient_penalty"] and not self.judged.features:
            terms["gradient_penalty"] = self._gradient_penalty(real)
        return weighted_sum(terms, self.loss_weights, "discriminator")

    def _gradient_penalty(self, colours):
        """Returns R1 in the steps that have one."""

        def penalty():
            return r1_penalty(lambda x: self.judge(x)[-1], colours)

        def step():
            return self.optimizers["discriminator"].iterations

        return lazily(penalty, step, self.gradient_penalty_every)

    def reconstruction_terms(self, prediction, image, mask, maps=None):
        """Returns the L1 distances and the perceptual one.

        Args:
            prediction, image: (B, H, W, 3) in [-1, 1].
            mask: (B, H, W, 1), 1 in the hole.
            maps: what `look` returns of what is seen of the prediction, and of the
                image, if that is known already.
        """
        colours = as_colours(image), as_colours(prediction)
        terms = {
            "known": weighted_absolute_error(*colours, 1 - mask),
            "hole": weighted_absolute_error(*colours, mask),
        }
        if self.features is not None:
            if maps is None:
                seen = self.judged.seen(prediction, image, mask)
                maps = self.look(seen), self.look(image)
            terms["perceptual"] = (
                perceptual_loss(*maps, self.perceptual.relative)
                if self.heads is None
                else perceptual_similarity_loss(*maps, self.heads)
            )
        return terms

    def look(self, image):
        """Returns the features of the perceptual network, None without one."""
        return None if self.features is None else self.features(image)

    def judge(self, shown):
        """Returns the discriminator's activations, with the statistics of the batch.

        Args:
            shown: colours (B, H, W, 3) in [0, 1], or what `look` returns.
        """
        return self.discriminator(shown, training=True)

    def predict_as_trained(self, image, mask):
        """Returns a prediction with the statistics of the batch."""
        return self.generator([image, mask], training=True)

    def call(self, inputs):
        """See `Inpainter.call`; what has another size is padded as officially."""
        image, mask = inputs["image"], inputs["mask"]
        _, height, width, _ = ops.shape(image)
        sizes = self.sizes.multiple, self.sizes.least, self.sizes.padding
        image, mask = (pad_to_multiple(x, *sizes) for x in (image, mask))
        return self.generator([image, mask])[:, :height, :width]

    @explicit_settings()
    def predict_images(self, images, masks, seed: int = 0, **options):
        """See `Inpainter.predict_images`.

        Args:
            images: uint8 (B, H, W, 3).
            masks: (B, H, W), nonzero in the hole.
            seed: is not used.
            **options: `refine`: whether pictures whose short side is of 725 pixels or
                more are predicted from coarse to fine, larger ones than 1.8 megapixels
                shrunk to them; see `lama.refinement`.
        """
        refine = self.chosen(options)["refine"]
        if refine and self.averages:
            raise InputError(
                "refine: takes weights that do not change, received a model in "
                "training; load what it has saved"
            )
        side = refinement.refined_side(*masks[0].shape)
        if not refine or side is None:
            return super().predict_images(images, masks, seed)
        if self._refiner is None:
            parts = split_generator(self.generator)
            self._refiner = refinement.Refiner(*parts, self.sizes)
        predictions = []
        for image, mask in zip(images, masks):
            image, hole = shrink(image, (mask != 0).astype("uint8"), side)
            inputs = as_floats(image[None], hole[None, ..., None])
            prediction = to_uint8(ops.convert_to_numpy(self._refiner(*inputs)))
            predictions.append(enlarge(prediction[0], mask.shape))
        return np.stack(predictions)

    def least_window(self, **options):
        """See `Completer.least_window`; what is refined begins at half of its side."""
        refine = self.chosen(options)["refine"]
        wanted = 2 * refinement.SHORT_SIDE if refine else 0
        return max(self.image_size, wanted)

    def remarks(self, hole, **options):
        if not self.chosen(options)["refine"]:
            return []
        height, width = hole.shape
        side = refinement.refined_side(height, width)
        if side is None:
            shrunk = " at 1.8 megapixels" * (refinement.scales(height, width) > 1)
            return [
                f"refine: changes nothing in a picture or window of {width}x{height} "
                f"pixels, whose short side is under 725{shrunk}"
            ]
        if side < max(height, width):
            height, width = shrink_hole(hole, side).shape
            return [
                "refine: takes 1.8 megapixels, to which a larger picture or window is "
                f"shrunk, {width}x{height} pixels"
            ]
        return []

    def validation_loss(self, prediction, image, mask):
        terms = self.reconstruction_terms(prediction, image, mask)
        return weighted_sum(terms, self.loss_weights, "generator")[0]

    def step_macs(self, macs):
        if self.discriminator is not None and self.judged.features:
            return None  # heads of features have no side of their own to be counted at
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
