"""Every model of the zoo by name."""

from pathlib import Path

import keras

from inpainting_zoo import weights
from inpainting_zoo.context_encoder.presets import PRESETS as CONTEXT_ENCODER_PRESETS
from inpainting_zoo.errors import InputError, WeightsError, choose
from inpainting_zoo.gmcnn.presets import PRESETS as GMCNN_PRESETS
from inpainting_zoo.storage.checkpoints import assign, check, load_weights
from inpainting_zoo.storage.files import sha256

PRESETS = {**GMCNN_PRESETS, **CONTEXT_ENCODER_PRESETS}
WEIGHTS = Path(weights.__file__).parent


def get(name: str):
    """Returns a preset: description, model class, config, training defaults, weights.

    Raises:
        InputError: if no preset has this name.
    """
    return choose("preset", name, PRESETS)


def build(name: str, **overrides):
    """Builds a preset's model with random weights.

    Args:
        name: of the preset.
        **overrides: replace arguments of its configuration.

    Raises:
        InputError: if the preset or an argument is unknown.
    """
    preset = get(name)
    try:
        return preset["model"](**preset["config"] | overrides)
    except TypeError as error:
        raise InputError(f"{name}: {error}") from error


def load(name: str, weights: str | Path | None = None, **overrides):
    """Builds a preset's model with trained weights.

    Args:
        name: of the preset.
        weights: a weight file of this library; by default the preset's own.
        **overrides: replace arguments of its configuration.

    Raises:
        InputError: if the preset or the file does not exist, or none is shipped.
        WeightsError: if the file is damaged or does not fit.
    """
    preset = get(name)
    if weights is None:
        if "weights" not in preset:
            shipped = [n for n in PRESETS if "weights" in PRESETS[n]]
            raise InputError(
                f"preset: {name} comes without trained weights (with them: "
                f"{', '.join(shipped) or 'none yet'}); name a file with -from_weights"
            )
        weights = WEIGHTS / preset["weights"]
        if weights.is_file() and sha256(weights) != preset["sha256"]:
            raise WeightsError(
                f"{weights}: must have the SHA-256 {preset['sha256']}, received "
                f"{sha256(weights)}"
            )
    arrays, _ = load_weights(weights)
    model = build(name, **overrides)
    assign(model.use_state(), arrays, weights)
    return model


def load_file(path: str | Path):
    """Builds the model that a weight file describes, with its weights.

    Returns:
        `(model, metadata)`.
    """
    arrays, metadata = load_weights(path)
    if "preset" not in metadata:
        raise WeightsError(f"{path}: must name its preset; give -preset as well")
    preset, overrides = metadata["preset"], metadata.get("overrides", {})
    try:
        # Takes no memory for variables: a file cannot ask for more than it holds.
        with keras.StatelessScope(initialize_variables=False):
            variables = build(preset, **overrides).use_state()
    except (TypeError, ValueError) as error:
        raise WeightsError(f"{path}: must describe a model; {error}") from error
    check(variables, arrays, path)
    model = build(preset, **overrides)
    assign(model.use_state(), arrays, path)
    return model, metadata


def digest(name: str) -> str:
    """Returns the SHA-256 of the weights that a preset is shipped with."""
    return get(name)["sha256"]


def table() -> str:
    """Returns a text table of what can be loaded."""
    lines = []
    for name, preset in PRESETS.items():
        weights = preset.get("weights", "no trained weights")
        lines.append(f"{name:<24} {preset['description']:<60} {weights}")
    return "\n".join(lines)
