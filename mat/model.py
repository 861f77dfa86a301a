"""MAT: large holes, many answers.

Reference: Li et al., MAT: Mask-Aware Transformer for Large Hole Image Inpainting, CVPR
2022.
"""

import functools
import inspect
import logging

import keras
import numpy as np
from keras import ops

from inpainting_zoo.errors import InputError, choose
from inpainting_zoo.features.load import advising
from inpainting_zoo.losses.adversarial import (
    lazily,
    logistic_critic_loss,
    non_saturating_generator_loss,
    r1_penalty,
)
from inpainting_zoo.losses.feature_distance import absolute_feature_distance
from inpainting_zoo.losses.perceptual_similarity import perceptual_similarity_loss
from inpainting_zoo.losses.reconstruction import reconstruction_loss
from inpainting_zoo.mat.networks import (
    HEADS,
    build_discriminator,
    build_generator,
)
from inpainting_zoo.mat.presets import FAMILY
from inpainting_zoo.models.bookkeeping import weighted_sum
from inpainting_zoo.models.inpainter import Inpainter
from inpainting_zoo.models.stage import Stage

log = logging.getLogger(__name__)
MAPS = ("stage1_map", "stage2_map")


class MAT(Inpainter):
    """Generator of two stages, modulated by a random style; discriminator of two heads.

    Args:
        image_size: side in pixels of the only images that the networks take, a power
            of two from 128 up.
        perceptual: name in `TAPS`, the network whose features are compared; or "lpips",
            those of VGG16 as LPIPS compares them.
        perceptual_weight: 0 needs no such network.
        gradient_penalty_weight: of R1, gamma / 2.
        gradient_penalty_every: steps from one R1 to the next, which weighs as much as
            those that are left out.
        mixing: probability that a batch has two styles, one from some layer on.
        training_truncation: of the styles in training; see `layers.truncation`.
        average: half-life, in images, of the average of weights that use takes; 0 takes
            the last ones.
        group: pictures among which the discriminator sees deviations.
        masks: what it is trained and evaluated on by default; see `parse_mixture`.
        seed: of everything random within a training step.
        dtype: "float32", the only one.
        **generator: further arguments of `build_generator`.
    """

    STAGES, OPTIONS, RULES = FAMILY.stages, FAMILY.options, FAMILY.rules
    GENERATOR_OPTIONS = inspect.signature(build_generator).parameters

    def __init__(
        self,
        image_size: int = 512,
        perceptual: str = "vgg19",
        perceptual_weight: float = 0.1,
        gradient_penalty_weight: float = 5.0,
        gradient_penalty_every: int = 16,
        mixing: float = 0.5,
        training_truncation: float = 0.5,
        average: float = 10_000.0,
        group: int = 8,
        masks: str = "mat_256=1",
        seed: int = 0,
        dtype: str = "float32",
        **generator,
    ):
        super().__init__(image_size, FAMILY.sizes(image_size=image_size), seed)
        if dtype != "float32":
            raise InputError(
                f"mixed_precision: must be float32 for MAT, received {dtype}"
            )
        self.generator = build_generator(image_size, **generator)
        self.mapping = self.generator.get_layer("mapping")
        self.synthesis = self.generator.get_layer("synthesis")
        choose("perceptual", perceptual, TAPS)
        self.perceptual, self.masks = perceptual, masks
        self.gradient_penalty_every = gradient_penalty_every
        self.mixing, self.training_truncation = mixing, training_truncation
        self.average, self.group = average or None, group
        self.channels = generator.get("channels", DEFAULTS["channels"].default)
        self.loss_weights = {
            "reconstruction": 1.0,
            "coarse_reconstruction": 1.0,
            "adversarial": 1.0,
            "coarse_adversarial": 1.0,
            "perceptual": perceptual_weight,
            "discriminator": 1.0,
            "coarse_discriminator": 1.0,
            "gradient_penalty": gradient_penalty_weight,
        }
        self.discriminator = self.features = self.distance = None

    # Use.

    @property
    def parts(self):
        return {"generator": self.generator}

    def call(self, inputs):
        """See `Inpainter.call`, and `predict` for the further inputs."""
        shape = self.generator.input["noise"].shape[1:]
        given = self.condition(**self.OPTIONS)
        given |= {"noise": ops.zeros((1, *shape)), **inputs}
        given = {
            name: ops.convert_to_tensor(x, dtype="float32") for name, x in given.items()
        }
        expected = given.pop("expected")[:, :, None, None]
        for name in MAPS:
            given[name] = given[name] + expected * (0.5 - given[name])
        return self.generator(given)[0]

    def predict(self, x, **options):
        """Predicts as Keras does, from inputs by name.

        Args:
            x: "image" (B, S, S, 3) in [-1, 1] and "mask" (B, S, S, 1), 1 in the hole, S
                the model's `image_size`; "z" (B, latent), "stage1_map" (B, 16, 16,
                width) and "stage2_map" (B, 16, 16, C), as `draw` draws them. Optional,
                of shape (B, n): "truncation" (n = 1, by default 1), "expected" (n = 1,
                by default 0; 1 takes 0.5 for both maps), "noise" (B, as drawn) and
                "noise_shares" (n = 2, by default the stored noise alone, 1 and 0).
            **options: of `keras.Model.predict`.

        Returns:
            (B, S, S, 3) in about [-1, 1]; known pixels are the image's. In a stage of
            training it is of the weights as they are; `inpaint` takes their averages.

        Raises:
            InputError: if one that is not optional is missing.

        The official program with its own random numbers, channels moved to the end:

            model = presets.load("mat_512", "official.npz")
            prediction = model.predict(
                {
                    "image": image,  # (1, 512, 512, 3)
                    "mask": 1 - known,  # (1, 512, 512, 1); theirs is 1 where known
                    "z": z,  # (1, 512)
                    "stage1_map": first.reshape(1, 16, 16, 180),  # was (1, 256, 180)
                    "stage2_map": np.moveaxis(second, 1, -1),  # was (1, 512, 16, 16)
                }
            )
        """
        needed = ("image", "mask", "z", *MAPS)
        given = x if isinstance(x, dict) else {}
        if missing := [name for name in needed if name not in given]:
            raise InputError(
                f"x: must hold {', '.join(needed)}, received none of the name "
                f"{missing[0]}"
            )
        return super().predict(x, **options)

    def condition(self, truncation, expected, noise):
        """Returns what `OPTIONS` mean.

        Args:
            truncation: from 0, the average style, to 1, any.
            expected: whether both maps are their mean, 0.5, instead of drawn.
            noise: name in `NOISE`.
        """
        values = {"truncation": [truncation], "expected": [expected]}
        values["noise_shares"] = NOISE[noise]
        return {name: np.array([v], "float32") for name, v in values.items()}

    def draw(self, rng, height, width):
        shapes = {k: x.shape[1:] for k, x in self.generator.input.items()}
        normal = {k: rng.standard_normal((1, *shapes[k])) for k in ("z", "noise")}
        maps = {k: rng.integers(0, 2, (1, *shapes[k])) for k in MAPS}
        return {k: v.astype("float32") for k, v in {**normal, **maps}.items()}

    def drawn_shapes(self):
        """See `Inpainter.drawn_shapes`; the stored noise takes the place of a drawn."""
        return {k: x for k, x in super().drawn_shapes().items() if k != "noise"}

    # Training.

    def check_masks(self, masks):
        """See `Inpainter.check_masks`: groups of pictures must divide a batch."""
        batch, group = len(masks), min(self.group, len(masks))
        if self.discriminator is not None and batch % group:
            raise InputError(
                f"batch_size: must be a multiple of {group}, or less, received {batch}"
            )

    def make_stage(self, name, features):
        """See `Inpainter.make_stage`; the first stage has no discriminator."""
        learns = {"generator": self.generator}
        if name == "reconstruction":
            return Stage(self.reconstruction_step, learns, average=self.average)
        if self.loss_weights["perceptual"]:
            load = advising(features, "it: -set perceptual_weight=0")
            self.features, self.distance = self._perceptual(load)
        self.discriminator = build_discriminator(
            self.image_size, self.channels, self.group
        )
        learns["discriminator"] = self.discriminator
        lazy = {"generator": 4}
        if self.gradient_penalty_every > 1 and self.loss_weights["gradient_penalty"]:
            lazy["discriminator"] = self.gradient_penalty_every
        return Stage(self.adversarial_step, learns, lazy=lazy, average=self.average)

    def _perceptual(self, load):
        """Returns the network of the perceptual loss, and the distance of its features.

        Args:
            load: see `features.load.loader`.
        """
        taps = TAPS[self.perceptual]
        if not taps:
            network, heads = load("lpips_vgg16", None)
            log.info("perceptual loss: LPIPS by VGG16")
            return network, functools.partial(perceptual_similarity_loss, heads=heads)
        network = load(self.perceptual, tuple(taps), rectified=False)
        about = self.perceptual, ", ".join(taps), network.scale
        log.info("perceptual loss: %s, %s, features divided by %.3g", *about)
        weights = [weight / network.scale for weight in taps.values()]
        return network, functools.partial(absolute_feature_distance, weights=weights)

    def reconstruction_step(self, batch, minimize):
        """Takes a step of the generator by reconstruction alone."""
        image, mask = batch["image"], batch["mask"]
        return minimize("generator", lambda: self.reconstruction_loss(image, mask))

    def adversarial_step(self, batch, minimize):
        """Takes a step of the generator, then one of the discriminator."""
        image, mask = batch["image"], batch["mask"]
        logs = minimize("generator", lambda: self.generator_loss(image, mask))
        fakes = [ops.stop_gradient(fake) for fake in self.generate(image, mask)]
        return logs | minimize(
            "discriminator", lambda: self.discriminator_loss(image, fakes, mask)
        )

    def generate(self, image, mask):
        """Returns [prediction, coarse prediction] of new random numbers.

        Args:
            image: (B, S, S, 3) in [-1, 1].
            mask: (B, S, S, 1), 1 in the hole.
        """
        batch, seed = image.shape[0], self.seed_generator
        shapes = {k: (batch, *x.shape[1:]) for k, x in self.synthesis.input.items()}
        maps = {
            name: ops.cast(
                keras.random.uniform(shapes[name], seed=seed) < 0.5, "float32"
            )
            for name in MAPS
        }
        given = {
            "image": image,
            "mask": mask,
            "styles": self._styles(*shapes["styles"]),
            "noise": keras.random.normal(shapes["noise"], seed=seed),
            "noise_shares": ops.array([NOISE["drawn"]]),
        }
        return self.synthesis({**given, **maps})

    def _styles(self, batch, layers, latent):
        """Returns the styles of all layers, sometimes of two z (style mixing)."""
        seed, truncation = self.seed_generator, self.training_truncation
        truncation = ops.full((batch, 1), truncation)
        first, second = (
            self.mapping(
                [keras.random.normal((batch, latent), seed=seed), truncation],
                training=training,
            )[:, None]
            for training in (True, False)
        )
        changes = keras.random.randint((), 1, layers, seed=seed)
        mixes = keras.random.uniform((), seed=seed) < self.mixing
        changes = ops.where(mixes, changes, layers)
        return ops.where(ops.arange(layers)[:, None] < changes, first, second)

    def reconstruction_loss(self, image, mask):
        """Returns `(loss, logs)` of the first stage: L1 of both predictions' holes."""
        predictions = self.generate(image, mask)
        terms = {
            name: reconstruction_loss(image, x, mask, mask)
            for name, x in zip(("reconstruction", "coarse_reconstruction"), predictions)
        }
        return weighted_sum(terms, self.loss_weights, "generator")

    def generator_loss(self, image, mask):
        """Returns `(loss, logs)` of the generator (Equations 7 and 9)."""
        prediction, coarse = self.generate(image, mask)
        logits = self.discriminator([prediction, coarse, mask])
        names = ("adversarial", "coarse_adversarial")
        terms = dict(zip(names, map(non_saturating_generator_loss, logits)))
        if self.features is not None:
            maps = self.features(prediction), self.features(image)
            terms["perceptual"] = self.distance(*maps)
        return weighted_sum(terms, self.loss_weights, "generator")

    def discriminator_loss(self, image, fakes, mask):
        """Returns `(loss, logs)` of both heads (Equation 7), R1 in some steps.

        Args:
            image: real ones.
            fakes: [prediction, coarse prediction].
            mask: 1 in the hole.
        """
        real = self.discriminator([image, image, mask])
        fake = self.discriminator([*fakes, mask])
        names = ("discriminator", "coarse_discriminator")
        terms = dict(zip(names, map(logistic_critic_loss, real, fake)))
        if self.loss_weights["gradient_penalty"]:
            terms["gradient_penalty"] = lazily(
                lambda: self.gradient_penalty(image, mask),
                lambda: self.optimizers["discriminator"].iterations,
                self.gradient_penalty_every,
            )
        return weighted_sum(terms, self.loss_weights, "discriminator")

    def step_macs(self, macs):
        side = self.image_size
        generator = macs(self.generator, side)
        if self.stage_name == "reconstruction":
            return 3 * generator
        judged = macs(self.discriminator, side)
        features = macs(self.features, side) if self.features else 0
        # The generator's step: forwards and backwards, and what judges its gradient
        # only goes through; features of both images. The discriminator's: a further
        # prediction, both images forwards and backwards: 6; R1 as in LaMa: 6.
        step = 3 * generator + 2 * judged + 3 * features
        return step + generator + round((6 + 6 / self.gradient_penalty_every) * judged)

    def gradient_penalty(self, image, mask):
        """Returns R1 of both heads, added (Equation 8)."""
        heads = [self.discriminator.get_layer(name) for name in HEADS]
        return sum(r1_penalty(lambda x, h=h: h([x, mask]), image) for h in heads)


DEFAULTS = inspect.signature(build_generator).parameters
# How much of the stored and of the drawn noise is added.
NOISE = {"stored": (1.0, 0.0), "drawn": (0.0, 1.0), "none": (0.0, 0.0)}
# Layers whose features, before the ReLU, are compared, and their weights; LPIPS has its
# own.
TAPS = {
    "vgg19": {"block4_conv4": 1 / 4, "block5_conv4": 1 / 2},
    "vgg16": {"block4_conv3": 1 / 4, "block5_conv3": 1 / 2},
    "lpips": {},
}
