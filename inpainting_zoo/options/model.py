"""Settings of commands that use a model."""

import dataclasses
from pathlib import Path
from typing import ClassVar

from inpainting_zoo.errors import InputError
from inpainting_zoo.options.fields import (
    MOST_DILATION,
    PRESET,
    TEXTS,
    TEXTURES,
    check_files,
    check_name,
    check_precision,
    check_weights,
    gpu,
    mixed_precision,
)
from inpainting_zoo.settings import Settings, option
from inpainting_zoo.storage.checkpoints import part_files


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
        None, "generator of an experiment in -output_path", check=check_name
    )
    from_weights: str | None = option(None, "weight file of this library")
    adapters: list | None = option(
        None, "files beside the weights: LoRA, or learned prompts of tasks"
    )
    output_path: str = option("outputs", "folder of experiments")
    verify: bool = option(False, "check the preset's weights by their SHA-256")
    mixed_precision: str = mixed_precision("of the networks, weights included")
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
        if self.preset:
            check_precision(self.mixed_precision, self.preset)

    @property
    def files(self) -> list:
        """The weight files that are named, by path or as an experiment's.

        Raises:
            InputError: if they are not there.
        """
        if self.from_weights:
            check_weights("from_weights", self.from_weights)
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
    def overrides(self) -> dict:
        """Arguments that the model has instead of its own.

        What does not learn is held in the precision that it is computed in.
        """
        plain = self.mixed_precision == "float32"
        return {} if plain else {"dtype": self.mixed_precision}

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
        check_files(self, "adapters")


@dataclasses.dataclass(frozen=True, kw_only=True)
class CompletingSettings(ModelSettings):
    """Which model completes pictures, how, how wide, and with what texture."""

    with_options: dict = option(
        {}, "what the model takes for a picture, key=value", flag="with", texts=TEXTS
    )
    mask_dilation: float = option(
        0.0, "pixels to widen the hole by", least=0, most=MOST_DILATION
    )
    feathering: float = option(
        0.0, "pixels of the widened ring that fade into the picture", least=0
    )
    texture: str | None = option(
        None,
        "patchmatch: detail of the picture in what the model predicts; the preset's",
        choices=TEXTURES,
        check="inpainting_zoo.models.texture:texture_named",
    )

    def __post_init__(self):
        super().__post_init__()
        if self.feathering > self.mask_dilation:
            raise InputError(
                f"feathering: must be at most -mask_dilation ({self.mask_dilation}), "
                f"within which known pixels may change, received {self.feathering}"
            )
