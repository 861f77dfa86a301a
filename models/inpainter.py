"""The base of every family: what is trained, saved and used, and how."""

from collections.abc import Mapping

import keras
import numpy as np
from keras import ops

from inpainting_zoo.engine.backend import explicit_settings
from inpainting_zoo.engine.inference import compiled
from inpainting_zoo.engine.operations import computes_in
from inpainting_zoo.engine.steps import StepModel, minimize, substituted
from inpainting_zoo.errors import InputError, choose
from inpainting_zoo.features.load import loader
from inpainting_zoo.models.completer import Completer
from inpainting_zoo.models.pixels import as_floats, paste, to_uint8
from inpainting_zoo.models.sizes import Sizes
from inpainting_zoo.models.stage import Stage, named, variables_of

AVERAGE = "average/"  # begins the names, in a state, of averages of weights
AVERAGE_RAMP = 0.05  # of the images seen, an average's half-life at most
WORST = 1e30  # a validation loss that every other is below


class Inpainter(Completer, StepModel):
    """A model that completes pictures and can be trained in stages.

    A family says what its `parts` are, how `call` predicts, and how each of its
    `STAGES` learns (`make_stage`); where it needs more than image and mask, also what
    use can choose (`OPTIONS`, `condition`) and what it draws at random (`draw`).

    Args:
        image_size: side in pixels of the images that it is made for.
        sizes: the heights and widths that `call` takes.
        seed: of everything random within a training step.

    Attributes:
        stage: the `Stage` that has begun, or None; `stage_name` is its name.
    """

    EVALUATED = ("loss", "psnr")

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if "draws" not in vars(cls):
            cls.draws = cls.draw is not Inpainter.draw

    def __init__(self, image_size: int, sizes: Sizes, seed: int = 0):
        super().__init__()
        self.image_size, self.sizes = image_size, sizes
        self.seed_generator = keras.random.SeedGenerator(seed, name="seed_generator")
        self.stage_name = self.stage = None
        self.optimizers, self.averages, self._compiled = {}, {}, {}
        self.built = True

    @classmethod
    @explicit_settings()
    def create(cls, **config):
        dtype = config.get("dtype", "float32")
        if not computes_in(keras.DTypePolicy(dtype).compute_dtype):
            raise InputError(
                "mixed_precision: must be float32 on this machine, whose engine has no "
                f"convolutions in it, received {dtype}"
            )
        return cls(**config)

    @property
    def whole(self):
        """See `Completer.whole`; for one size a larger picture would be shrunk."""
        return self.image_size if self.sizes.side else super().whole

    # What a family writes.

    @property
    def parts(self) -> dict:
        """The networks that use needs, by name."""
        raise NotImplementedError

    def make_stage(self, name: str, features) -> Stage:
        """Returns a stage of training; builds what only that stage needs.

        Args:
            name: one of `STAGES`.
            features: takes the name of a frozen network and its taps, returns it; see
                `inpainting_zoo.features.load.loader`.
        """
        raise NotImplementedError

    def call(self, inputs):
        """Returns a prediction (B, H, W, 3) in [-1, 1], of known pixels as well.

        Args:
            inputs: "image" (B, H, W, 3) in [-1, 1], "mask" (B, H, W, 1), 1 in the hole,
                and what `condition` and `draw` return.
        """
        raise NotImplementedError

    def condition(self, **options) -> dict:
        """Returns what `OPTIONS` mean to the network: name -> array (1, ...)."""
        return {}

    def draw(self, rng: np.random.Generator, height: int, width: int) -> dict:
        """Returns the random inputs of one picture: name -> array (1, ...)."""
        return {}

    def drawn_shapes(self) -> dict:
        """Returns name -> shape without batch of what `draw` draws and `call` needs."""
        drawn = self.draw(np.random.default_rng(0), self.image_size, self.image_size)
        return {name: array.shape[1:] for name, array in drawn.items()}

    @property
    def part_shapes(self) -> dict:
        """What each part takes of one picture: name -> shapes, without the batch.

        Only of models whose use is more than one graph; each part is exported then.
        """
        return {}

    def validation_loss(self, prediction, image, mask):
        """Returns the loss that validation shows, of shape (); None for none.

        Args:
            prediction, image: (B, H, W, 3) in [-1, 1].
            mask: (B, H, W, 1), 1 in the hole.
        """
        return None

    def stage_masks(self, stage: str) -> str:
        """Returns what a stage is trained on by default; see `masks`."""
        return self.masks

    def preparing(self, repeated: bool):
        """Returns what a batch goes through after it is loaded, in any thread.

        It takes a batch and returns one of arrays, those that `training_step` takes.
        It is asked for when the weights that training starts from are in place.

        Args:
            repeated: whether the same pictures come again, so that what is computed
                from them by what does not learn is worth remembering.
        """
        return lambda batch: batch

    def check_masks(self, masks):
        """Refuses masks of training, uint8 (B, S, S, 1), that cannot be learned.

        Raises:
            InputError: if there is one.
        """

    # Training.

    # Parts that a stage adds to what was trained without them: weights may lack them,
    # and then they begin anew.
    added = ()
    # How names of variables start -> how they do in files for use, where other programs
    # have names of their own for them.
    file_names = {}  # noqa: RUF012

    @explicit_settings()
    def begin(self, stage: str, make_optimizer, features=None, **compile_options):
        """Begins a stage: builds what it needs, its optimizers, and compiles.

        Args:
            stage: one of `STAGES`.
            make_optimizer: takes a name, and as keywords `factor` of the learning rate
                and `clip`, the largest norm of all gradients or None; returns a Keras
                optimizer. Where layers compute in float16 its loss is scaled here,
                since gradients would underflow and nothing be learned.
            features: loads frozen networks; by default from where they are downloaded.
            **compile_options: `run_eagerly` and `jit_compile` of Keras.

        Raises:
            InputError: if there is no such stage, or no training at `image_size`.
        """
        choose("stage", stage, dict.fromkeys(self.STAGES))
        self.sizes.check(self.image_size)
        self.stage_name = stage
        self.stage = self.make_stage(stage, features or loader())
        if not callable(make_optimizer):
            raise InputError(
                "make_optimizer: must be a function of name, factor and clip that "
                f"returns an optimizer, received {make_optimizer!r}"
            )
        self.optimizers = {}
        for name in self.stage.learns:
            correction = self.stage.correction(name)
            optimizer = make_optimizer(
                f"{name}_optimizer",
                factor=self.stage.rates.get(name, 1.0) * correction,
                clip=self.stage.clip.get(name),
            )
            for beta in ("beta_1", "beta_2"):
                if hasattr(optimizer, beta):
                    corrected = getattr(optimizer, beta) ** correction
                    setattr(optimizer, beta, corrected)
            if self.stage.computes_in(name, "float16"):
                optimizer = keras.optimizers.LossScaleOptimizer(
                    optimizer, name=f"{optimizer.name}_scale"
                )
            optimizer.build(self.stage.trainable(name))
            self.optimizers[name] = optimizer
        kept = self.stage.average or self.stage.best
        self.averages = self._new_averages() if kept else {}
        self.lowest_loss = keras.Variable(WORST, trainable=False, name="lowest_loss")
        self._compiled = {}  # an average may stand for the weights from now on
        self.compile(next(iter(self.optimizers.values())), **compile_options)

    def _new_averages(self):
        """Returns name -> variable that begins as a trained variable of use is now."""
        trained = named(self.trained_parts).items()
        return {
            name: keras.Variable(
                ops.convert_to_numpy(v), trainable=False, name=f"average_{i}"
            )
            for i, (name, v) in enumerate(trained)
            if keras.backend.is_float_dtype(v.dtype)  # no states of random generators
        }

    def restart_averages(self):
        """Lets averages begin at the weights as they are, once others are loaded."""
        weights = named(self.trained_parts)
        for name, average in self.averages.items():
            average.assign(ops.convert_to_numpy(weights[name]))  # not its buffer

    @property
    def trained_parts(self) -> dict:
        """The parts of use that the stage trains, or a layer of which, by name."""
        if self.stage is None:
            return {}
        trained = {
            id(v) for name in self.stage.learns for v in self.stage.trainable(name)
        }
        return {
            name: part
            for name, part in self.parts.items()
            if any(id(v) in trained for v in variables_of(part))
        }

    @property
    def networks(self) -> dict:
        """What the stage trains, by name: networks, layers or lists of variables."""
        return self.stage.owners() if self.stage else {}

    def minimize(self, name: str, loss_fn):
        """Takes a step of one of the stage's optimizers; returns what the loss logs."""
        return minimize(loss_fn, self.stage.trainable(name), self.optimizers[name])

    def training_step(self, batch):
        inputs = self.as_inputs(batch)
        if missing := [name for name in self.stage.inputs if name not in batch]:
            raise InputError(
                f"batch: must hold {', '.join(self.stage.inputs)} beside image and "
                f"mask in the stage {self.stage_name}, lacks {', '.join(missing)}"
            )
        logs = self.stage.step(inputs, self.minimize)
        if self.stage.average:
            self._average(inputs["image"].shape[0] // self.stage.batches)
        return logs

    def _average(self, images):
        """Moves the averages, after a step that saw so many fresh images."""
        steps = ops.cast(next(iter(self.optimizers.values())).iterations, "float32")
        half_life = ops.minimum(self.stage.average, AVERAGE_RAMP * images * steps)
        keep = 0.5 ** (images / half_life)
        weights = named(self.trained_parts)
        for name, average in self.averages.items():
            change = (1 - keep) * (ops.cast(weights[name], average.dtype) - average)
            average.assign(average + change)

    def keep_best(self, loss: float):
        """Takes the weights as they are for use, if this validation loss is lower."""
        if self.stage.best and loss < float(ops.convert_to_numpy(self.lowest_loss)):
            self.lowest_loss.assign(loss)
            self.restart_averages()

    def evaluation_step(self, batch):
        """Returns the mean PSNR in dB of completed images, and the validation loss."""
        batch = self.as_inputs(batch)
        image, mask = batch["image"], batch["mask"]
        with substituted(*self._averaged_variables()):
            prediction = self.call({**self.further_inputs(image.shape, 0), **batch})
        error = ops.mean(ops.square(paste(prediction, image, mask) - image), (1, 2, 3))
        loss = self.validation_loss(prediction, image, mask)
        logs = {} if loss is None else {"loss": loss}
        return logs | {"psnr": ops.mean(10 * ops.log10(4 / ops.maximum(error, 1e-10)))}

    def as_inputs(self, batch) -> dict:
        """Turns a batch as it is loaded into what `call` and a stage's step take.

        Pictures, uint8, become floats in [-1, 1], the mask floats of 0 and 1; what is
        of another type stays.
        """
        if not isinstance(batch, Mapping) or not {"image", "mask"} <= batch.keys():
            held = [*batch] if isinstance(batch, Mapping) else type(batch).__name__
            raise InputError(
                f"batch: must be a dict with image and mask, received {held}"
            )
        inputs = {
            name: as_floats(x, 0)[0] if x.dtype in ("uint8", np.uint8) else x
            for name, x in batch.items()
            if name != "mask"
        }
        return {**inputs, "mask": ops.cast(batch["mask"], "float32")}

    def step_macs(self, macs) -> int | None:
        """Counts the multiply-adds of a training step with batches of one image.

        A backward pass takes twice the forward pass: gradients of inputs and of
        weights.

        Args:
            macs: takes a network and the side of its images, returns the multiply-adds
                of a forward pass.
        """
        return None

    # State.

    def state(self) -> dict:
        """Returns every variable that the stage changes, by a stable name."""
        optimizers = {f"{k}_optimizer": o for k, o in self.optimizers.items()}
        averages = {f"{AVERAGE}{name}": v for name, v in self.averages.items()}
        trained = named({**self.networks, **optimizers})
        others = {"seed_generator": self.seed_generator.state}
        others |= {"lowest_loss": self.lowest_loss} if self.stage.best else {}
        return {**trained, **averages, **others}

    def use_state(self, *parts: str) -> dict:
        """Returns the variables that use needs, averaged ones where they are averaged.

        Args:
            *parts: names of parts; all by default.
        """
        chosen = {name: self.parts[name] for name in parts or self.parts}
        return {**named(chosen), **self._averages_of(chosen)}

    def _averaged_variables(self):
        """Returns the variables of use that are averaged, and their averages."""
        weights = named(self.trained_parts) if self.averages else {}
        return [weights[name] for name in self.averages], [*self.averages.values()]

    def _averages_of(self, parts):
        return {k: v for k, v in self.averages.items() if k.split("/")[0] in parts}

    @property
    def non_trainable_variables(self):
        # Keras carries the variables of `self.optimizer` only.
        others = [o for o in self.optimizers.values() if o is not self.optimizer]
        carried = super().non_trainable_variables
        return carried + [v for o in others for v in o.variables]

    # Use.

    @explicit_settings()
    def predict_images(self, images, masks, seed: int = 0, **options):
        """Returns the raw predictions of pictures of one size, uint8 (B, H, W, 3)."""
        fitted, holes, restores = zip(*map(self.sizes.fit, images, masks))
        image, mask = as_floats(np.stack(fitted), np.stack(holes)[..., None])
        inputs = self.further_inputs(image.shape, seed, **options)
        inputs |= {"image": image, "mask": mask}
        found = to_uint8(ops.convert_to_numpy(self._run(inputs)))
        return np.stack([restore(y) for restore, y in zip(restores, found)])

    def predict_aligned(self, image, mask, aligned: dict | None = None):
        """Returns the raw prediction of one picture that validation or a test has.

        Args:
            image: uint8 (H, W, 3).
            mask: (H, W), nonzero in the hole.
            aligned: what belongs to it, by name, uint8 (H, W, 3); a family says if it
                predicts from any.
        """
        return self.predict_image(image, mask)

    def further_inputs(self, shape, seed, **options):
        """Returns what `call` takes beside images of a shape (B, H, W, 3) and masks.

        Every picture draws the same, so that none depends on the others of its batch.
        """
        batch, height, width, _ = shape
        drawn = self.draw(np.random.default_rng(seed), height, width)
        inputs = {**self.condition(**self.chosen(options)), **drawn}
        return {k: ops.repeat(v, batch, axis=0) for k, v in inputs.items()}

    def _run(self, inputs):
        """Predicts, compiled or operation by operation as training does."""
        if self.run_eagerly and not self.averages:
            return self.call(inputs)
        return self.compiled_call(inputs)

    @property
    def compiled_call(self):
        """What `call` does, compiled, with the averages of weights where there are."""
        return self.compiled_method("call")

    def compiled_method(self, name: str, variant: int = 0):
        """Returns a method that takes a dict of tensors, as `compiled_call` is.

        Args:
            name: of the method.
            variant: each is compiled separately, for shapes that it must know.
        """
        if (name, variant) not in self._compiled:
            variables = [*named(self.parts).values()]
            used = [*self.use_state().values()] if self.averages else None
            new = compiled(getattr(self, name), variables, used)
            self._compiled[name, variant] = new
        return self._compiled[name, variant]

    def validation_number(self, prediction, image, mask, aligned: dict | None = None):
        """Returns `validation_loss` of one picture as a number, or None.

        Args:
            prediction, image: uint8 (S, S, 3).
            mask: (S, S), 1 in the hole.
            aligned: see `predict_aligned`.
        """
        both, mask = as_floats(np.stack([prediction, image]), mask[None, ..., None])
        loss = self.validation_loss(both[:1], both[1:], mask)
        return None if loss is None else float(loss)


class GeneratorInpainter(Inpainter):
    """An `Inpainter` whose one part is a generator of (image, mask).

    Args:
        generator: Keras model of an image (B, H, W, 3) in [-1, 1] and a mask
            (B, H, W, 1), 1 in the hole; returns (B, H, W, 3).
        image_size, sizes, seed: see `Inpainter`.
    """

    def __init__(self, generator, image_size: int, sizes: Sizes, seed: int = 0):
        super().__init__(image_size, sizes, seed)
        self.generator = generator

    @property
    def parts(self):
        return {"generator": self.generator}

    def call(self, inputs):
        return self.generator([inputs["image"], inputs["mask"]])

    def complete(self, image, mask):
        """Returns the image with its hole predicted: (B, H, W, 3) in [-1, 1]."""
        return paste(self.generator([image, mask]), image, mask)
