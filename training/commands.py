"""Commands that a script runs, each in a process of its own."""

import subprocess
import sys
from pathlib import Path

RUNNER = Path(__file__).parent.parent / "runner.py"


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
    """Trains an experiment to its end, from where an earlier call was interrupted.

    Args:
        name: of the experiment.
        output_path: folder of experiments.
        *arguments: of the training command; the same in every call.
    """
    begun = Path(output_path, name, "weights", "manifest.json").is_file()
    experiment = ("-experiment_name", name, "-output_path", output_path)
    run("train", *experiment, *(["-resume"] if begun else []), *arguments)
