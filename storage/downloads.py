"""Trained weights that are not in the repository: where they are, and downloads."""

import contextlib
import dataclasses
import http.client
import itertools
import json
import logging
import os
import shutil
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from tqdm import tqdm

from inpainting_zoo.errors import InputError, WeightsError
from inpainting_zoo.storage.files import digest, write_json
from inpainting_zoo.storage.locks import wait_for

log = logging.getLogger(__name__)
TIMEOUT = 3.0  # seconds that the other side may be silent
ATTEMPTS = 5  # at a mirror, as long as each gets further
IN_VAIN = 4  # attempts that may get nothing, of a server that is slow or busy
PAUSE = 1.0  # seconds before the next one of these
BLOCK = 2**16  # bytes that are read at once
SLACK = 1.1  # how many times its known size a download may have, which is about right
ALGORITHMS = {32: "MD5", 64: "SHA-256"}  # by the digits of what they give
SHIPPED = Path(__file__).parents[1] / "weights"


@dataclasses.dataclass(frozen=True)
class Weights:
    """The weights of one part of a model.

    Args:
        file: its name, in the folder of shipped weights or in the cache.
        digest: SHA-256 that it must have, or MD5 where no other is published, in
            hexadecimal digits.
        urls: where it can be downloaded, the first choice first; none if it is shipped.
        size: of the download, in bytes, about.
        licence: what it may be used for.
        source: who trained it, on what.
        official: whether it has the names and layouts of the official program, which
            `weights/convert_<family>.py` knows.
    """

    file: str
    digest: str
    urls: tuple = ()
    size: int = 0
    licence: str = ""
    source: str = ""
    official: bool = False


def cache_folder() -> Path:
    """Returns the folder of downloaded weights.

    It is INPAINTING_ZOO_HOME, else ~/.cache/inpainting_zoo. Without a home directory
    to write to it is in the folder of temporary files, with a line in the log.
    """
    if given := os.environ.get("INPAINTING_ZOO_HOME"):
        return Path(given)
    home = Path(os.path.expanduser("~"))
    if home.is_absolute() and home.is_dir() and os.access(home, os.W_OK):
        return home / ".cache" / "inpainting_zoo"
    folder = Path(tempfile.gettempdir(), "inpainting_zoo")
    log.warning(
        "no home directory: downloads go to %s; INPAINTING_ZOO_HOME names another",
        folder,
    )
    return folder


def locate(weights: Weights, shipped) -> Path:
    """Returns the file of a part's weights; downloads it unless it is there.

    Says what is downloaded, of whom, and what it may be used for.

    Args:
        weights: of the part.
        shipped: the folder of shipped weights; those are not hashed here.

    Raises:
        InputError, WeightsError: see `fetch`.
    """
    path = place(weights, shipped)
    if path.parent == Path(shipped):
        return path
    if weights.urls and not path.is_file():
        what = f"downloads {megabytes(weights.size)} from {weights.urls[0]} to {path}"
        about = f"{what}; {weights.source}; {weights.licence}"
        log.warning("%s: %s", weights.file, about)
    return fetch(weights.urls, path, weights.digest, weights.size)


def place(weights: Weights, shipped) -> Path:
    """Returns where a part's weights are or will be."""
    path = Path(shipped, weights.file)
    return path if path.is_file() else cache_folder() / weights.file


def megabytes(size: int) -> str:
    """Returns a number of bytes in words."""
    return f"{size / 1e6:.1f} MB"


def mirrors(file: str) -> list:
    """Returns further addresses of a file: in the folders of INPAINTING_ZOO_MIRRORS.

    Args:
        file: its name.
    """
    folders = os.environ.get("INPAINTING_ZOO_MIRRORS", "").split()
    return [f"{folder.rstrip('/')}/{file}" for folder in folders]


def fetch(urls, path, expected: str, size: int = 0) -> Path:
    """Returns the path of a file, which is downloaded unless it is there and intact.

    It is hashed once, after the download or when somebody has put it there, and not
    again until it changes. With another hash it is never returned: a download is
    deleted, what was there before is renamed. What a cut download has got is kept
    beside it, to be continued from any mirror.

    Args:
        urls: of the file; each is tried until one gives it, and then `mirrors`.
        path: where it is or will be.
        expected: SHA-256 or MD5 that it must have, in hexadecimal digits.
        size: of the file, in bytes, about; much more is not downloaded. 0 is unknown.

    Raises:
        InputError: if it cannot be downloaded.
        WeightsError: if the hash is wrong; names both.
    """
    path, problems = Path(path), []
    if path.is_file():
        try:
            return _checked(path, expected)
        except WeightsError as error:
            kept = _set_aside(path)
            problems.append(WeightsError(f"{error}, now called {kept.name}"))
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    with open(part, "ab") as file:
        wait_for(file)  # another program may be at the same file
        for url in (*urls, *mirrors(path.name)):
            if path.is_file():  # which the other one has finished
                break
            try:
                _complete(url, file, expected, size)
                os.fsync(file.fileno())
                os.replace(part, path)
                _remember(path, expected)
            except (InputError, WeightsError) as error:
                problems.append(error)
        if not os.fstat(file.fileno()).st_size:
            part.unlink(missing_ok=True)
    if path.is_file():
        return path
    kind = next(
        (WeightsError for p in problems if isinstance(p, WeightsError)), InputError
    )
    words = "; ".join(map(str, problems)) or "it has no address"
    raise kind(f"{path.name}: must be at {path} or be downloaded, {words}")


