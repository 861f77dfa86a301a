"""The record of a folder run."""

import contextlib
import errno
import json
import os
import re
from collections.abc import Iterable, Mapping, MutableMapping
from hashlib import sha256 as sha256_of
from pathlib import Path

from inpainting_zoo.errors import InputError
from inpainting_zoo.storage.files import sha256, write_bytes

BEGUN = "begun"  # of a file whose output may be there and have no hash
CUT = re.compile(r'\{"file": ("(?:[^"\\]|\\.)*")')  # begins a row


def read_rows(path: Path) -> dict:
    """Returns the last row of each file in a ledger; none if there is no ledger.

    Raises:
        InputError: if a line, but for the last, which a kill may cut, is no such row.
    """
    rows, lines = {}, []
    with contextlib.suppress(FileNotFoundError):
        lines = path.read_text("utf-8", errors="replace").splitlines()
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
            rows[row["file"]] = row
        except (ValueError, TypeError, KeyError) as error:
            cut = CUT.match(line) if number == len(lines) else None
            if cut:
                rows[json.loads(cut[1])] = {"file": json.loads(cut[1]), "status": BEGUN}
            elif number < len(lines) or not line.startswith("{"):
                raise InputError(
                    f"save_to: must hold no {path.name} but that of a run, received "
                    f"{str(path)!r}, whose line {number} is something else"
                ) from error
    return rows


def key_of(settings: str, *paths) -> str:
    """Returns what an output depends on, as one SHA-256.

    Args:
        settings: of what makes it.
        *paths: files that are read.
    """
    parts = [settings, *map(sha256, paths)]
    return sha256_of("\n".join(parts).encode()).hexdigest()


def holds(row: dict, key: str, output: Path) -> bool:
    """Returns whether a row is of a file completed with this key and still intact.

    Args:
        row: of a ledger; an empty one is of no file.
        key: what the output depends on; equal keys mean equal outputs.
        output: where the completed file should be.
    """
    if not row.get("sha256") or row.get("key") != key or not output.is_file():
        return False
    return sha256(output) == row["sha256"]


class Rows(MutableMapping):
    """Name -> row, kept as its line: a third of the memory of a dict of each.

    Args:
        rows: that are there at first.
    """

    def __init__(self, rows: Mapping):
        self._lines = {}
        self.update(rows)

    def __getitem__(self, name):
        return json.loads(self._lines[name])

    def __setitem__(self, name, row):
        self._lines[name] = json.dumps(row).encode()

    def __delitem__(self, name):
        del self._lines[name]

    def __iter__(self):
        return iter(self._lines)

    def __len__(self):
        return len(self._lines)

    def lines(self) -> Iterable[bytes]:
        """Returns the lines of all rows, without their ends."""
        return self._lines.values()


class Ledger:
    """A JSONL file with one row (a dict) for each file of a run.

    Rows are appended as they come, so that a killed run has recorded all but the file
    it was at. On opening and closing, the last row of each file is kept.

    Args:
        path: of the ledger.
        rows: it begins with, by file; by default those that it has.

    Raises:
        InputError: see `read_rows`.
    """

    def __init__(self, path: Path, rows: dict | None = None):
        self.path = path
        self.rows = Rows(read_rows(path) if rows is None else rows)
        self._rewrite()
        # A buffer would hold what a full disk has refused, and try it again.
        self._file = open(path, "ab", buffering=0)  # noqa: SIM115

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()
        with contextlib.suppress(OSError):  # the rows are there, though repeated
            self._rewrite()

    def add(self, row: dict):
        """Records the outcome of one file, named by `row["file"]`.

        Raises:
            OSError: the disk is full, say; the rows before this one stay whole.
        """
        line = json.dumps(row).encode() + b"\n"
        end = os.fstat(self._file.fileno()).st_size
        try:
            if self._file.write(line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self.path)
        except OSError:
            self._file.truncate(end)
            raise
        self.rows[row["file"]] = row

    def done(self, file: str, key: str, output: Path) -> dict | None:
        """The row of a file if it was completed with this key and the output is intact.

        Args:
            file: as named in its row.
            key: what the output depends on; equal keys mean equal outputs.
            output: where the completed file should be.
        """
        row = self.rows.get(file, {})
        return row if holds(row, key, output) else None

    def begin(self, file: str):
        """Records that a file is attempted, unless an earlier output is known."""
        if not self.rows.get(file, {}).get("sha256"):
            self.add({"file": file, "status": BEGUN})

    def _rewrite(self):
        write_bytes(self.path, b"".join(b"%s\n" % x for x in self.rows.lines()))
