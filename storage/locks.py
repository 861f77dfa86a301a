"""A folder that one process at a time may write to."""

import contextlib
import errno
import logging
import os
import re
import socket
from pathlib import Path

from inpainting_zoo.errors import InputError

try:
    import fcntl
except ImportError:  # on Windows
    fcntl = None

log = logging.getLogger(__name__)
LOCK = "lock"
CONTENT = re.compile(r".+, process \d+\n")  # of that file


@contextlib.contextmanager
def locked(folder: str | Path, argument: str):
    """Holds a folder in a block; its file `lock` names the host and the process.

    The system lets go when the process ends, however it ends; a file that it left means
    nothing then. Where files cannot be locked, that is said and the block runs.

    Args:
        folder: made if missing.
        argument: named in errors.

    Raises:
        InputError: if another process holds the folder; names it.
    """
    path = Path(folder, LOCK)
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(_open_locked(path, argument)) as file:
        file.truncate(0)
        file.write(f"{socket.gethostname()}, process {os.getpid()}\n")
        file.flush()
        try:
            yield
        finally:
            with contextlib.suppress(OSError):  # Windows removes no open files
                path.unlink()


def _open_locked(path, argument):
    """Opens the file at a path and locks it, and not one that was just removed."""
    while True:
        file = open(path, "a+")  # noqa: SIM115
        try:
            _lock(file, argument)
            _check_content(file, argument)
            if os.path.samestat(os.fstat(file.fileno()), os.stat(path)):
                return file
        except FileNotFoundError:
            pass
        except BaseException:
            file.close()
            raise
        file.close()


def _lock(file, argument):
    try:
        _flock(file)
    except BlockingIOError as error:
        file.seek(0)
        raise InputError(
            f"{argument}: must not be in use, received {file.name!r}, which is held by "
            f"{file.read().strip() or 'another process'}"
        ) from error
    except OSError as error:  # some network file systems have no locks either
        log.warning("%s: not locked, %s", file.name, error.strerror)


def _check_content(file, argument):
    """Refuses a file of somebody else, which would be emptied."""
    file.seek(0)
    if (content := file.read(1000)) and not CONTENT.fullmatch(content):
        raise InputError(
            f"{argument}: must hold no file {LOCK} but that of a run, received "
            f"{file.name!r}, which is something else"
        )


@contextlib.contextmanager
def marked(path: str | Path):
    """Marks a file or folder as in use in a block, where the system can; see `free`."""
    number = None
    with contextlib.suppress(OSError):
        number = os.open(path, os.O_RDONLY)
        _flock(number)
    try:
        yield
    finally:
        if number is not None:
            os.close(number)


def free(path: str | Path) -> bool:
    """Returns whether no process has `marked` a file or folder that is there."""
    try:
        number = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        _flock(number)
    except BlockingIOError:
        return False
    except OSError:
        pass  # nothing is marked on this system
    finally:
        os.close(number)
    return True


def _flock(file, shared=False):
    if fcntl is None:
        raise OSError(errno.ENOTSUP, "no locks on this system")
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    fcntl.flock(file, kind | fcntl.LOCK_NB)


@contextlib.contextmanager
def held(folder: str | Path, argument: str, shared: bool = False):
    """Holds a folder in a block as `locked` does, without a file in it.

    Args:
        folder: that is there.
        argument: named in errors.
        shared: other processes may hold it, too, if they share it.

    Raises:
        InputError: if another process holds the folder.
    """
    with contextlib.ExitStack() as at_end:
        try:
            number = os.open(folder, os.O_RDONLY)
            at_end.callback(os.close, number)
            _flock(number, shared)
        except BlockingIOError as error:
            raise InputError(
                f"{argument}: must not be in use by another run, received "
                f"{str(folder)!r}"
            ) from error
        except OSError as error:
            log.warning("%s: not locked, %s", folder, error.strerror)
        yield


def wait_for(file):
    """Locks an open file as soon as no other process does, where files can be."""
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_EX)
