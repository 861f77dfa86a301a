"""What the terminal shows: our notes and warnings, not the engine's chatter."""

import atexit
import contextlib
import faulthandler
import logging
import os
import signal
import sys
import tempfile
import threading
import warnings
from pathlib import Path

TAIL = 4000  # bytes of what the engine wrote, shown when it fails


class Notes(logging.Handler):
    """Writes notes to standard output and warnings to standard error, one line each.

    Progress bars that are on the screen stay below them.
    """

    def emit(self, record):
        from tqdm import tqdm

        text = self.format(record)
        with contextlib.suppress(OSError):  # of a terminal that has been closed
            if record.levelno < logging.WARNING:
                tqdm.write(text, file=sys.stdout)
                sys.stdout.flush()
            else:
                tqdm.write(f"warning: {text}", file=sys.stderr)


@contextlib.contextmanager
def notes():
    """Shows what this library logs and warns of, in a block."""
    ours, handler, formatter = logging.getLogger(__package__), Notes(), _one_line
    former = ours.level, warnings.formatwarning
    ours.addHandler(handler)
    ours.setLevel(logging.INFO)
    warnings.formatwarning = formatter
    for engine in ("tensorflow", "jax"):
        logging.getLogger(engine).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            # Of Pillow, beside our refusal.
            warnings.filterwarnings("ignore", "Image size .* exceeds limit")
            yield
    finally:
        ours.removeHandler(handler)
        ours.setLevel(former[0])
        warnings.formatwarning = former[1]


def _one_line(message, category, filename, lineno, line=None):
    return f"warning: {' '.join(str(message).split())}\n"


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


def prepare() -> Path | None:
    """Prepares standard output and error for a program; see `set_engine_aside`."""
    # Names that are not UTF-8 stay as they are; others may not be shown.
    utf8 = sys.stdout.encoding.lower() in ("utf-8", "utf8")
    sys.stdout.reconfigure(errors="surrogateescape" if utf8 else "backslashreplace")
    return set_engine_aside()


def set_engine_aside() -> Path | None:
    """Sends what compiled libraries write to file descriptor 2 to a file of its own.

    Python's own standard error stays the terminal, and is told of crashes. The file is
    removed when the program ends; a crash leaves it. Nothing is done where the user has
    set TF_CPP_MIN_LOG_LEVEL to choose what to see.

    Returns:
        The file, for `tail`; None if nothing was done.
    """
    if "TF_CPP_MIN_LOG_LEVEL" in os.environ:
        return None
    try:
        number, name = tempfile.mkstemp(prefix="inpainting-zoo-", suffix=".log")
    except OSError:  # nowhere to put it
        os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
        return None
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"  # errors are worth keeping
    sys.stderr.flush()
    options = {"encoding": sys.stderr.encoding, "errors": "backslashreplace"}
    sys.stderr = sys.__stderr__ = os.fdopen(os.dup(2), "w", 1, **options)
    os.dup2(number, 2)
    os.close(number)
    faulthandler.enable(sys.stderr)
    atexit.register(Path(name).unlink, missing_ok=True)
    return Path(name)


def tail(file: Path | None) -> str:
    """Returns the end of what was set aside, or nothing."""
    if file is None or not file.is_file():
        return ""
    return file.read_bytes()[-TAIL:].decode(errors="replace").strip()
