"""What an evaluation has measured so far, in a folder that a later run goes on from."""

import json
import shutil
import tempfile
from pathlib import Path

import numpy as np

from inpainting_zoo.errors import InputError
from inpainting_zoo.storage.files import write_json

ABOUT, ROWS = "about.json", "rows.jsonl"


class Progress:
    """Rows of numbers, and vectors too many for the memory, picture by picture.

    Args:
        folder: where they are kept; a temporary one by default.
        about: all that decides the numbers, fit for JSON. What a folder holds of
            another evaluation is deleted.

    Raises:
        InputError: if the folder holds something else.
    """

    def __init__(self, folder: Path | None = None, about: dict | None = None):
        self._scratch = None if folder else tempfile.TemporaryDirectory()
        self.folder = Path(folder or self._scratch.name)
        self.about, self.pictures, self.sizes = about, [], {}
        path = self.folder / ABOUT
        if self.folder.exists() and any(self.folder.iterdir()) and not path.is_file():
            raise InputError(
                "report: must have the folder of its parts to itself, received "
                f"{str(self.folder)!r}, which holds something else"
            )
        if path.is_file() and json.loads(path.read_text()) == about:
            self._resume()
        elif folder:
            self.remove()

    def _resume(self):
        """Reads the pictures of which all was written, and cuts off what was not."""
        path, kept = self.folder / ROWS, b""
        for line in path.read_bytes().splitlines(True) if path.is_file() else ():
            if not line.endswith(b"\n"):
                break
            found, kept = json.loads(line), kept + line
            self.pictures.append(found["rows"])
            self.sizes = found["sizes"]
        for file in (path, *self.folder.glob("*.f32")):
            if file.is_file():
                with open(file, "r+b") as opened:
                    opened.truncate(
                        len(kept) if file == path else self.sizes.get(file.name, 0)
                    )

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
            with open(self.folder / f"{name}.f32", "ab") as file:
                file.write(content)
            former = self.sizes.get(f"{name}.f32", 0)
            self.sizes[f"{name}.f32"] = former + len(content)
        with open(self.folder / ROWS, "a") as file:
            file.write(json.dumps({"rows": rows, "sizes": self.sizes}) + "\n")
        self.pictures.append(rows)

    def vectors(self, name: str):
        """Returns the vectors of one name, (N, D) in the order of the pictures."""
        path = self.folder / f"{name}.f32"
        return np.memmap(path, np.float32, "r").reshape(len(self.pictures), -1)

    def remove(self):
        """Deletes the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)
