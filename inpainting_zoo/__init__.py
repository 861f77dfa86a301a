"""Trainable image-inpainting models for Keras 3.

Importing it loads no engine; the first use of a name below does.
"""

import importlib

__version__ = "0.2.0"

# What most scripts need, by the module that it is in.
NAMES = {
    "build": "inpainting_zoo.presets",
    "load": "inpainting_zoo.presets",
    "Inpainter": "inpainting_zoo.models.inpainter",
    "TrainingPairs": "inpainting_zoo.data.training",
    "list_images": "inpainting_zoo.data.images",
    "stream": "inpainting_zoo.engine.batches",
    "complete": "inpainting_zoo.inpainting.strategies",
    "complete_bytes": "inpainting_zoo.inpainting.picture",
}


def __getattr__(name):
    if name not in NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(NAMES[name]), name)


def __dir__():
    return [*globals(), *NAMES]
