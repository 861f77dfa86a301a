"""How much memory this process has, and a limit that stops it in time."""

import _thread
import contextlib
import ctypes
import gc
import re
import signal
import threading
from pathlib import Path

from inpainting_zoo.errors import InputError

EVERY = 0.05  # seconds from one look to the next


def held() -> float | None:
    """Returns the memory that this process has now, in MB; None if not on Linux."""
    return _megabytes("/proc/self/status", "VmRSS")


def free() -> float | None:
    """Returns what the machine can still give without swapping, in MB, or None."""
    return _megabytes("/proc/meminfo", "MemAvailable")


def give_back():
    """Frees what nothing refers to, and gives free memory back to the machine."""
    gc.collect()  # networks and their layers refer to each other
    with contextlib.suppress(OSError, AttributeError):  # another library of C
        ctypes.CDLL(None).malloc_trim(0)


@contextlib.contextmanager
def limited(megabytes: int | None):
    """Stops what runs in a block as Ctrl-C does, once the process has more memory.

    Args:
        megabytes: of this process; None is no limit. No more than the machine can give
            at the start.

    Raises:
        InputError: if the limit is reached, or lies outside of what can be had.
    """
    if megabytes is None:
        yield
        return
    before, rest = held(), free()
    if before is None or rest is None:
        raise InputError("memory_limit: works on Linux, received another system")
    if not before < megabytes <= before + rest:
        raise InputError(
            f"memory_limit: from the {before:.0f} MB that the program itself takes to "
            f"the {before + rest:.0f} MB that are free, received {megabytes}"
        )
    ended, most = threading.Event(), []
    former = signal.getsignal(signal.SIGINT)
    if former == signal.SIG_IGN:  # as in the background of a script
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def watch():
        while not ended.wait(EVERY):
            if (now := held()) > megabytes:
                most.append(now)
                _thread.interrupt_main()
                return

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield
    except (KeyboardInterrupt, SystemExit):  # training saves its state, and exits
        if not most:
            raise
    finally:
        ended.set()
        watching.join()
        signal.signal(signal.SIGINT, former)
    if most:
        raise InputError(
            f"memory_limit: {megabytes} MB, received {most[0]:.0f}; what is done is "
            "kept, and a larger limit goes on from there"
        )


def _megabytes(path, name):
    try:
        found = re.search(rf"{name}:\s*(\d+) kB", Path(path).read_text())
    except OSError:
        return None
    return int(found[1]) / 2**10 if found else None
