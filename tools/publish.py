"""Turns the networks of an experiment into the weights that a preset is shipped with.

    python tools/publish.py -experiment_name NAME -preset NAME

writes weights/PRESET.safetensors in float16, of several parts PRESET_PART.safetensors,
and weights/reports/PRESET_training.json, and prints the line to complete with licence
and source in the preset's entry.
"""

import argparse
from functools import partial
from pathlib import Path

from inpainting_zoo import presets
from inpainting_zoo.errors import InputError, WeightsError
from inpainting_zoo.storage.checkpoints import load_weights, part_files, save_weights
from inpainting_zoo.storage.files import refuse_replacing, sha256, write_json
from inpainting_zoo.tools.commands import script
from inpainting_zoo.tools.training_report import training_report
from inpainting_zoo.training.record import check_same_generator

ROOT = Path(__file__).parent.parent
MOST_BYTES = 20_000_000  # of a file


def main(argv=None):
    publish(parse(argv))


def parse(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-experiment_name", required=True)
    parser.add_argument("-output_path", default="outputs", help="of experiments")
    parser.add_argument("-preset", required=True, help="to ship the weights with")
    parser.add_argument("-save_to", default=ROOT / "weights", type=Path)
    return parser.parse_args(argv)


def publish(options):
    experiment = Path(options.output_path, options.experiment_name)
    sources = {path.stem: path for path in part_files(experiment)}
    if not sources:
        raise InputError(
            f"experiment_name: must have weights, received {str(experiment)!r}"
        )
    several = len(sources) > 1
    paths = {
        part: options.save_to / f"{options.preset}{f'_{part}' * several}.safetensors"
        for part in sources
    }
    former = f"former weights of {options.preset}"
    of_preset = partial(_is_of, options.preset)
    refuse_replacing("save_to", [*paths.values()], former, of_preset)
    opened = {part: load_weights(path) for part, path in sources.items()}
    held = {p: halves(a, m, options.preset, sources[p]) for p, (a, m) in opened.items()}
    stages = {m["stage"]: m for _, m in opened.values()}
    *earlier, last = (
        training_report(experiment, stages[stage])
        for stage in presets.family(options.preset).stages
        if stage in stages
    )
    for part, (_, metadata) in opened.items():
        about = {"preset": options.preset, "overrides": {}}
        about |= {key: metadata[key] for key in ("stage", "step")}
        save_weights(paths[part], held[part], about)
    # Loads them again, to be sure.
    presets.load(options.preset, paths if several else next(iter(paths.values())))
    files = {
        part: {
            "file": path.name,
            "bytes": path.stat().st_size,
            "sha256": sha256(path),
        }
        for part, path in paths.items()
    }
    report = last | {"preset": options.preset, "stages": earlier, "files": files}
    name = f"{options.preset}_training.json"
    write_json(options.save_to / "reports" / name, report)
    lines = [
        f'"{part}": Weights("{about["file"]}", "{about["sha256"]}")'
        for part, about in files.items()
    ]
    print(f'"weights": {{{", ".join(lines)}}},')


def _is_of(preset, path):
    try:
        return load_weights(path)[1].get("preset") == preset
    except WeightsError:
        return False


def halves(arrays: dict, metadata: dict, preset: str, source: Path) -> dict:
    """Returns the arrays of a trained part in float16.

    Raises:
        InputError: if their file would be too large to ship.
        WeightsError: if the preset is of another generator.
    """
    check_same_generator(metadata, {"preset": preset, "overrides": {}}, source)
    found = {
        name: array.astype("float16") if array.dtype.kind == "f" else array
        for name, array in arrays.items()
    }
    size = sum(array.nbytes for array in found.values())
    if size > MOST_BYTES:
        raise InputError(f"preset: at most {MOST_BYTES} bytes, received {size}")
    return found


if __name__ == "__main__":
    script(main)