def check_hash(path, expected: str, origin):
    """Compares a file with a hash.

    Args:
        path: the file.
        expected: SHA-256 or MD5 in hexadecimal digits.
        origin: begins the error.

    Raises:
        WeightsError: if it has another; names both.
    """
    name = ALGORITHMS[len(expected)]
    if (found := digest(path, name.replace("-", ""))) != expected:
        raise WeightsError(f"{origin}: {name} {found} instead of {expected}")


def _set_aside(path):
    """Renames a file to a name that is free; returns it."""
    names = (path.with_name(f"{path.name}.wrong{i or ''}") for i in itertools.count())
    return path.rename(next(name for name in names if not name.exists()))


def _complete(url, file, expected, size):
    """Downloads what a file of mode "ab" lacks, from one mirror."""
    in_vain = 0
    for _ in range(ATTEMPTS):
        before = file.seek(0, os.SEEK_END)
        try:
            _download(url, file, size)
            file.flush()
            check_hash(file.name, expected, url)
            return
        except WeightsError as wrong:
            file.truncate(0)
            error = wrong
            if not before:  # else perhaps only its beginning was wrong
                break
        except (OSError, http.client.HTTPException) as cut:
            reason = getattr(cut, "reason", None) or cut
            error = InputError(f"{url}: {' '.join(str(reason).split())}")
            if file.seek(0, os.SEEK_END) > before:
                continue
            in_vain += 1
            if in_vain == IN_VAIN or not _may_pass(cut):
                break
            time.sleep(PAUSE)
    raise error


def _may_pass(error):
    """Returns whether a server is slow or busy, rather than absent or of no use."""
    if isinstance(error, urllib.error.HTTPError):
        return error.code == http.HTTPStatus.TOO_MANY_REQUESTS or error.code >= 500
    if isinstance(error, urllib.error.URLError):  # before there is a connection
        return isinstance(error.reason, ConnectionResetError)
    passing = (TimeoutError, ConnectionResetError, http.client.HTTPException)
    return isinstance(error, passing)


def _download(url, file, size):
    """Appends to a file what it lacks, or writes all that a server gives instead.

    It takes nothing of a file that is too large, or that the disk has no place for.
    """
    start = file.seek(0, os.SEEK_END)
    request = urllib.request.Request(url)
    if start:
        request.add_header("Range", f"bytes={start}-")
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return  # nothing is lacking: the hash says whether it is the file
        raise
    with response:
        content_range = response.headers.get("Content-Range", "")
        if not content_range.startswith(f"bytes {start}-"):
            start = 0
        total = start + response.length if response.length else None
        most = int(size * SLACK) or None
        if most and (total or 0) > most:
            raise OSError(f"{total} bytes, where about {size} are right")
        free = shutil.disk_usage(os.path.dirname(file.name)).free
        if (response.length or 0) > free:
            raise OSError(
                f"{megabytes(response.length)} left, the disk has {megabytes(free)}"
            )
        file.truncate(start)
        bar = {"total": total, "initial": start, "disable": None}
        name = os.path.basename(file.name).removesuffix(".part")
        with tqdm.wrapattr(response, "read", desc=name, **bar) as content:
            got = start
            while part := content.read(BLOCK):
                got += len(part)
                if most and got > most:
                    file.truncate(start)
                    raise OSError(f"over {most} bytes, where about {size} are right")
                file.write(part)
        if response.length:
            raise ConnectionResetError(f"cut, {response.length} bytes before the end")


def _checked(path, expected):
    """Returns a path whose file has a hash, by what is remembered or by hashing it."""
    with contextlib.suppress(OSError, ValueError):
        if json.loads(_record(path).read_text()) == _about(path, expected):
            return path
    check_hash(path, expected, "cached")
    _remember(path, expected)
    return path


def _remember(path, expected):
    with contextlib.suppress(OSError):  # others' folders may be read-only
        write_json(_record(path), _about(path, expected))


def _record(path):
    return path.with_name(f".{path.name}.checked")


def _about(path, expected):
    found = path.stat()
    return {"hash": expected, "bytes": found.st_size, "changed": found.st_mtime_ns}
