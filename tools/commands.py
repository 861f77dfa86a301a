"""Commands that a script runs, each in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np

from inpainting_zoo import arguments as command_line
from inpainting_zoo.data.images import list_images
from inpainting_zoo.errors import ZooError
from inpainting_zoo.storage.checkpoints import Checkpoints
from inpainting_zoo.storage.files import write_json
from inpainting_zoo.training.data import with_preset_defaults

RUNNER = Path(__file__).parent.parent / "runner.py"


def script(main):
    """Runs a script, which an error that a user can mend ends in one line."""
    try:
        main()
    except ZooError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


def some_of(source: str, count: int | None, argument: str = "test_path") -> list:
    """Returns pictures of a folder or list, at most so many, drawn evenly by one seed.

    Args:
        source: folder, or text file with one path per line.
        count: how many; None takes all.
        argument: what to call the source in an error.
    """
    images = list_images(source, argument)
    order = np.random.default_rng(0).permutation(len(images))[:count]
    return [images[i] for i in sorted(order)]


def run(*arguments, script: Path = RUNNER):
    """Runs a command, shows it, and stops the calling script if it fails.

    Args:
        *arguments: of the command line.
        script: the Python file to run.
    """
    command = [sys.executable, str(script), *map(str, arguments)]
    print("$ " + " ".join(command[1:]), flush=True)
    if status := subprocess.run(command).returncode:
        sys.exit(status)


def train(name: str, output_path, *arguments):
    """Trains a stage of an experiment, from where an earlier call was interrupted.

    Args:
        name: of the experiment.
        output_path: folder of experiments.
        *arguments: of the training command; the same in every call.
    """
    words = ["-experiment_name", name, "-output_path", output_path, *arguments]
    _, settings = command_line.parse(["train", *map(str, words)])
    stage = with_preset_defaults(settings).stage
    states = Checkpoints(settings.folder / "weights").entries()
    begun = any(entry["stage"] == stage for entry in states)
    run("train", *words, *(["-resume"] if begun else []))


def spent(experiment: Path) -> float:
    """Returns the seconds that an experiment was trained for, 0 for none."""
    metrics = experiment / "metrics.json"
    stages = json.loads(metrics.read_text()) if metrics.is_file() else {}
    return sum(stage["seconds"] for stage in stages.values())


def check_same_run(path: Path, given: dict):
    """Stops the script if what a file keeps of an earlier call is not what is given."""
    found = json.loads(path.read_text()) if path.is_file() else "unknown arguments"
    if found != given:
        sys.exit(
            f"error: {path}: must hold the arguments of this run, {given}, received "
            f"{found}; choose another -output_path or remove what is there"
        )


def train_and_evaluate(name: str, output_path, training: list, evaluation: list):
    """Returns the report of an experiment; what is done is not done again.

    The arguments are kept beside the report. The script stops if they are not those of
    an earlier call, whose numbers would be of something else.

    Args:
        name: of the experiment.
        output_path: folder of experiments and reports.
        training, evaluation: arguments of the two commands.
    """
    given = {"train": [*map(str, training)], "evaluate": [*map(str, evaluation)]}
    report = Path(output_path, f"{name}.json")
    kept = report.with_suffix(".args.json")
    if report.is_file():  # of which nobody knows what it is without
        check_same_run(kept, given)
    keep_arguments(kept, given)
    if not report.is_file():
        train(name, output_path, *training)
        run("evaluate", "-experiment_name", name, "-output_path", output_path,
            "-report", report, *evaluation)  # fmt: skip
    return json.loads(report.read_text())


def keep_arguments(path: Path, given: dict):
    """Keeps the arguments of a run; stops the script if a file has those of another."""
    if path.is_file():
        check_same_run(path, given)
    write_json(path, given)
