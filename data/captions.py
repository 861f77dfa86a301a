"""What is said of pictures: a table in a CSV file, a row for each picture."""

import csv
import logging
from collections.abc import Sequence
from pathlib import Path

from inpainting_zoo.data.names import match
from inpainting_zoo.errors import InputError

log = logging.getLogger(__name__)
FILE = "file"  # the column of the pictures' names


def read_table(path: str | Path, argument: str, columns: Sequence[str]) -> dict:
    """Returns the rows of a table: name of a picture -> its cells by column.

    Args:
        path: a CSV file in UTF-8 whose first line names its columns.
        argument: what to call it in an error.
        columns: that there may be beside `file`; there must be one of them.

    Raises:
        InputError: names the line that breaks a rule.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            header, rows = reader.fieldnames or [], {}
            wrong = [name for name in header if name not in (FILE, *columns)]
            if wrong or FILE not in header or len(header) < 2:
                raise InputError(
                    f"{argument}: columns must be {FILE} and some of "
                    f"{', '.join(columns)}, received {', '.join(header) or 'none'}"
                )
            for row in reader:
                name = row.pop(FILE)
                if not name or name in rows or None in (*row, *row.values()):
                    raise InputError(
                        f"{argument}: line {reader.line_num} of {path} must have a "
                        f"cell for each of {', '.join(header)} and a new name, "
                        f"received {name!r}"
                    )
                rows[name] = row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{argument}: must be a CSV file, {path}: {reason}") from error
    return rows


def read_prompts(path: str | Path) -> dict:
    """Returns the rows of what is said of training pictures; see `read_table`."""
    return read_table(path, "captions", ["prompt"])


def rows_of(names: Sequence[str], table: dict, argument: str) -> dict:
    """Returns the row of each picture that has one: name -> cells by column.

    Args:
        names: of pictures, by their paths from a folder; `match` decides whose a row
            is.
        table: as `read_table` returns it.
        argument: what to call it in an error.

    Raises:
        InputError: if a picture has several rows, or none has any.
    """
    matched = match(names, list(table))
    if several := next((name for name in names if len(matched[name]) > 1), None):
        raise InputError(
            f"{argument}: must have one row for a picture, received "
            f"{', '.join(matched[several])} for {several!r}"
        )
    rows = {name: table[found[0]] for name, found in matched.items() if found}
    if not rows:
        raise InputError(
            f"{argument}: must name pictures such as {names[0]!r}, received "
            f"{next(iter(table), 'nothing')!r}"
        )
    if missing := len(names) - len(rows):
        log.warning("%s: %d of %d have no row", argument, missing, len(names))
    return rows
