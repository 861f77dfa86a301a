"""Shares of a run that several processes do, each with a folder of its own."""

import contextlib
import dataclasses
import json
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from inpainting_zoo.errors import InputError, some
from inpainting_zoo.storage.files import write_json

SUMMARY = "summary.json"  # what a share writes once it has come to its end
TEXT = re.compile(r"(\d{1,6})/(\d{1,6})")
NAME = re.compile(r"(\d{1,6})-of-(\d{1,6})")


@dataclasses.dataclass(frozen=True)
class Shard:
    """One of `count` shares, numbered from 0."""

    index: int
    count: int

    def of(self, items: Sequence) -> Sequence:
        """Returns every `count`-th item of all, from `index` on."""
        return items[self.index :: self.count]

    def within(self, place: Path) -> Path:
        """Returns the folder of this share in that of all."""
        return place / f"{self.index}-of-{self.count}"


def parse_shard(text: str, argument: str = "shard") -> Shard:
    """Reads a share such as "3/16", the fourth of sixteen.

    Raises:
        InputError: names the argument if the text is something else.
    """
    found = TEXT.fullmatch(text)
    index, count = map(int, found.groups()) if found else (0, 0)
    if index >= count:
        raise InputError(
            f"{argument}: must be I/N, the numbers from 0/N to N-1/N, received {text!r}"
        )
    return Shard(index, count)


def shards_in(place: Path) -> dict:
    """Returns the folder of each share that has begun."""
    found = {}
    for folder in place.glob("*-of-*"):
        if (numbers := NAME.fullmatch(folder.name)) and folder.is_dir():
            found[Shard(*map(int, numbers.groups()))] = folder
    return found


def begin(folder: Path):
    """Records that the share of a folder has not come to its end."""
    (folder / SUMMARY).unlink(missing_ok=True)


def finish(folder: Path, about: dict):
    """Records that a share has come to its end, and what all shares have in common.

    Args:
        folder: of the share.
        about: what must be the same in all shares, fit for JSON.
    """
    write_json(folder / SUMMARY, about)


def finished(place: Path, argument: str) -> tuple[list, dict]:
    """Returns the folders of all shares in their order, and what they have in common.

    Args:
        place: the folder of all.
        argument: named in errors.

    Raises:
        InputError: if a share is missing or has not come to its end, if there are
            shares of several divisions, or if they are of different runs.
    """
    folders = shards_in(place)
    if not folders:
        raise InputError(f"{argument}: must have shares in {place}, received none")
    counts = sorted({shard.count for shard in folders})
    if len(counts) > 1:
        raise InputError(
            f"{argument}: must have shares of one division in {place}, received those "
            f"of {' and '.join(map(str, counts))}; end one of them, and remove the "
            "folders of the others"
        )
    shards = [Shard(index, *counts) for index in range(*counts)]
    abouts = {shard: _about(shard.within(place)) for shard in shards}
    if left := [f"{s.index}/{s.count}" for s in shards if abouts[s] is None]:
        raise InputError(
            f"{argument}: must have all shares done, received {some(left)} that are "
            "not; run them with the same options"
        )
    about = abouts[shards[0]]
    if other := [f"{s.index}/{s.count}" for s in shards if abouts[s] != about]:
        raise InputError(
            f"{argument}: must have shares of the same options and files, received "
            f"{some(other)} with others than {shards[0].index}/{shards[0].count}"
        )
    return [shard.within(place) for shard in shards], about


def _about(folder):
    """What a share has recorded at its end; None if it has not come to it."""
    try:
        return json.loads((folder / SUMMARY).read_bytes())
    except (OSError, ValueError):
        return None


def remove(place: Path):
    """Removes the folders of all shares, and nothing that is something else."""
    for folder in shards_in(place).values():
        shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):  # there is none, or others' files are in it
        os.rmdir(place)
