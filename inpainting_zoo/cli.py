"""The command line: parses, chooses devices, calls the room of the command."""

import contextlib
import pkgutil
import signal
import sys
import threading
import traceback

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
ENGINE_FREE = (
    "presets",
    "inpaint",
    "join",
    "reposition",
    "serve",
    "animate",
)  # but for what models load themselves


def main(argv: list) -> int:
    """Runs a command; returns the exit code (see the README)."""
    from inpainting_zoo import arguments, errors, terminal

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
    """Loads what a command needs, the engine before all, and runs it.

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
    with interrupted_at_once():
        function = pkgutil.resolve_name(COMMANDS[command])
    choice.check_devices(gpu)
    if command in ENGINE_FREE:
        return function(settings) or 0
    from inpainting_zoo.engine.backend import explicit_settings

    with explicit_settings():
        return function(settings) or 0


@contextlib.contextmanager
def interrupted_at_once():
    """Lets Ctrl-C end the program without a traceback, while nothing can be lost."""
    here = threading.current_thread() is threading.main_thread()
    if not here or signal.getsignal(signal.SIGINT) != signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def console():
    """Runs the command that the program was started with, and ends it."""
    with interrupted_at_once():
        try:
            from inpainting_zoo import arguments, errors, terminal  # noqa: F401
        except ModuleNotFoundError as error:
            sys.exit(
                f"error: {error.name} is not installed: run `make setup` and "
                "`. .venv/bin/activate`, or pip install ."
            )
        # Names that are not UTF-8 stay as they are; others may not be shown.
        utf8 = sys.stdout.encoding.lower() in ("utf-8", "utf8")
        errors_shown = "surrogateescape" if utf8 else "backslashreplace"
        sys.stdout.reconfigure(errors=errors_shown)
        aside = terminal.set_engine_aside()
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
