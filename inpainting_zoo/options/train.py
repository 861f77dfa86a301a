"""Settings of training, and of what is about it."""

import dataclasses
import re
from pathlib import Path
from typing import ClassVar

from inpainting_zoo.errors import InputError, choose
from inpainting_zoo.options.fields import (
    LAYOUTS,
    PRESET,
    WARM_UP,
    check_files,
    check_mask_files,
    check_name,
    check_pictures,
    check_precision,
    check_process,
    check_weights,
    gpu,
    mask_label,
    masks,
    max_pixels,
    metrics,
    mixed_precision,
    objects,
    refuse_run_settings,
    seed,
)
from inpainting_zoo.settings import Settings, check, found, option


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainSettings(Settings):
    """Settings of a training."""

    train_path: str | None = option(
        None, "folder, list file or samples[:train]: what to train on"
    )
    dataset_layout: str | None = option(
        None, "how a public dataset was unpacked", choices=LAYOUTS
    )
    mask_path: str | None = option(None, "folder of mask files, white in the hole")
    masks: str | None = masks(
        "generators by weight, such as rectangle=1,strokes=2,files=1"
    )
    invert_mask: bool = option(False, "mask files are black in the hole")
    mask_label: str | None = mask_label()
    objects_path: str | None = objects()
    aligned: dict = option(
        {}, "what a stage takes beside each image, such as target=FOLDER"
    )
    captions: str | None = option(
        None, "CSV file of what pictures show, columns file and prompt"
    )
    experiment_name: str | None = option(
        None, "folder in -output_path; the preset's name", check=check_name
    )
    output_path: str = option("outputs", "folder of experiments", writes="folder")
    stage: str | None = option(None, "of training, by name; the model's last")
    warm_up_generator: bool = option(False, f"the same as -stage {WARM_UP}")
    from_weights: str | bool | None = option(
        None, "start from the experiment's last state, or FILE"
    )
    resume: bool = option(False, "continue an interrupted run exactly")
    preset: str = option(
        "gmcnn_256",
        "model to train; see `runner.py presets`",
        aliases=("model",),
        check=PRESET,
    )
    set: dict = option({}, "arguments of the model to replace, key=value")
    image_size: int | None = option(
        None, "side of training images in pixels; the preset's", least=1
    )
    max_pixels: int = max_pixels()
    max_zoom: float = option(
        1.15, "crops are cut from images up to so many times larger", least=1
    )
    crops: int | None = option(
        None, "crops of a picture, then the same again, remembered; endless", least=1
    )
    batch_size: int | None = option(None, "images in a batch; the preset's", least=1)
    # Arguments of models that early commands had; those of others go through -set.
    critic_steps: int | None = option(
        None, "critic steps for one of the generator; 5", least=1
    )
    id_mrf_weight: float | None = option(
        None, "factor of ID-MRF; 0.05; 0 needs no VGG19", least=0
    )
    lambda_ratio: float | None = option(
        None, "weight of reconstruction to adversarial; 999", least=0
    )
    epochs: int = option(40, "passes over the training images", least=1)
    steps: int | None = option(None, "generator steps, instead of -epochs", least=1)
    optimizer: str | None = option(
        None,
        "the preset's or adam",
        choices="inpainting_zoo.training.optimizers:OPTIMIZERS",
    )
    learning_rate: float | None = option(None, "after a warm-up; the preset's", above=0)
    learning_rate_decay: str = option(
        "none", "over the steps of the stage", choices=("none", "cosine")
    )
    adam_betas: tuple[float, float] | None = option(
        None, "decay rates of Adam's two moments; the preset's", least=0, below=1
    )
    validation_path: str | None = option(
        None, "pictures to validate on, instead of a split"
    )
    validation_split: float = option(
        0.05, "share of the training images kept aside", least=0, below=1
    )
    validation_images: int = option(40, "most pictures to validate on", least=1)
    seed: int = seed("of weights, data order, masks and everything else random")
    mixed_precision: str = mixed_precision("of the generator; critics stay in float32")
    run_eagerly: bool = option(False, "run operation by operation, to look inside")
    jit_compile: bool = option(False, "compile the step with XLA (JAX always does)")
    gpu: str | None = gpu()
    distributed: str | bool | None = option(
        None, "train on all devices, with the processes of SLURM, or HOST:PORT"
    )
    process: str | None = option(
        None,
        "number I/N of this process, from 0/N, with -distributed HOST:PORT",
        check=check_process,
    )
    save_every: int | None = option(
        None, "steps between saved states; an epoch", least=1
    )
    sample_every: int | None = option(
        None, "steps between sample pictures; an epoch", least=1
    )
    vgg_weights: str | None = option(
        None,
        "file of the frozen network, instead of the download: .h5, .npz; .pth for "
        "perceptual=resnet50",
    )

    def __post_init__(self):
        super().__post_init__()
        if self.warm_up_generator:
            if self.stage not in (None, WARM_UP):
                raise InputError(
                    f"stage: must be {WARM_UP} with -warm_up_generator, received "
                    f"{self.stage!r}"
                )
            object.__setattr__(self, "stage", WARM_UP)
        self._check_distributed()
        family = found(PRESET)(self.preset)["family"]
        stages = family.stages
        if not stages:
            raise InputError(f"preset: {self.preset} cannot be trained")
        check_precision(self.mixed_precision, self.preset)
        if self.captions and "prompt" not in family.options:
            raise InputError(
                f"captions: must be for a model that takes a text, received "
                f"{self.captions!r}"
            )
        on_record = self.resume and "preset" not in self.given
        if self.stage and not on_record:
            choose("stage", self.stage, dict.fromkeys(stages))
        refuse_run_settings(self.set)
        fields = {field.name: field for field in self.options()}
        for name in ("image_size", "critic_steps", "id_mrf_weight", "lambda_ratio"):
            if name in self.set:
                check(fields[name], self.set[name])

    def _check_distributed(self):
        address = self.distributed
        if isinstance(address, str) and not re.fullmatch(r".+:\d{1,5}", address):
            raise InputError(
                "distributed: must be HOST:PORT of the first process, or nothing, "
                f"received {address!r}"
            )
        if isinstance(address, str) != bool(self.process):
            raise InputError(
                "process: is needed with -distributed HOST:PORT, and only then, "
                f"received {self.process!r} and {address!r}"
            )
        if address and self.run_eagerly:
            raise InputError(
                "run_eagerly: must not be given with -distributed, whose steps are "
                "compiled, received True"
            )

    @property
    def folder(self) -> Path:
        """The experiment's."""
        return Path(self.output_path, self.experiment_name or self.preset)

    def complete(self):
        if self.resume:  # which has them on record
            return
        if not self.train_path:
            raise InputError("train_path: is needed, received none")
        check_mask_files(self)

    def check_sources(self):
        check_files(self, "vgg_weights")
        if self.resume:
            found("inpainting_zoo.training.record:resumed")(self)
            return
        if self.captions:
            found("inpainting_zoo.data.captions:read_prompts")(self.captions)
        listed = () if self.dataset_layout else ("train_path",)
        others = ("mask_path", "objects_path", "validation_path", "aligned")
        check_pictures(self, *listed, *others)
        if isinstance(self.from_weights, str):
            check_weights("from_weights", self.from_weights)
        found("inpainting_zoo.training.data:check_stage")(self)
        found("inpainting_zoo.training.data:check_training")(self)


