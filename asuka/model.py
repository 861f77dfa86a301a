"""ASUKA: a stable prior leads Stable Diffusion, and its decoder keeps the colours.

Reference: Wang et al., Towards Enhanced Image Inpainting: Mitigating Unwanted Object
Insertion and Preserving Color Consistency, CVPR 2025.
"""

import keras
import numpy as np
from keras import ops

from inpainting_zoo.asuka.networks import build_alignment
from inpainting_zoo.asuka.presets import FAMILY
from inpainting_zoo.errors import InputError
from inpainting_zoo.features.load import advising
from inpainting_zoo.layers.colour_jitter import jitter_colours
from inpainting_zoo.layers.patch_discriminator import build_discriminator
from inpainting_zoo.losses.adaptive_weight import adaptive_weight
from inpainting_zoo.losses.adversarial import (
    hinge_critic_loss,
    wasserstein_generator_loss,
)
from inpainting_zoo.losses.perceptual_similarity import perceptual_similarity_loss
from inpainting_zoo.losses.reconstruction import absolute
from inpainting_zoo.mae.networks import build_features, build_generator
from inpainting_zoo.models.bookkeeping import weighted_sum
from inpainting_zoo.models.pixels import as_colours
from inpainting_zoo.models.stage import Stage
from inpainting_zoo.stable_diffusion import samplers
from inpainting_zoo.stable_diffusion.model import NO_ARGUMENTS, StableDiffusion, made

# Of the decoder: it is shown what is known, as the released program shows it.
DECODER = {"conditional": True, "sees_mask": True, "mask_rule": "area"}


