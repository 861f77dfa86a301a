"""The record of a folder run."""

import contextlib
import errno
import json
import os
from pathlib import Path

from inpainting_zoo.storage.files import sha256, write_bytes


class Ledger:
    """A JSONL file with one row (a dict) for each file of a run.

    Rows are appended as they come, so that a killed run has recorded all but the file
    it was at. On opening and closing, the last row of each file is kept.

    Args:
        path: of the ledger; an existing one is continued.
    """

    def __init__(self, path: Path):
        self.path = path
        self.rows = {}
        with contextlib.suppress(FileNotFoundError):
            for line in path.read_text("utf-8", errors="replace").splitlines():
                with contextlib.suppress(ValueError, TypeError, KeyError):
                    row = json.loads(line)  # the last line may be cut
                    self.rows[row["file"]] = row
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
        if not row.get("sha256") or row.get("key") != key or not output.is_file():
            return None
        return row if sha256(output) == row["sha256"] else None

    def _rewrite(self):
        lines = "".join(json.dumps(row) + "\n" for row in self.rows.values())
        write_bytes(self.path, lines.encode())
