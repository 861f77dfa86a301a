"""Settings of every command: names, types, defaults, ranges and help.

A class for each; making one checks it. `arguments.py` reads them from a command line.
"""

import dataclasses
import os
import re
from pathlib import Path
from typing import ClassVar

from inpainting_zoo.errors import InputError, choose
from inpainting_zoo.settings import Settings, check, found, option
from inpainting_zoo.storage.checkpoints import part_files
from inpainting_zoo.storage.shards import parse_shard

WARM_UP = "warm_up_generator"
MOST_SEED = 2**32 - 1
MOST_DILATION = 10_000  # pixels
LAYOUTS = "inpainting_zoo.data.layouts:LAYOUTS"
STRATEGIES = "inpainting_zoo.inpainting.strategies:STRATEGIES"
PRECISIONS = "inpainting_zoo.engine.precisions:DTYPES"
PRESET = "inpainting_zoo.presets:get"
# Options of `inpaint` that a video does not take, with what stands for nothing.
PICTURES_ONLY = {"mask_from": None, "fill_alpha": False, "variants": 1}
PICTURES_ONLY |= {"in_place": False, "overwrite": False, "shard": None}
PICTURES_ONLY |= {"ray": None, "with_from": None}
# Arguments of every model that are settings of the run.
RUN_SETTINGS = {"seed": "-seed", "dtype": "-mixed_precision"}


def seed(text: str):
    """Returns the field of a seed, as every generator of random numbers takes it."""
    return option(0, text, least=0, most=MOST_SEED)


def max_pixels():
    """Returns the field of the limit that protects the memory."""
    text = "refuse larger pictures from their header"
    return option(64_000_000, text, least=1)


def masks(text: str):
    """Returns the field of a mixture of mask generators."""
    return option(None, text, check="inpainting_zoo.data.masks:parse_mixture")


def metrics():
    """Returns the field of the measures."""
    text = "measures, such as psnr,ssim,lpips; those that need no further file"
    return option(None, text, check="inpainting_zoo.metrics.measures:listed")


def mask_label():
    """Returns the field that says which number of a mask of labels is the hole."""
    text = "number of the hole in a mask of labels, or any (but 0)"
    return option(None, text, check=_check_mask_label)


def objects():
    """Returns the field of the pictures that say where objects are."""
    text = "folder of label pictures by name, or COCO's JSON, for masks of objects"
    return option(None, text)


def shard():
    """Returns the field of the share that a process does of a run."""
    text = "do the share I/N of the pictures, from 0/N to N-1/N; see the command join"
    return option(None, text, check=parse_shard)


def _check_mask_label(value):
    if value != "any" and not (value.isdecimal() and 1 <= int(value) <= 65535):
        raise InputError(
            f"mask_label: must be a number from 1 to 65535, or any, received {value!r}"
        )


def _check_process(value):
    parse_shard(value, "process")


def _check_gpu(value):
    if not re.fullmatch(r"none|\d+(,\d+)*", value):
        raise InputError(f"gpu: must be a number or none, received {value!r}")


def _check_name(value):
    path = os.path.normpath(value)
    if not value or os.path.isabs(value) or path.split(os.sep)[0] in ("..", "."):
        raise InputError(
            "experiment_name: must be the name of a folder in -output_path, received "
            f"{value!r}"
        )


def gpu():
    """Returns the field that chooses devices."""
    text = "number of the GPU to use, or none; all"
    return option(None, text, check=_check_gpu)


def _check_mask_files(settings):
    """Refuses what says how mask files are read where there are none."""
    for name in ("mask_label", "invert_mask"):
        if getattr(settings, name) not in (None, False) and not settings.mask_path:
            raise InputError(
                f"{name}: needs mask files by -mask_path, received none of them"
            )


def _check_pictures(settings, *names):
    """Refuses folders and lists that hold no picture, before an engine is loaded."""
    list_images = found("inpainting_zoo.data.images:list_images")
    for name in names:
        value = getattr(settings, name)
        if name == "objects_path":  # which may be annotations
            found("inpainting_zoo.data.objects:list_objects")(value)
            continue
        for source in value.values() if isinstance(value, dict) else [value]:
            if source:
                list_images(str(source), name, warn=False)


