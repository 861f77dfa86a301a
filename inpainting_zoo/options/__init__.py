"""Settings of every command: names, types, defaults, ranges and help.

A class for each; making one checks it. `arguments.py` reads them from a command line.
"""

from inpainting_zoo.options.evaluate import EvaluateSettings
from inpainting_zoo.options.files import ConvertSettings, ExportSettings
from inpainting_zoo.options.inpaint import (
    InpaintSettings,
    JoinSettings,
    RepositionSettings,
)
from inpainting_zoo.options.serve import PresetsSettings, ServeSettings
from inpainting_zoo.options.train import (
    AnimateSettings,
    EnsembleSettings,
    TrainSettings,
)

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
