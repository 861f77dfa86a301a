"""A masked autoencoder and its two stages: whole patches, then holes of any shape.

References: He et al., Masked Autoencoders Are Scalable Vision Learners, CVPR 2022; Cao
et al., Learning Prior Feature and Attention Enhanced Image Inpainting, ECCV 2022.
"""

import inspect

import keras
from keras import ops

from inpainting_zoo.errors import InputError
from inpainting_zoo.features.normalization import imagenet
from inpainting_zoo.mae.networks import build_generator, join_patches, split_patches
from inpainting_zoo.mae.presets import FAMILY
from inpainting_zoo.models.inpainter import GeneratorInpainter
from inpainting_zoo.models.stage import Stage


class MAE(GeneratorInpainter):
    """A transformer that predicts patches from those that are known.

    Args:
        image_size: side in pixels of the only images that the network takes.
        removed: share of the patches that the first stage removes.
        masks: what it is trained and evaluated on by default; see `parse_mixture`.
        seed: of everything random within a training step.
        **generator: further arguments of `build_generator`.

    Raises:
        InputError: if the share leaves no patch, or removes none.
    """

    STAGES, OPTIONS = FAMILY.stages, FAMILY.options
    GENERATOR_OPTIONS = {  # noqa: RUF012
        name: parameter
        for name, parameter in inspect.signature(build_generator).parameters.items()
        if name != "image_size"
    }

    def __init__(
        self,
        image_size: int = 256,
        removed: float = 0.75,
        masks: str = "lama_training=1",
        seed: int = 0,
        **generator,
    ):
        network = build_generator(image_size, **generator)
        sizes = FAMILY.sizes(image_size=image_size, **generator)
        super().__init__(network, image_size, sizes, seed)
        self.embedding, self.encoder, self.decoder = (
            network.get_layer(name) for name in ("embedding", "encoder", "decoder")
        )
        count = self.embedding.output.shape[1]
        self.patch = image_size // round(count**0.5)
        self.kept, self.masks = round(count * (1 - removed)), masks
        if not 0 < self.kept < count:
            raise InputError(
                f"removed: must leave and remove some of {count} patches, received "
                f"{removed}"
            )

    def make_stage(self, name, features):
        """See `Inpainter.make_stage`; nothing else learns than the generator."""
        return Stage(getattr(self, f"{name}_step"), {"generator": self.generator})

    def pretraining_step(self, batch, minimize):
        """Takes a step of predicting removed patches, those of the hole among them."""
        image, hole = batch["image"], self._touched(batch["mask"])
        noise = keras.random.uniform(ops.shape(hole), seed=self.seed_generator)
        return minimize("generator", lambda: self.pretraining_loss(image, hole, noise))

    def finetuning_step(self, batch, minimize):
        """Takes a step of predicting the pixels of the hole."""
        image, mask = batch["image"], batch["mask"]
        return minimize("generator", lambda: self.finetuning_loss(image, mask))

    def pretraining_loss(self, image, hole, noise):
        """Returns `(loss, logs)`: the mean squared error of removed patches.

        Patches in the hole are removed before others. The encoder is shown the rest
        alone; that others were there and not asked would give the same.

        Args:
            image: (B, S, S, 3) in [-1, 1].
            hole: (B, n), 1 for patches that the hole touches.
            noise: (B, n), uniform on [0, 1), the order of removal.
        """
        colours = imagenet(image)
        kept, removed, place = self.choose_patches(hole, noise)
        tokens = ops.take_along_axis(self.embedding(colours), kept[..., None], axis=1)
        encoded = self.encoder([tokens, ops.ones_like(kept, "float32")], training=True)
        # Back to their places; a learned token will take those of the others.
        shape = (encoded.shape[0], place.shape[1] - self.kept, encoded.shape[2])
        padded = ops.concatenate([encoded, ops.zeros(shape, encoded.dtype)], axis=1)
        padded = ops.take_along_axis(padded, place[..., None], axis=1)
        pixels = ops.repeat(removed[..., None], self.patch**2, axis=-1)
        mask = join_patches(pixels, self.image_size, self.patch)
        shown = ops.concatenate([colours * (1 - mask), mask], axis=-1)
        predicted = self.decoder([padded, shown], training=True)
        error = ops.square(predicted - split_patches(colours, self.patch))
        loss = ops.sum(ops.mean(error, axis=-1) * removed) / ops.sum(removed)
        return loss, {"generator_loss": loss}

    def choose_patches(self, hole, noise):
        """Returns `(kept, removed, place)` of patches.

        Args:
            hole, noise: see `pretraining_loss`.

        Returns:
            Numbers (B, k) of those that are kept; (B, n) floats, 1 where a patch is
            removed; (B, n), the place of each patch in the order of removal, last ones
            first.
        """
        order = ops.argsort(ops.minimum(noise + hole, 1.0), axis=1)
        place = ops.argsort(order, axis=1)
        removed = ops.cast(place >= self.kept, "float32")
        return order[:, : self.kept], removed, place

    def finetuning_loss(self, image, mask):
        """Returns `(loss, logs)`: the mean squared error of the hole's pixels."""
        prediction = self.generator([image, mask], training=True)
        loss = self.hole_error(prediction, image, mask)
        return loss, {"generator_loss": loss}

    def hole_error(self, prediction, image, mask):
        """Returns the mean squared error in the hole, of deviations over ImageNet.

        Args:
            prediction, image: (B, S, S, 3) in [-1, 1].
            mask: (B, S, S, 1), 1 in the hole.
        """
        error = ops.square(imagenet(prediction) - imagenet(image)) * mask
        return ops.sum(error) / ops.maximum(3 * ops.sum(mask), 1.0)

    def validation_loss(self, prediction, image, mask):
        return self.hole_error(prediction, image, mask)

    def _touched(self, mask):
        """Returns (B, n), 1 for patches that a mask (B, S, S, 1) touches."""
        return ops.max(split_patches(mask, self.patch), axis=-1)