def _refuse_run_settings(arguments):
    for name in arguments.keys() & RUN_SETTINGS.keys():
        raise InputError(
            f"set: must hold arguments of the model, received {name}, which is a "
            f"setting of a training run: use {RUN_SETTINGS[name]}"
        )


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
        None, "folder in -output_path; the preset's name", check=_check_name
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
    mixed_precision: str = option(
        "float32", "of the generator; critics stay in float32", choices=PRECISIONS
    )
    run_eagerly: bool = option(False, "run operation by operation, to look inside")
    jit_compile: bool = option(False, "compile the step with XLA (JAX always does)")
    gpu: str | None = gpu()
    distributed: str | bool | None = option(
        None, "train on all devices, with the processes of SLURM, or HOST:PORT"
    )
    process: str | None = option(
        None,
        "number I/N of this process, from 0/N, with -distributed HOST:PORT",
        check=_check_process,
    )
    save_every: int | None = option(
        None, "steps between saved states; an epoch", least=1
    )
    sample_every: int | None = option(
        None, "steps between sample pictures; an epoch", least=1
    )
    vgg_weights: str | None = option(
        None, "file (.h5 or .npz) of the frozen network, instead of the download"
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
        if self.captions and "prompt" not in family.options:
            raise InputError(
                f"captions: must be for a model that takes a text, received "
                f"{self.captions!r}"
            )
        if self.stage:
            choose("stage", self.stage, dict.fromkeys(stages))
        _refuse_run_settings(self.set)
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
        _check_mask_files(self)

    def check_sources(self):
        if self.resume:
            if not (self.folder / "config.json").is_file():
                raise InputError(
                    f"resume: {self.folder} must hold a run, received nothing"
                )
            return
        if self.captions:
            found("inpainting_zoo.data.captions:read_prompts")(self.captions)
        listed = () if self.dataset_layout else ("train_path",)
        others = ("mask_path", "objects_path", "validation_path", "aligned")
        _check_pictures(self, *listed, *others)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelSettings(Settings):
    """Which model a command uses.

    Attributes:
        MODEL_NEEDED: whether one must be named; else `presets.DEFAULT` is taken.
    """

    MODEL_NEEDED: ClassVar[bool] = True

    preset: str | None = option(
        None,
        "model of the zoo; see `runner.py presets`",
        aliases=("model",),
        check=PRESET,
    )
    experiment_name: str | None = option(
        None, "generator of an experiment in -output_path", check=_check_name
    )
    from_weights: str | None = option(None, "weight file of this library")
    adapters: list | None = option(
        None, "files beside the weights: LoRA, or learned prompts of tasks"
    )
    output_path: str = option("outputs", "folder of experiments")
    verify: bool = option(False, "check the preset's weights by their SHA-256")
    gpu: str | None = gpu()

    def __post_init__(self):
        super().__post_init__()
        if self.experiment_name and self.from_weights:
            raise InputError(
                "from_weights: must not be given with -experiment_name, one source of "
                f"weights is enough, received {self.from_weights!r} and "
                f"{self.experiment_name!r}"
            )
        if self.verify and (self.experiment_name or self.from_weights):
            raise InputError(
                "verify: needs a -preset alone, whose weights have a SHA-256 on "
                f"record, received {self.experiment_name or self.from_weights!r}"
            )

    @property
    def files(self) -> list:
        """The weight files that are named, by path or as an experiment's.

        Raises:
            InputError: if they are not there.
        """
        if self.from_weights and not (
            os.path.exists(self.from_weights)
            or os.path.exists(f"{self.from_weights}.index")
        ):
            raise InputError(
                "from_weights: must be a file or folder of weights, received "
                f"{str(self.from_weights)!r}"
            )
        if not self.experiment_name:
            return [self.from_weights] if self.from_weights else []
        folder = Path(self.output_path, self.experiment_name)
        if files := part_files(folder):
            return files
        raise InputError(
            f"experiment_name: must hold weights for use in {folder / 'weights'}, "
            "received none"
        )

    @property
    def names_a_model(self) -> bool:
        """Whether any of its sources is given."""
        return bool(self.preset or self.experiment_name or self.from_weights)

    def complete(self):
        super().complete()
        if self.MODEL_NEEDED and not self.names_a_model:
            raise InputError(
                "preset: is needed, or -experiment_name or -from_weights, received none"
            )

    def check_sources(self):
        _ = self.files  # raises if they are not there
        for path in self.adapters or ():
            if not os.path.isfile(path):
                raise InputError(f"adapters: must be files, received {str(path)!r}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class CompletingSettings(ModelSettings):
    """Which model completes pictures, and how wide."""

    mask_dilation: float = option(
        0.0, "pixels to widen the hole by", least=0, most=MOST_DILATION
    )
    feathering: float = option(
        0.0, "pixels of the widened ring that fade into the picture", least=0
    )

    def __post_init__(self):
        super().__post_init__()
        if self.feathering > self.mask_dilation:
            raise InputError(
                f"feathering: must be at most -mask_dilation ({self.mask_dilation}), "
                f"within which known pixels may change, received {self.feathering}"
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluateSettings(CompletingSettings):
    """Settings of an evaluation."""

    test_path: str = option("embedded:test", "folder, list file or embedded:[test]")
    dataset_layout: str | None = option(
        None, "how a public dataset was unpacked", choices=LAYOUTS
    )
    mask_path: str | None = option(
        None, "folder of mask files, paired by name or in order"
    )
    masks: str | None = masks(
        "generators by weight, instead of -mask_path; the model's"
    )
    invert_mask: bool = option(False, "mask files are black in the hole")
    mask_label: str | None = mask_label()
    objects_path: str | None = objects()
    report: str = option(
        "outputs/report.json", "JSON file; CSV and PNG go beside it", writes="file"
    )
    image_size: int | None = option(
        None, "side in pixels to evaluate at; the model's", least=1
    )
    strategy: str = option(
        "original", "for sizes that are not the model's", choices=STRATEGIES
    )
    methods: str | None = option(
        None,
        "classical methods, such as telea,biharmonic, or none; all",
        check="inpainting_zoo.evaluation.baselines:listed",
    )
    train_path: str | None = option(
        None, "pictures that the method nearest_neighbour pastes from"
    )
    metrics: str | None = metrics()
    lpips_weights: str | None = option(
        None, "file (.npz, .safetensors or .pth) of VGG16 for lpips_vgg16, kid_vgg16"
    )
    inception_weights: str | None = option(
        None, "file of Inception for kid, fid, u_ids, p_ids, instead of the download"
    )
    max_pixels: int = max_pixels()
    limit: int | None = option(None, "evaluate the first so many images; all", least=1)
    seed: int = seed("of generated masks")
    protocol: str = option(
        "completed_1",
        "of pictures that are completed; report 000's or 004's for its numbers; or of "
        "moved subjects",
        choices=("completed_1", "report_000", "report_004", "res"),
    )
    shard: str | None = shard()

    def __post_init__(self):
        super().__post_init__()
        _check_mask_files(self)
        if self.shard and self.protocol != "completed_1":
            raise InputError(
                f"shard: must not be given with -protocol {self.protocol}, which is "
                f"measured by one process, received {self.shard!r}"
            )
        if not self.experiment_name:
            return
        folder = os.path.realpath(os.path.join(self.output_path, self.experiment_name))
        within = os.path.relpath(os.path.realpath(self.report), folder)
        if within.split(os.sep)[0] in ("config.json", "metrics.json", "weights"):
            raise InputError(
                "report: must not replace a file of the experiment, received "
                f"{str(self.report)!r}"
            )

    def check_sources(self):
        super().check_sources()
        listed = () if self.dataset_layout else ("test_path",)
        _check_pictures(self, *listed, "mask_path", "objects_path", "train_path")


@dataclasses.dataclass(frozen=True, kw_only=True)
class InpaintSettings(CompletingSettings):
    """Settings of completing pictures."""

    NEEDED: ClassVar[tuple] = ("mask", "save_to")
    MODEL_NEEDED: ClassVar[bool] = False

    image: str | None = option(None, "picture or folder")
    video: str | None = option(None, "video file, or folder of its frames, instead")
    mask: str | None = option(
        None, "mask file, white in the hole, or folder of masks by name; or a video"
    )
    save_to: str | None = option(
        None, "file or folder to write; of a video .mkv, .mp4 or a folder", writes="any"
    )
    per_frame: bool = option(False, "complete each frame of the video alone")
    invert_mask: bool = option(False, "masks are black in the hole")
    resize_mask: bool = option(False, "fit a mask of another size by nearest neighbour")
    mask_label: str | None = mask_label()
    mask_from: str | None = option(
        None, "the hole is where the mask is transparent", choices=("alpha",)
    )
    fill_alpha: bool = option(False, "make the completed hole opaque")
    max_pixels: int = max_pixels()
    strategy: str | None = option(
        None,
        "crop if the longer side is more than twice the model's, else original",
        choices=STRATEGIES,
    )
    with_options: dict = option(
        {}, "what the model takes for a picture, key=value", flag="with"
    )
    with_from: str | None = option(
        None, "CSV file of such options for each picture, columns file, prompt, ..."
    )
    seed: int = seed("of what the model draws")
    variants: int = option(
        1, "results from as many seeds, -save_to with _1 and so on", least=1
    )
    in_place: bool = option(False, "allow the output to replace the input")
    overwrite: bool = option(False, "allow it to replace another picture")
    shard: str | None = shard()
    ray: str | None = option(
        None, "complete a folder on the Ray cluster at this address, auto or local"
    )

    def __post_init__(self):
        super().__post_init__()
        if self.ray and self.shard:
            raise InputError(
                "ray: must not be given with -shard, since it shares a folder itself, "
                f"received {self.ray!r} and {self.shard!r}"
            )
        if self.ray and self.with_from:
            raise InputError(
                "ray: must not be given with -with_from, received "
                f"{self.ray!r} and {self.with_from!r}"
            )
        if self.ray and self.gpu not in (None, "none"):
            raise InputError(
                "gpu: must be none or left out with -ray, which gives each worker its "
                f"own, received {self.gpu!r}"
            )
        if self.seed + self.variants > MOST_SEED + 1:
            raise InputError(
                f"seed: must be at most {MOST_SEED} for the last of -variants, "
                f"received {self.seed} and {self.variants} of them"
            )
        if self.video and self.image:
            raise InputError(
                "video: must not be given with -image, received "
                f"{self.video!r} and {self.image!r}"
            )
        if self.per_frame and not self.video:
            raise InputError("per_frame: needs a -video, received none")
        for name, plain in PICTURES_ONLY.items():
            if self.video and getattr(self, name) != plain:
                raise InputError(
                    f"{name}: must not be given with -video, received "
                    f"{getattr(self, name)!r}"
                )
        if self.mask_from and self.mask_label is not None:
            raise InputError(
                "mask_label: must not be given with -mask_from, which does not look at "
                f"labels, received {self.mask_label!r}"
            )

    def complete(self):
        if not (self.image or self.video):
            raise InputError("image: is needed, or -video, received none")
        super().complete()


@dataclasses.dataclass(frozen=True, kw_only=True)
class JoinSettings(Settings):
    """Settings of joining what shares have done."""

    save_to: str | None = option(None, "folder of the pictures that they completed")
    report: str | None = option(
        None, "of an evaluation, instead: JSON file to write", writes="file"
    )

    def complete(self):
        if bool(self.save_to) == bool(self.report):
            raise InputError(
                "save_to: is needed, or -report, received "
                f"{self.save_to!r} and {self.report!r}"
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class RepositionSettings(ModelSettings):
    """Settings of moving a subject within its picture."""

    NEEDED: ClassVar[tuple] = ("image", "mask", "shift", "save_to")
    MODEL_NEEDED: ClassVar[bool] = False

    image: str | None = option(None, "picture")
    mask: str | None = option(
        None, "mask file, white in the subject, its shadow included"
    )
    shift: tuple[int, int] | None = option(None, "pixels to the right and down")
    save_to: str | None = option(None, "file to write", writes="file")
    scale: float | None = option(
        None, "of the subject, about its foot; 1, or by -depth", least=1 / 8, most=8
    )
    amodal: str | None = option(
        None, "mask file of all of the subject, also where something hides it"
    )
    depth: str | None = option(
        None, "picture of nearness, brighter where nearer, by which it is scaled"
    )
    matting: int = option(
        2, "pixels on each side of the subject's edge that may be mixed", least=0
    )
    mask_label: str | None = mask_label()
    mask_dilation: float = option(
        2.0, "pixels to widen the holes by", least=0, most=MOST_DILATION
    )
    max_pixels: int = max_pixels()
    with_options: dict = option(
        {}, "what the model takes for a picture, key=value", flag="with"
    )
    seed: int = seed("of what the model draws")
    keep_steps: bool = option(False, "save what comes between, in NAME_steps")
    overwrite: bool = option(False, "allow it to replace another picture")

    def check_sources(self):
        super().check_sources()
        for name in ("image", "mask", "amodal", "depth"):
            path = getattr(self, name)
            if path and not os.path.isfile(path):
                raise InputError(f"{name}: must be a file, received {str(path)!r}")


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
        None, "MB of this process at which it stops, before it swaps", least=1
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
        _check_pictures(self, "train_path", "mask_path", "validation_path")


@dataclasses.dataclass(frozen=True, kw_only=True)
class AnimateSettings(Settings):
    """Settings of an animation."""

    NEEDED: ClassVar[tuple] = ("experiment_name",)

    experiment_name: str | None = option(
        None, "experiment in -output_path to show", check=_check_name
    )
    output_path: str = option("outputs", "folder of experiments")
    save_to: str | None = option(
        None, "GIF file to write; animation.gif in the experiment", writes="file"
    )
    frames_per_second: float = option(
        3.0, "pictures shown in a second", least=0.01, most=50
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConvertSettings(Settings):
    """Settings of a conversion."""

    NEEDED: ClassVar[tuple] = ("preset", "source", "save_to")

    preset: str | None = option(
        None,
        "which network the checkpoint belongs to",
        aliases=("model",),
        check=PRESET,
    )
    source: str | None = option(
        None, ".pth, .ckpt, .bin, .safetensors, .npz or a TensorFlow 1 checkpoint"
    )
    save_to: str | None = option(
        None, "weight file to write (.safetensors or .npz)", writes="file"
    )
    set: dict = option({}, "arguments of the preset to replace, key=value")

    def __post_init__(self):
        super().__post_init__()
        _refuse_run_settings(self.set)

    def check_sources(self):
        files = found("inpainting_zoo.weights.read_checkpoint:files_of")
        if not any(os.path.exists(path) for path in files(self.source)):
            raise InputError(
                f"source: must be a file or folder of weights, received {self.source!r}"
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExportSettings(ModelSettings):
    """Settings of an export."""

    NEEDED: ClassVar[tuple] = ("format", "save_to")

    format: str | None = option(
        None,
        "saved_model, onnx or litert",
        choices="inpainting_zoo.exporting.formats:FORMATS",
    )
    save_to: str | None = option(
        None, "file to write, or folder of a saved_model", writes="any"
    )
    image_size: int | None = option(
        None, "fixed side in pixels; any size where the format can", least=1
    )
    precision: str = option(
        "float32",
        "of the weights",
        choices="inpainting_zoo.exporting.formats:PRECISIONS",
    )
    pixels: str = option(
        "uint8", "in and out: 0..255, or [-1, 1]", choices=("uint8", "float32")
    )

    def check_sources(self):
        super().check_sources()
        check_format = found("inpainting_zoo.exporting.formats:check")
        check_format(self.format, self.save_to, self.precision)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServeSettings(Settings):
    """Settings of the page and its service."""

    port: int = option(
        8000, "where the page is; 0 takes a free one", least=0, most=65535
    )
    host: str = option("127.0.0.1", "address to listen on; others let strangers in")
    queue: int = option(8, "requests at once, waiting ones included", least=1)
    max_megabytes: int = option(100, "refuse larger picture files", least=1)
    max_pixels: int = max_pixels()
    body_seconds: float = option(
        60.0, "within which a request must have been sent", above=0
    )
    model_megabytes: int = option(
        2000, "weights held at once; the least recently used model leaves", least=1
    )
    gpu: str | None = gpu()


@dataclasses.dataclass(frozen=True, kw_only=True)
class PresetsSettings(Settings):
    """The list of presets has no settings."""


COMMANDS = {
    "train": (TrainSettings, "train a model (the default command)"),
    "evaluate": (EvaluateSettings, "measure a model beside the classical methods"),
    "inpaint": (InpaintSettings, "complete a picture, a folder of them or a video"),
    "join": (JoinSettings, "make one of what processes with -shard have done"),
    "reposition": (RepositionSettings, "move a subject, and fill in what it leaves"),
    "animate": (AnimateSettings, "show an experiment's samples over its epochs"),
    "convert": (ConvertSettings, "turn an official checkpoint into a weight file"),
    "export": (ExportSettings, "write a model as a SavedModel, ONNX or LiteRT file"),
    "serve": (ServeSettings, "open a page with a brush on this machine"),
    "ensemble": (EnsembleSettings, "join two models, from pictures to a table"),
    "presets": (PresetsSettings, "list what can be loaded"),
}