@dataclasses.dataclass(frozen=True, kw_only=True)
class EnsembleSettings(TrainSettings):
    """Settings of an ensemble: those of training, and its own.

    Attributes:
        DECIDED: settings of training that the command itself decides.
    """

    NEEDED: ClassVar[tuple] = ("train_path", "cache")
    DECIDED: ClassVar[tuple] = (
        *("stage", "warm_up_generator", "from_weights", "resume", "aligned"),
        *("output_path", "objects_path", "epochs", "max_zoom", "captions", "crops"),
        *("critic_steps", "id_mrf_weight", "lambda_ratio"),
        *("distributed", "process"),
    )

    cache: str | None = option(
        None, "folder of pictures, masks, predictions and experiments", writes="folder"
    )
    members: tuple[str, str] | None = option(
        None, "two presets with weights or weight files; the preset's"
    )
    per_category: int | None = option(
        None, "most training pictures of each folder; all", least=1
    )
    memory_limit: int | None = option(
        None, "MB of this process at which it stops", least=1
    )
    preset: str = option("ensemble", "ensemble to train", check=PRESET)
    steps: int = option(2000, "of each of the three stages", least=1)
    metrics: str | None = metrics()

    @classmethod
    def options(cls) -> list:
        return [field for field in super().options() if field.name not in cls.DECIDED]

    def complete(self):
        Settings.complete(self)

    def check_sources(self):
        check_files(self, "vgg_weights")
        check_pictures(self, "train_path", "mask_path", "validation_path")
        folder = found(PRESET)(self.preset)["family"].folder
        if folder != "ensemble":
            raise InputError(
                f"preset: an ensemble, received {self.preset}, which is none"
            )
        weights = [self.set.get(f"{x}_weight", 1) for x in ("perceptual", "style")]
        lpips = self.set.get("perceptual") == "lpips" and any(weights)
        if lpips and not self.vgg_weights:  # the combiner would ask for it, hours later
            raise InputError(
                "vgg_weights: is needed with -set perceptual=lpips, received none"
            )
        wanted = found("inpainting_zoo.metrics.measures:wanted_measures")
        wanted(self.metrics, pictures=self.validation_images)
        roles = found("inpainting_zoo.ensemble.presets:ROLES")
        members = dict(zip(roles, self.members or ()))
        for member in members.values():
            found("inpainting_zoo.ensemble.members:Member")(member)
        found("inpainting_zoo.training.data:check_training")(self, **members)


@dataclasses.dataclass(frozen=True, kw_only=True)
class AnimateSettings(Settings):
    """Settings of an animation."""

    NEEDED: ClassVar[tuple] = ("experiment_name",)

    experiment_name: str | None = option(
        None, "experiment in -output_path to show", check=check_name
    )
    output_path: str = option("outputs", "folder of experiments")
    save_to: str | None = option(
        None, "GIF file to write; animation.gif in the experiment", writes="file"
    )
    frames_per_second: float = option(
        3.0, "pictures shown in a second", least=0.01, most=50
    )
