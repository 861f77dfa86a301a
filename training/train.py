"""The training command: one stage of one experiment."""

import contextlib
import dataclasses
import logging
import time
from pathlib import Path

import keras

from inpainting_zoo import presets
from inpainting_zoo.data.training import TrainingPairs
from inpainting_zoo.engine import backend, distribution
from inpainting_zoo.engine.batches import streaming
from inpainting_zoo.engine.operations import seconds_of_product
from inpainting_zoo.engine.precisions import DTYPES
from inpainting_zoo.errors import InputError, some
from inpainting_zoo.features.load import FEATURES, loader
from inpainting_zoo.models.stage import join_batches
from inpainting_zoo.options import TrainSettings
from inpainting_zoo.storage.checkpoints import assign, load_weights, part_file
from inpainting_zoo.training.callbacks import (
    NumericGuard,
    Progress,
    Saver,
    StepLog,
    StopSignals,
)
from inpainting_zoo.training.data import (
    check_aligned,
    load_data,
    overridden,
    with_preset_defaults,
)
from inpainting_zoo.training.event_log import EventLog
from inpainting_zoo.training.experiment import Experiment
from inpainting_zoo.training.optimizers import make_optimizer
from inpainting_zoo.training.record import check_same_generator, resumed
from inpainting_zoo.training.validation import Validation

log = logging.getLogger(__name__)
SLOWER = 1.2  # times as long, from which on it is said; timings differ by less


@dataclasses.dataclass(frozen=True)
class Run:
    """A stage of training that has begun: what it trains, on what, for how long.

    Args:
        stage: its name.
        settings: with nothing left open.
        about: the preset and its overrides, as weight files carry them.
        model: after `begin`.
        training: batches without end.
        validation: pairs that are not trained on.
        batches: fresh batches that a step takes.
        per_epoch: steps in a pass over the images.
        total: steps of the stage.
    """

    stage: str
    settings: TrainSettings
    about: dict
    model: keras.Model
    training: TrainingPairs
    validation: list
    batches: int
    per_epoch: int
    total: int

    def load(self, i: int) -> dict:
        """Returns the images and masks of step `i`, a pure function of it.

        Of several processes each loads its rows.
        """
        numbers = range(i * self.batches, (i + 1) * self.batches)
        rows = distribution.rows(self.settings.batch_size)
        parts = [self.training.batch(number, rows) for number in numbers]
        joined = join_batches(parts)
        self.model.check_masks(joined["mask"])
        return joined

    def __str__(self):
        settings = self.settings
        return (
            f"{self.stage}: {settings.preset}, {len(self.training.images)} images, "
            f"{self.total} steps of {self.batches} x {settings.batch_size} images"
        )


@backend.explicit_settings()
def train(settings: TrainSettings):
    """Trains one stage of an experiment, to its end or until a signal stops it.

    Raises:
        InputError: if a setting or file breaks a rule.
        NumericError: if a loss term or weight is no longer finite.
        WeightsError: if weights are damaged or do not fit.
    """
    experiment = Experiment(settings.folder, writes=distribution.leads())
    if settings.resume:
        settings = resumed(settings)
        experiment.compare()
    with experiment.in_use():
        run = begin(settings)
        load_frozen(run.model, run.about, experiment)
        if run.model.stage.initialize:
            run.model.stage.initialize()
            run.model.restart_averages()
        fingerprint = run.training.fingerprint()
        start = experiment.start(
            run.model, run.stage, run.settings, run.about, fingerprint
        )
        if start < run.total and not experiment.writes:
            follow(run, start)
        elif start < run.total:
            experiment.record(run.stage, run.settings, run.model)
            fit(run, experiment, start, fingerprint)
        else:
            log.info("nothing to do: step %d of %d is saved already", start, run.total)
    for part in run.model.trained_parts if experiment.writes else ():
        print(f"{part}: {part_file(experiment.folder, part)}")


