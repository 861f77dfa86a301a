"""What an evaluation has measured so far, in a folder that a later run goes on from."""

import contextlib
import json
import tempfile
from pathlib import Path

import numpy as np

from inpainting_zoo.errors import InputError
from inpainting_zoo.storage.files import remove_parts, write_json
from inpainting_zoo.storage.locks import held

ABOUT, ROWS, VECTOR = "about.json", "rows.jsonl", ".f32"
DIGEST = "weights_sha256"  # by which what is about an evaluation is known


@contextlib.contextmanager
def resumable(folder: Path, about: dict, keep: bool = False):
    """Yields what was measured in a folder, which is deleted at the end of the block.

    After an error it stays, for the next run. Meanwhile no other run can take it.

    Args:
        folder: of this evaluation alone.
        about: see `Progress`.
        keep: leaves it where it is.

    Raises:
        InputError: if the folder holds something else, or another run has it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with held(folder, "report"):
        remove_parts(folder)  # of killed runs
        try:
            progress = Progress(folder, about)
            yield progress
            if not keep:
                progress.remove()
        finally:
            if not keep:
                with contextlib.suppress(OSError):  # what was measured is in it
                    folder.rmdir()


class Progress:
    """Rows of numbers, and vectors too many for the memory, picture by picture.

    Args:
        folder: where they are kept; a temporary one by default.
        about: all that decides the numbers, the weights' SHA-256 among it, fit for
            JSON. What the folder holds of another evaluation is deleted.

    Raises:
        InputError: if the folder holds something else.
    """

    def __init__(self, folder: Path | None = None, about: dict | None = None):
        self._scratch = None if folder else tempfile.TemporaryDirectory()
        self.folder = Path(folder or self._scratch.name)
        self.about, self.pictures, self.sizes = about, [], {}
        if not any(self.folder.iterdir()):
            return
        try:
            former = json.loads((self.folder / ABOUT).read_bytes())
        except (OSError, ValueError):
            former = None
        if not isinstance(former, dict) or DIGEST not in former:
            raise InputError(
                "report: must have the folder of its parts to itself, received "
                f"{str(self.folder)!r}, which holds something else"
            )
        if former != about or not self._resume():
            self.remove()
            self.pictures, self.sizes = [], {}

    def _resume(self):
        """Reads the pictures of which all was written, and cuts off what was not.

        Returns:
            Whether the files hold what they should.
        """
        path, length = self.folder / ROWS, 0
        if not path.is_file():
            return False
        with open(path, "rb") as lines:
            for line in lines:
                if not line.endswith(b"\n"):
                    break
                try:
                    found = json.loads(line)
                    self.pictures.append(found["rows"])
                    self.sizes = found["sizes"]
                except (ValueError, KeyError, TypeError):
                    return False
                length += len(line)
        lengths = {ROWS: length, **self.sizes}
        files = {name: self.folder / name for name in lengths}
        if any(
            not file.is_file() or file.stat().st_size < lengths[name]
            for name, file in files.items()
        ):
            return False
        for name, file in files.items():
            with open(file, "r+b") as opened:
                opened.truncate(lengths[name])
        return True

    def add(self, rows: list, vectors: dict):
        """Writes what was measured of one picture.

        Args:
            rows: of numbers, one for each method.
            vectors: name, fit for a file -> array (D,), with the same names each time.
        """
        if not self.pictures:
            write_json(self.folder / ABOUT, self.about)
        for name, vector in vectors.items():
            content = np.float32(vector).tobytes()
            with open(self.folder / f"{name}{VECTOR}", "ab") as file:
                file.write(content)
            former = self.sizes.get(f"{name}{VECTOR}", 0)
            self.sizes[f"{name}{VECTOR}"] = former + len(content)
        with open(self.folder / ROWS, "a") as file:
            file.write(json.dumps({"rows": rows, "sizes": self.sizes}) + "\n")
        self.pictures.append(rows)

    def vectors(self, name: str):
        """Returns the vectors of one name, (N, D) in the order of the pictures."""
        path = self.folder / f"{name}{VECTOR}"
        return np.memmap(path, np.float32, "r").reshape(len(self.pictures), -1)

    def remove(self):
        """Deletes the files."""
        for file in (
            self.folder / ABOUT,
            self.folder / ROWS,
            *self.folder.glob(f"*{VECTOR}"),
        ):
            file.unlink(missing_ok=True)
