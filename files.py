"""Files that appear complete or not at all."""

import contextlib
import hashlib
import os
import secrets
from pathlib import Path


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
        with open(part, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def write_bytes(path, content: bytes):
    """Writes a file atomically."""
    with atomic(path) as file:
        file.write(content)


def remove_parts(folder):
    """Removes what killed programs left of `atomic` in a folder."""
    for part in Path(folder).rglob(".zoo-*.part"):
        part.unlink(missing_ok=True)


def sha256(path) -> str:
    """Returns the SHA-256 of a file as hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