def begin(settings: TrainSettings) -> Run:
    """Builds the model and its optimizers, and reads what it is trained on."""
    settings = with_preset_defaults(settings)
    stage = settings.stage
    keras.utils.set_random_seed(settings.seed)
    backend.deterministic()
    distribution.spread(settings.batch_size)
    overrides = overridden(settings)
    model = presets.build(
        settings.preset,
        seed=settings.seed,
        dtype=DTYPES[settings.mixed_precision],
        **overrides,
    )
    masks = model.stage_masks(stage)
    training, validation = load_data(settings, model.image_size, masks)

    def lengths():
        """Returns the steps of an epoch and of the stage, once it has begun."""
        per_epoch = max(1, training.steps_per_epoch // model.stage.batches)
        return per_epoch, settings.steps or settings.epochs * per_epoch

    model.begin(
        stage,
        lambda name, **options: make_optimizer(name, settings, lengths()[1], **options),
        loader(dict.fromkeys(FEATURES, settings.vgg_weights)),
        run_eagerly=settings.run_eagerly,
        jit_compile=settings.jit_compile,
    )
    further = set(training.further) - {"objects"}
    check_aligned(model.stage.inputs, further, f"{stage} of {settings.preset}")
    check_validation(model.stage, validation)
    batches, (per_epoch, total) = model.stage.batches, lengths()
    settings = dataclasses.replace(settings, steps=total)
    about = {"preset": settings.preset, "overrides": overrides}
    frozen = [part for part in model.parts if part not in model.trained_parts]
    if frozen and settings.from_weights not in (None, True):
        source = Path(settings.from_weights).resolve()
        about["frozen"] = str(source)  # use needs it as well
    run = Run(
        stage, settings, about, model, training, validation, batches, per_epoch, total
    )
    # What cannot be learned is refused before anything is written.
    training.look_through_masks()
    run.load(0)
    return run


def check_validation(stage, pairs):
    """Refuses pictures to validate on that lack what the best weights are chosen by.

    Args:
        stage: that has begun.
        pairs: see `training.validation.Validation`.
    """
    lacking = [
        name
        for name, _, _, *aligned in pairs
        if not {*stage.inputs} <= {*dict(*aligned)}
    ]
    if stage.best and lacking:
        raise InputError(
            f"aligned: must have {', '.join(stage.inputs)} for all pictures that are "
            f"validated on, received none for {some(lacking)}"
        )


def warn_of_slow(precision: str):
    """Says so if products in a precision take longer here than those in float32."""
    if precision == "float32":
        return
    times = seconds_of_product(precision) / seconds_of_product("float32")
    if times > SLOWER:
        log.warning(
            "mixed_precision: products in %s take %.1f times as long as in float32 on "
            "this machine; training is likely to be faster without it",
            precision,
            times,
        )


def load_frozen(model, about: dict, experiment: Experiment):
    """Loads the parts that a stage needs and does not train.

    They are what an earlier stage of the experiment has trained, or else those of the
    file that training starts from, or the preset's.
    """
    others = []
    for part in [part for part in model.parts if part not in model.trained_parts]:
        path = part_file(experiment.folder, part)
        if not path.is_file():
            others.append(part)
            continue
        arrays, metadata = load_weights(path)
        check_same_generator(metadata, about, path)
        assign(model.use_state(part), arrays, path)
    source, overrides = about.get("frozen"), about["overrides"]
    presets.load_parts(model, about["preset"], others, source, True, **overrides)


def fit(run: Run, experiment: Experiment, start: int, fingerprint: str):
    """Takes the steps of a run from `start` on; what it tells is in the experiment."""
    settings, stage, total = run.settings, run.stage, run.total
    load = prepared(run)
    log.info(
        "%s, from step %d, %s, %s",
        *(run, start, backend.BACKEND, settings.mixed_precision),
    )
    if start == 0:  # it could not be followed later
        warn_of_slow(settings.mixed_precision)

    def save(model, step):
        position = {"epoch": step / run.per_epoch, "fingerprint": fingerprint}
        experiment.save(model, stage, step, run.about, position)

    with contextlib.ExitStack() as at_end:
        events = at_end.enter_context(EventLog(experiment.folder / "logs" / stage))
        events.hyper_parameters(settings.as_dict())
        steps = StepLog(start, events)
        progress = Progress(start, total, stage)
        signals = at_end.enter_context(StopSignals())
        every = settings.save_every or run.per_epoch
        saver = Saver(start, every, total, save, signals)
        validation = Validation(
            start,
            settings.sample_every or run.per_epoch,
            total,
            events,
            run.validation,
            experiment.folder / "predicted_pics" / stage,
        )
        began = time.perf_counter()

        @at_end.callback
        def summarize():
            experiment.summarize(
                stage,
                start,
                time.perf_counter() - began,
                steps.seconds,
                validation.history,
                len(run.training.unreadable),
            )

        at_end.callback(progress.close)
        batches = at_end.enter_context(streaming(load, start, total))
        # The state of a step is safe before anything is shown of it, but for a state
        # that validation is a part of.
        shown = [progress, steps, validation]
        ordered = [*shown, saver] if run.model.stage.best else [saver, *shown]
        take_steps(run, batches, start, [NumericGuard(start), *ordered])
    if run.training.unreadable:
        log.info("skipped %d unreadable files", len(run.training.unreadable))
    seconds = time.perf_counter() - began
    log.info("%s: done in %.0f s; see %s", stage, seconds, experiment.folder)


def prepared(run: Run):
    """Returns what loads the batch of a step as the model takes it."""
    prepare = run.model.preparing(repeated=run.settings.crops is not None)
    return lambda i: prepare(run.load(i))


def follow(run: Run, start: int):
    """Takes the steps of a run beside the process that writes.

    A signal that asks to stop is left to that one, which saves; its end is noticed.
    """
    load = prepared(run)
    with StopSignals(), streaming(load, start, run.total) as batches:
        take_steps(run, batches, start, [NumericGuard(start)])


def take_steps(run: Run, batches, start: int, callbacks: list):
    """Takes the steps of a run from `start` on."""
    with distribution.together():
        run.model.fit(
            batches,
            steps_per_epoch=run.total - start,
            callbacks=callbacks,
            verbose=0,
            shuffle=False,
        )
