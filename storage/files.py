"""Files that appear complete or not at all."""

import contextlib
import glob
import hashlib
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from inpainting_zoo.errors import InputError
from inpainting_zoo.storage.locks import free, marked

FORMER = "former"  # where a folder waits within that of its replacement


@contextlib.contextmanager
def atomic(path):
    """Opens a binary file that replaces `path` when the block ends without an error.

    Written beside `path`, synced, then renamed: after a crash or on a full disk the
    former file is still whole. Missing folders are made.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # `path` may be as long as a name can be, so the temporary one is not made of it.
    part = path.parent / f".zoo-{secrets.token_hex(8)}.part"
    try:
        with open(part, "xb") as file, marked(part):
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:
        error.filename = str(path)  # a full disk does not say where
        raise
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def write_bytes(path, content: bytes):
    """Writes a file atomically."""
    with atomic(path) as file:
        file.write(content)


@contextlib.contextmanager
def replacing(path, suffix: str = ""):
    """Yields a path for a file or folder that replaces `path` if no error occurs.

    For writers that open their files themselves; else see `atomic`. Two renames replace
    a folder; one that was lost by a kill between them is found again here.

    Args:
        path: the file or folder.
        suffix: of the yielded path.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    for lost in path.parent.glob(f".zoo-*.part/{FORMER}/{glob.escape(path.name)}"):
        if free(lost.parents[1]):
            _bring_back(lost)
    named = {"prefix": ".zoo-", "suffix": ".part"}
    temporary = tempfile.TemporaryDirectory(**named, dir=path.parent)
    with temporary as folder, marked(folder):
        part = Path(folder, f"part{suffix}")
        yield part
        for file in (part, *part.rglob("*")):
            if file.is_file():
                with open(file, "rb") as written:
                    os.fsync(written.fileno())
        former = Path(folder, FORMER, path.name)
        if path.is_dir():  # only files are replaced in one go
            former.parent.mkdir()
            os.replace(path, former)
        try:
            os.replace(part, path)
        except BaseException:  # Ctrl-C as well
            _bring_back(former)
            raise


def _bring_back(former):
    """Moves what a rename has put aside to its place, if nothing has come there."""
    place = former.parents[2] / former.name
    if former.exists() and not place.exists():
        os.replace(former, place)


def remove_parts(*folders):
    """Removes what killed programs left of `atomic` and `replacing` in folders.

    What a program that still runs is writing stays.
    """
    parts = [part for folder in folders for part in Path(folder).glob(".zoo-*.part")]
    for part in filter(free, parts):
        if part.is_dir():
            for former in part.glob(f"{FORMER}/*"):
                _bring_back(former)
            shutil.rmtree(part, ignore_errors=True)
        else:
            part.unlink(missing_ok=True)


def sha256(path) -> str:
    """Returns the SHA-256 of a file as hexadecimal digits."""
    return digest(path, "sha256")


def digest(path, algorithm: str) -> str:
    """Returns a hash of a file as hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def write_json(path, content, **options):
    """Writes JSON as a person reads it, atomically.

    Args:
        path: the file.
        content: fit for JSON.
        **options: of `json.dumps`.
    """
    write_bytes(path, json.dumps(content, indent=1, **options).encode() + b"\n")


def refuse_overwriting(outputs, inputs, rule: str):
    """Checks that no file to be written is one that is read, under whatever name.

    Args:
        outputs: paths that will be written.
        inputs: paths that are read; those that do not exist are left out.
        rule: begins the error: the argument and what it must be.

    Raises:
        InputError: if one is; names both.
    """
    written = {_identity(path): path for path in outputs if os.path.exists(path)}
    for path in filter(os.path.exists, inputs if written else ()):
        if hit := written.get(_identity(path)):
            raise InputError(
                f"{rule}, received {str(hit)!r}, which would overwrite {str(path)!r}"
            )


def refuse_replacing(argument: str, outputs, former: str, is_former: Callable):
    """Checks that what will be written replaces nothing but former outputs.

    Args:
        argument: named in errors.
        outputs: paths that will be written.
        former: what may be replaced, in words.
        is_former: takes one of `outputs` that exists, says whether it is that.

    Raises:
        InputError: names what would be replaced and is something else.
    """
    for path in filter(os.path.exists, outputs):
        if not is_former(Path(path)):
            raise InputError(
                f"{argument}: must replace nothing but {former}, received "
                f"{str(path)!r}, which is something else"
            )


def _identity(path):
    found = os.stat(path)
    return found.st_dev, found.st_ino
