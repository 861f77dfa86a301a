"""Files that appear complete or not at all."""

import contextlib
import hashlib
import http.client
import os
import secrets
import shutil
import tempfile
import urllib.request
from pathlib import Path

from tqdm import tqdm

from inpainting_zoo.errors import InputError, WeightsError


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

    For writers that open their files themselves; else see `atomic`.

    Args:
        path: the file or folder.
        suffix: of the yielded path.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    named = {"prefix": ".zoo-", "suffix": ".part"}
    with tempfile.TemporaryDirectory(**named, dir=path.parent) as folder:
        part = Path(folder, f"part{suffix}")
        yield part
        for file in (part, *part.rglob("*")):
            if file.is_file():
                with open(file, "rb") as written:
                    os.fsync(written.fileno())
        former = Path(folder, "former")
        if path.is_dir():  # only files are replaced in one go
            os.replace(path, former)
        try:
            os.replace(part, path)
        except BaseException:  # Ctrl-C as well
            if former.exists():
                os.replace(former, path)
            raise


def remove_parts(folder):
    """Removes what killed programs left of `atomic` and `replacing` in a folder."""
    for part in list(Path(folder).rglob(".zoo-*.part")):
        if part.is_dir():
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


def fetch(url: str, path, md5: str, timeout: float = 3.0) -> Path:
    """Returns the path of a file, which is downloaded unless it is there and intact.

    A file with another MD5 is deleted and never returned. A download that has another,
    because it was cut for example, is repeated once.

    Args:
        url: of the file.
        path: where it is or will be.
        md5: that it must have, in hexadecimal digits.
        timeout: how long the other side may be silent, in seconds.

    Raises:
        InputError: if it cannot be downloaded.
        WeightsError: if the MD5 is wrong; names both.
    """
    path, problems, kind = Path(path), [], InputError
    for attempt in ("cached", "download", "second download"):
        try:
            if attempt != "cached":
                _download(url, path, timeout)
            elif not path.is_file():
                continue
            if (found := digest(path, "md5")) == md5:
                return path
            path.unlink()
            problems.append(f"{attempt}: MD5 {found} instead of {md5}, deleted")
            kind = WeightsError
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            problems.append(f"{attempt}: {' '.join(str(reason).split())}")
            break
    raise kind(f"{path.name}: must be intact or downloaded, {'; '.join(problems)}")


def _download(url, path, timeout):
    with urllib.request.urlopen(url, timeout=timeout) as response, atomic(path) as file:
        bar = {"total": response.length, "desc": path.name, "disable": None}
        with tqdm.wrapattr(response, "read", **bar) as content:
            shutil.copyfileobj(content, file)
