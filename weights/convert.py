"""The command that turns an official checkpoint into a weight file."""

from importlib import import_module

from inpainting_zoo import presets
from inpainting_zoo.options import ConvertSettings


def convert(settings: ConvertSettings):
    """Converts a checkpoint by the converter of the preset's family."""
    family = presets.get(settings.preset)["model"].__module__.split(".")[1]
    converter = import_module(f"inpainting_zoo.weights.convert_{family}")
    report = converter.convert(
        settings.source, settings.preset, settings.save_to, settings.set
    )
    print(
        f"{report['saved']}: {report['tensors']} tensors, {report['parameters']} "
        f"parameters, SHA-256 {report['sha256']}"
    )
