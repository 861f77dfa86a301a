"""The command line: parses, chooses devices, calls the room of the command."""

import pkgutil
import sys
import traceback

from inpainting_zoo import terminal

# What runs a command: takes its settings, returns an exit code or None for 0.
COMMANDS = {
    "train": "inpainting_zoo.training.train:train",
    "evaluate": "inpainting_zoo.evaluation.evaluate:evaluate",
    "inpaint": "inpainting_zoo.inpainting.inpaint:inpaint",
    "join": "inpainting_zoo.inpainting.join:join",
    "reposition": "inpainting_zoo.inpainting.reposition:reposition_file",
    "animate": "inpainting_zoo.training.animate:animate_experiment",
    "convert": "inpainting_zoo.weights.convert:convert",
    "export": "inpainting_zoo.exporting.command:export",
    "serve": "inpainting_zoo.serving.serve:serve",
    "ensemble": "inpainting_zoo.ensemble.command:ensemble",
    "presets": "inpainting_zoo.chosen:list_presets",
}


def main(argv: list) -> int:
    """Runs a command; returns the exit code (see the README)."""
    from inpainting_zoo import arguments, errors

    with terminal.notes():
        try:
            return run(*arguments.parse(argv))
        except errors.ZooError as error:
            return _fail(arguments.dashed(str(error)), error.exit_code)
        except OSError as error:  # a full disk, a folder that became read-only
            reason = f"{error.filename or argv}: {error.strerror or error}"
            return _fail(reason, errors.InputError.exit_code)
        except KeyboardInterrupt:
            return 130


def run(command: str, settings) -> int:
    """Chooses the engine's devices and runs a command, whose room loads the engine.

    Args:
        command: name in `COMMANDS`.
        settings: its `Settings`.
    """
    from inpainting_zoo.engine import choice

    choice.check_engine()
    settings.check_sources()
    gpu = getattr(settings, "gpu", None)
    choice.choose_devices(gpu)
    if address := getattr(settings, "distributed", None):
        from inpainting_zoo.engine import distribution

        distribution.begin(address, settings.process)
    with terminal.interrupted_at_once():
        function = pkgutil.resolve_name(COMMANDS[command])
    choice.check_devices(gpu)
    return function(settings) or 0


def console():
    """Runs the command that the program was started with, and ends it."""
    with terminal.interrupted_at_once():
        try:
            from inpainting_zoo import arguments  # noqa: F401
        except ModuleNotFoundError as error:
            sys.exit(
                f"error: {error.name} is not installed: run `make setup` and "
                "`. .venv/bin/activate`, or pip install ."
            )
        aside = terminal.prepare()
    try:
        code = main(sys.argv[1:])
    except SystemExit as stop:  # of a training that a signal has stopped
        code = stop.code
    except Exception:
        if lines := terminal.tail(aside):
            print(f"the engine's last lines:\n{lines}", file=sys.stderr)
        traceback.print_exc()
        code = 1
    from inpainting_zoo.engine import distribution

    distribution.leave(code)
    sys.exit(code)


def _fail(reason, code):
    print(f"error: {' '.join(reason.split())}", file=sys.stderr)
    return code
