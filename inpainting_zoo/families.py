"""What is known of a family of models without loading it, and so its engine."""

import dataclasses
from collections.abc import Mapping
from importlib import import_module


@dataclasses.dataclass(frozen=True)
class Family:
    """A family of models, as its presets name it.

    Args:
        model: where its class is, "inpainting_zoo.folder.module:Class".
        stages: names of the ways of training, in their order; none cannot be trained.
        options: what `inpaint` takes beyond image, mask and seed: name -> default.
        draws: whether another seed gives another picture; None if that depends on
            what the model is made of.
        adapters: module with `read_adapter` and `arguments`, which open files that
            stand beside the weights; None has none.
    """

    model: str
    stages: tuple = ()
    options: Mapping = dataclasses.field(default_factory=dict)
    draws: bool | None = False
    adapters: str | None = None

    @property
    def folder(self) -> str:
        """The folder that it is in, such as "gmcnn"."""
        return self.model.split(".")[1]

    def load(self) -> type:
        """Returns the class; this loads the engine if it has one."""
        module, _, name = self.model.partition(":")
        return getattr(import_module(module), name)