class ASUKA(StableDiffusion):
    """Stable Diffusion whose condition is what a masked autoencoder knows.

    There is no text and no guidance. Two parts are trained, each alone: the alignment,
    which makes the autoencoder's features a condition of the U-Net, and the decoder,
    which learns to harmonise what it decodes with the pixels that are known.

    Args:
        image_size, unet, autoencoder, decoder, latent_scale, predicts, all_hole, masks,
            dtype, seed: see `StableDiffusion`; the decoder's differ from `DECODER`.
        mae: arguments of `mae.networks.build_generator`; its side divides `image_size`.
        feature_blocks: of its decoder that have seen the features.
        alignment: arguments of `build_alignment`, but for tokens and inputs.
        prior_dropped: share of the pictures that the alignment learns without a prior,
            so that use can weaken it.
        colours: how far the decoder's training changes colours, from 0, not at all, to
            1; see `layers.colour_jitter`.
        generated: share of the pictures whose latents are the U-Net's estimate there.
        generated_until: largest time step of that estimate, at most 999.
        perceptual_weight: of the distance in VGG16's features (LPIPS) there; 0 needs no
            such network.
        adversarial_weight: of the adversarial loss there, whose gradient is made as
            large as the others' first; 0 has none.
        adversarial_from: step of the decoder's from which it is.
        discriminator_channels: width of the discriminator's first convolution.
    """

    STAGES, OPTIONS, RULES = FAMILY.stages, FAMILY.options, FAMILY.rules
    PRIOR = True

    def __init__(
        self,
        image_size: int = 512,
        unet: dict = NO_ARGUMENTS,
        autoencoder: dict = NO_ARGUMENTS,
        decoder: dict = NO_ARGUMENTS,
        latent_scale: float = 0.18215,
        predicts: str = "noise",
        all_hole: float = 0.0,
        mae: dict = NO_ARGUMENTS,
        feature_blocks: int = 6,
        alignment: dict = NO_ARGUMENTS,
        prior_dropped: float = 0.1,
        colours: float = 0.2,
        generated: float = 0.5,
        generated_until: int = 500,
        perceptual_weight: float = 1.0,
        adversarial_weight: float = 0.8,
        adversarial_from: int = 50_000,
        discriminator_channels: int = 64,
        masks: str = "lama_training=1",
        dtype: str = "float32",
        seed: int = 0,
    ):
        if generated_until >= samplers.STEPS:
            raise InputError(
                f"generated_until: must be under {samplers.STEPS}, received "
                f"{generated_until}"
            )
        prior = made("mae", build_generator, mae, dtype)
        prior = build_features(prior, feature_blocks)
        _, tokens, channels = prior.output.shape
        alignment = {**alignment, "tokens": tokens, "inputs": channels}
        aligned = made("alignment", build_alignment, alignment, dtype)
        if image_size % prior.inputs[0].shape[1]:
            raise InputError(
                f"image_size: must be a multiple of the autoencoder's "
                f"{prior.inputs[0].shape[1]} px, received {image_size}"
            )
        super().__init__(
            image_size,
            {**unet, "context_channels": aligned.output.shape[-1]},
            autoencoder,
            {**DECODER, **decoder},
            text_encoder=None,
            latent_scale=latent_scale,
            predicts=predicts,
            all_hole=all_hole,
            masks=masks,
            dtype=dtype,
            seed=seed,
        )
        self.mae, self.alignment = prior, aligned
        self.prior_dropped, self.colours = prior_dropped, colours
        self.generated, self.generated_until = generated, generated_until
        self.adversarial_from = adversarial_from
        self.discriminator_channels = discriminator_channels
        self.loss_weights = {
            "l1": 1.0,
            "lpips": perceptual_weight,
            "adversarial": adversarial_weight,
            "discriminator": 1.0,
        }
        self.discriminator = self.features = self.before_last = None

    @property
    def parts(self):
        """The networks; while the decoder learns, those that its training needs."""
        autoencoder = {"encoder": self.encoder, "decoder": self.decoder}
        if self.reconstructs and not self.generated:
            return autoencoder
        prior = {"mae": self.mae, "alignment": self.alignment}
        return {"unet": self.unet, **autoencoder, **prior}

    @property
    def part_shapes(self):
        shapes = super().part_shapes
        shapes["unet"].append(self.alignment.output.shape[1:])
        shapes["mae"] = [x.shape[1:] for x in self.mae.inputs]
        shapes["alignment"] = [self.alignment.input.shape[1:]]
        return shapes

    # Use.

    def condition(
        self, num_steps, sampler, strength, prior_strength, attention_slices=0
    ):
        """See `StableDiffusion.condition`.

        Args:
            num_steps, sampler, strength, attention_slices: see there.
            prior_strength: how much of the prior counts, from 0, that of a picture of
                which nothing is known, to 1, the autoencoder's.
        """
        arrays = self._schedule(num_steps, sampler, strength)
        if prior_strength < 1:
            arrays["prior_strength"] = np.float32([prior_strength])
        return arrays

    def remarks(self, hole, **options):
        return self.remarks_on_mask(hole)

    def _conditions(self, inputs, run):
        names = ("image", "mask", "prior_strength")
        return {"prompt": run("lead")({k: inputs[k] for k in names if k in inputs})}

    def lead(self, inputs):
        """Returns the condition (B, n, C) of an "image" and a "mask".

        Args:
            inputs: "image" (B, H, W, 3) in [-1, 1], "mask" (B, H, W, 1) and perhaps
                "prior_strength" (B,); see `condition`.
        """
        image, mask = inputs["image"], inputs["mask"]
        found = self.alignment(self.prior(image, mask))
        if "prior_strength" not in inputs:
            return found
        none = self.alignment(self.prior(image, ops.ones_like(mask)))
        strength = ops.reshape(inputs["prior_strength"], (-1, 1, 1))
        return none + strength * (found - none)

    def prior(self, image, mask):
        """Returns what the masked autoencoder knows, (B, n, D).

        Args:
            image: (B, H, W, 3) in [-1, 1]; it is shown the mean of what is known.
            mask: (B, H, W, 1), 1 in the hole, which no pixel of it leaves.
        """
        factor = self.image_size // self.mae.inputs[0].shape[1]
        if factor > 1:
            image = ops.average_pool(image, factor, factor)
            mask = ops.max_pool(mask, factor, factor)
        return self.mae([image, mask])

    # Training.

    def make_stage(self, name, features):
        """See `Inpainter.make_stage`; one part learns, all else stands still."""
        self.reconstructs = name == "decoder"
        if not self.reconstructs:
            return Stage(self.alignment_step, {"alignment": self.alignment})
        if not self.decoder.inputs[1:] and self.generated + self.colours:
            raise InputError(
                "decoder: must be conditional where colours or latents are changed, "
                "received one that sees no known pixels; set colours=0 generated=0"
            )
        learns = {"decoder": self.decoder}
        if self.loss_weights["lpips"]:
            load = advising(features, "it: -set perceptual_weight=0")
            self.features = load("lpips_vgg16", None)
        if self.loss_weights["adversarial"]:
            last = self.decoder.get_layer("decoder.conv_out")
            self.before_last = keras.Model(self.decoder.inputs, last.input)
            self.discriminator = build_discriminator(self.discriminator_channels, 3)
            learns["discriminator"] = self.discriminator
        return Stage(self.decoder_step, learns)

    def alignment_step(self, batch, minimize):
        """Takes a step of the alignment on noise of random strength."""
        image, mask = batch["image"], self._learned_masks(batch["mask"])
        dropped = self._drawn(ops.shape(image)[0], self.prior_dropped)
        prior = self.prior(image, ops.where(dropped, 1.0, mask))
        inputs = {**self.noised({**batch, "mask": mask}), "prior": prior}
        inputs = {name: ops.stop_gradient(x) for name, x in inputs.items()}
        return minimize("alignment", lambda: self.alignment_loss(**inputs))

    def alignment_loss(self, prior, **noised):
        """Returns `(loss, logs)`: that of `denoising_loss`, by the condition.

        Args:
            prior: (B, n, D), what the masked autoencoder knows.
            **noised: see `StableDiffusion.noised`.
        """
        loss, _ = self.denoising_loss(**noised, prompt=self.alignment(prior))
        return loss, {"alignment_loss": loss}

    def decoder_step(self, batch, minimize):
        """Takes a step of the decoder, then one of the discriminator."""
        image, mask = batch["image"], batch["mask"]
        shown = {"image": image, "mask": mask}
        shown["latents"] = ops.stop_gradient(self.changed_latents(image, mask))
        logs = minimize("decoder", lambda: self.decoder_loss(shown))
        if self.discriminator is None:
            return logs
        fake = ops.stop_gradient(self.decode(shown))
        return logs | minimize(
            "discriminator", lambda: self.discriminator_loss(image, fake)
        )

    def changed_latents(self, image, mask):
        """Returns latents (B, h, w, 4) of other colours, some as the U-Net makes them.

        Args:
            image: (B, H, W, 3) in [-1, 1].
            mask: (B, H, W, 1), 1 in the hole.
        """
        shown = image
        if self.colours:
            seed = self.seed_generator
            shown = 2 * jitter_colours(as_colours(image), self.colours, seed) - 1
        latents = self.encode({"image": shown})
        if not self.generated:
            return latents
        drawn = self._drawn(ops.shape(image)[0], self.generated)
        return ops.where(drawn, self.estimate(latents, image, mask), latents)

    def estimate(self, latents, image, mask):
        """Returns what the U-Net takes noisy latents for, in one step.

        Args:
            latents: (B, h, w, 4).
            image, mask: what it knows of the picture; see `changed_latents`.
        """
        random, count = {"seed": self.seed_generator}, ops.shape(image)[0]
        timestep = keras.random.randint((count,), 0, self.generated_until + 1, **random)
        noise = keras.random.normal(ops.shape(latents), **random)
        signal = ops.convert_to_tensor(samplers.signal().astype("float32"))
        alpha = ops.reshape(ops.take(signal, timestep), (-1, 1, 1, 1))
        noisy = samplers.add_noise(latents, noise, alpha)
        inputs = {"image": image, "mask": mask}
        given = {"known": self.encode_known(inputs), "prompt": self.lead(inputs)}
        timestep = ops.cast(timestep, "float32")
        found = self.predict_noise(noisy, timestep, alpha, given)
        return (noisy - ops.sqrt(1 - alpha) * found) / ops.sqrt(alpha)

    def decoder_loss(self, shown):
        """Returns `(loss, logs)` of the decoder.

        Args:
            shown: "latents" (B, h, w, 4), "image" (B, H, W, 3), "mask" (B, H, W, 1).
        """
        image, decoded = shown["image"], self.decode(shown)
        terms = self.reconstruction_terms(decoded, image)
        if self.discriminator is None:
            return weighted_sum(terms, self.loss_weights, "decoder")
        terms["adversarial"] = self._adaptive_weight(shown) * self.judge(decoded)
        return weighted_sum(terms, self.loss_weights, "decoder")

    def reconstruction_terms(self, decoded, image):
        """Returns the distances of pictures (B, H, W, 3) in [-1, 1]."""
        terms = {"l1": ops.mean(absolute(decoded - image))}
        if self.features is not None:
            network, heads = self.features
            both = network(decoded), network(image)
            terms["lpips"] = perceptual_similarity_loss(*both, heads)
        return terms

    def judge(self, decoded):
        """Returns the adversarial loss of pictures, not weighted yet."""
        logits = self.discriminator(as_colours(decoded), training=True)[-1]
        return wasserstein_generator_loss(logits)

    def _adaptive_weight(self, shown):
        """Returns what makes the adversarial gradient as large as that of distances.

        It is 0 before the step `adversarial_from`.
        """
        last = self.decoder.get_layer("decoder.conv_out")
        features = self.before_last(self._decoder_inputs(shown))

        def decoded(kernel):
            kernel = ops.cast(kernel, features.dtype)
            x = ops.conv(features, kernel, padding="same")
            return ops.cast(x + ops.cast(last.bias, x.dtype), "float32")

        def reconstruction(kernel):
            terms = self.reconstruction_terms(decoded(kernel), shown["image"])
            return weighted_sum(terms, self.loss_weights, "decoder")[0]

        weight = adaptive_weight(
            reconstruction, lambda kernel: self.judge(decoded(kernel)), last.kernel
        )
        steps = self.optimizers["decoder"].iterations
        return weight * ops.cast(steps >= self.adversarial_from, "float32")

    def discriminator_loss(self, image, fake):
        """Returns `(loss, logs)` of the discriminator; it learns from the start on."""
        real, fake = (
            self.discriminator(as_colours(x), training=True)[-1] for x in (image, fake)
        )
        terms = {"discriminator": hinge_critic_loss(real, fake) / 2}
        return weighted_sum(terms, self.loss_weights, "discriminator")
