"""Settings of an evaluation."""

import dataclasses
import os
import re

from inpainting_zoo.errors import InputError
from inpainting_zoo.options.fields import (
    LAYOUTS,
    STRATEGIES,
    check_files,
    check_mask_files,
    check_pictures,
    mask_label,
    masks,
    max_pixels,
    metrics,
    objects,
    seed,
    shard,
)
from inpainting_zoo.options.model import CompletingSettings
from inpainting_zoo.settings import found, option

CONFIG = re.compile(r"config(_\w+)?\.json")  # of an experiment's stages
AS_IT_IS = {"strategy": "original", "mask_dilation": 0, "texture": None}


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
    inception_weights: list | None = option(
        None,
        "files of Inception: torchvision's, or that of 2015 instead of the download",
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
        check_mask_files(self)
        if self.shard and self.protocol != "completed_1":
            raise InputError(
                f"shard: must not be given with -protocol {self.protocol}, which is "
                f"measured by one process, received {self.shard!r}"
            )
        if self.protocol != "completed_1":  # these have ways of their own
            for name, value in AS_IT_IS.items():
                if (given := getattr(self, name)) != value:
                    wanted = "none" if value is None else value
                    raise InputError(
                        f"{name}: {wanted} in {self.protocol}, received {given}"
                    )
        if self.protocol == "report_004" and self.metrics:
            raise InputError(
                f"metrics: none but its own in report_004, received {self.metrics!r}"
            )
        if self.protocol == "report_004" and self.with_options:
            raise InputError(
                "with: none in report_004, which scores what networks give, received "
                f"{self.with_options!r}"
            )
        if not self.experiment_name:
            return
        folder = os.path.realpath(os.path.join(self.output_path, self.experiment_name))
        within = os.path.relpath(os.path.realpath(self.report), folder)
        first = within.split(os.sep)[0]
        if first in ("metrics.json", "weights") or CONFIG.fullmatch(first):
            raise InputError(
                "report: must not replace a file of the experiment, received "
                f"{str(self.report)!r}"
            )

    def check_sources(self):
        super().check_sources()
        listed = () if self.dataset_layout else ("test_path",)
        others = ("mask_path", "objects_path", "train_path")
        check_pictures(self, *listed, *others, whole=True)
        check_files(self, "lpips_weights", "inception_weights")
        if self.preset and not self.files:
            side, sizes = found("inpainting_zoo.presets:sized")(self.preset)
            shown = self.image_size or side
            if self.protocol == "report_000":
                found("inpainting_zoo.evaluation.report_000:check_size")(shown, side)
            if self.protocol == "report_004":
                sizes.check(shown)
