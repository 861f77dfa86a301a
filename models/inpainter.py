"""The base of every family: a generator that completes images, and its state."""

import keras
import numpy as np
from keras import ops

from inpainting_zoo.engine.inference import compiled
from inpainting_zoo.engine.steps import StepModel
from inpainting_zoo.errors import InputError
from inpainting_zoo.models.bookkeeping import weighted_sum
from inpainting_zoo.models.pixels import as_floats, paste, to_uint8


class Inpainter(StepModel):
    """A trainable model whose generator maps (image, mask) to a prediction.

    A family adds its other networks to `networks`, their optimizers to `optimizers`,
    and says in `training_step` how they learn.

    Args:
        generator: Keras model of an image (B, H, W, 3) in [-1, 1] and a mask
            (B, H, W, 1), 1 in the hole; returns (B, H, W, 3).
        image_size: side in pixels of the images that it is trained on.
        size_multiple: what the generator needs heights and widths to be divisible by.
        seed: of everything random within a training step.

    Attributes:
        STAGES: of training, reconstruction only first, by name.
        OPTIONS: what `inpaint` takes beyond image, mask and seed: name -> default.
        draws: whether another seed gives another picture.
        masks: what it is trained and evaluated on by default; see `parse_mixture`.
    """

    STAGES = ("warm_up_generator",)
    OPTIONS = {}  # noqa: RUF012
    draws = False
    masks = "rectangle=1"

    def __init__(self, generator, image_size: int, size_multiple: int, seed: int = 0):
        super().__init__()
        self.generator = generator
        self.compiled_generator = compiled(generator)
        self.image_size = image_size
        self.size_multiple = size_multiple
        self.seed_generator = keras.random.SeedGenerator(seed, name="seed_generator")
        self.stage = None
        self.built = True

    def begin(self, stage: str, make_optimizer, vgg_weights=None, **compile_options):
        """Begins a stage: compiles, and builds what else the family needs.

        Args:
            stage: one of `STAGES`.
            make_optimizer: takes a name and, optionally, a factor of the learning rate;
                returns an optimizer.
            vgg_weights: file for `build_vgg_features`, where one is needed.
            **compile_options: `run_eagerly` and `jit_compile` of Keras.

        Raises:
            InputError: if there is no such stage.
        """
        if stage not in self.STAGES:
            known = ", ".join(self.STAGES)
            raise InputError(f"stage: one of {known}, received {stage!r}")
        self.stage = stage
        self.compiled_generator = compiled(self.generator)  # not frozen any more
        self.compile(make_optimizer("generator_optimizer"), **compile_options)
        self.optimizer.build(self.generator.trainable_variables)

    @property
    def networks(self):
        """Every trained network by name."""
        return {"generator": self.generator}

    @property
    def optimizers(self):
        """Every optimizer by name; only after `compile`."""
        return {"generator_optimizer": self.optimizer}

    def state(self):
        """Returns every variable that training changes, by a stable name."""
        variables = _named({**self.networks, **self.optimizers})
        return {**variables, "seed_generator": self.seed_generator.state}

    def generator_state(self):
        """Returns the generator's variables by the same names."""
        return _named({"generator": self.generator})

    @property
    def non_trainable_variables(self):
        # Keras carries the variables of `self.optimizer` only.
        others = [o for o in self.optimizers.values() if o is not self.optimizer]
        return super().non_trainable_variables + [
            v for o in others for v in o.variables
        ]

    def batches_per_step(self, stage: str):
        """Returns how many fresh batches one training step of a stage takes."""
        return 1

    def check_masks(self, masks):
        """Refuses masks of training, uint8 (B, S, S, 1), that cannot be learned.

        Raises:
            InputError: if there is one.
        """

    def reconstruction(self, prediction, image, mask):
        """Returns the terms of the reconstruction loss by name.

        Args:
            prediction, image: (B, S, S, 3) in [-1, 1].
            mask: (B, S, S, 1), 1 in the hole.
        """
        raise NotImplementedError

    def reconstruction_loss(self, prediction, image, mask):
        """Returns the weighted reconstruction loss of one picture as a number.

        Args:
            prediction, image: uint8 (S, S, 3).
            mask: (S, S), 1 in the hole.
        """
        both, mask = as_floats(np.stack([prediction, image]), mask[None, ..., None])
        terms = self.reconstruction(both[:1], both[1:], mask)
        loss, _ = weighted_sum(terms, self.weights_of, "generator")
        return float(loss)

    def call(self, inputs):
        return self.generator([inputs["image"], inputs["mask"]])

    def complete(self, image, mask):
        """Returns the image with its hole predicted: (B, H, W, 3) in [-1, 1]."""
        return paste(self.generator([image, mask]), image, mask)

    def predict_image(self, image, mask):
        """Returns the raw prediction of one picture, in the hole and outside it.

        Args:
            image: uint8 (H, W, 3) RGB of any size from 1x1 up.
            mask: (H, W), nonzero in the hole.

        Returns:
            uint8 (H, W, 3).
        """
        height, width = mask.shape
        margins = [(0, -side % self.size_multiple) for side in (height, width)]
        image = np.pad(image, [*margins, (0, 0)], mode="reflect")
        mask = np.pad(np.asarray(mask) != 0, margins, mode="reflect")
        image, mask = as_floats(image[None], mask[None, ..., None])
        return to_uint8(self._run([image, mask])[0, :height, :width])

    def predict_soft(self, image, mask):
        """Returns the raw prediction on [0, 1], for masks with soft edges.

        Args:
            image: float (H, W, 3) on [0, 1]; H and W multiples of `size_multiple`.
            mask: float (H, W) on [0, 1].
        """
        inputs = [2 * image[None] - 1, mask[None, ..., None]]
        inputs = [np.asarray(x, "float32") for x in inputs]
        return (self._run(inputs)[0] + 1) / 2

    def _run(self, inputs):
        """Runs the generator compiled, or operation by operation as training does."""
        run = self.generator if self.run_eagerly else self.compiled_generator
        return ops.convert_to_numpy(run(inputs))

    def freeze(self):
        """Makes `inpaint` and the like faster on TensorFlow, for the weights of now.

        Until `begin`, changes of the weights have no effect on them.
        """
        self.compiled_generator = compiled(self.generator, constant=True)

    def inpaint(self, image, mask):
        """Completes one picture; its known pixels are returned bit for bit.

        Args:
            image: uint8 (H, W, 3) RGB of any size from 1x1 up.
            mask: (H, W), nonzero in the hole. Without a hole the image comes back.

        Returns:
            uint8 (H, W, 3).
        """
        hole = np.asarray(mask) != 0
        if not hole.any():
            return image.copy()
        return np.where(hole[..., None], self.predict_image(image, hole), image)


def _named(owners):
    return {
        f"{name}/{v.path}": v for name, owner in owners.items() for v in owner.variables
    }
