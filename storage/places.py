"""Whether a place can be written to, before work is done for it."""

import tempfile
from pathlib import Path

from inpainting_zoo.errors import InputError


def check_place(argument: str, path: str | Path, kind: str = "any"):
    """Checks that a file or folder can be written; leaves no trace.

    Args:
        argument: named in errors.
        path: of the file or folder, which need not exist.
        kind: "file", "folder", or "any" of the two.

    Raises:
        InputError: if it is of the other kind, or its folder cannot be written to.
    """
    path = Path(path)
    try:
        if kind == "file" and path.is_dir():
            raise InputError(f"{argument}: must be a file, received {str(path)!r}")
        folders = [path.parent] if kind != "folder" else [path, path.parent]
        folders += path.parent.parents
        nearest = next((p for p in folders if p.exists()), Path())
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        raise InputError(
            f"{argument}: must be in a folder that can be written to, received "
            f"{str(path)!r}: {error.strerror}"
        ) from error
