"""Completing folders of picture files: paired, recorded, and continued after a stop."""

import contextlib
import dataclasses
import errno
import hashlib
import json
import logging
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

from tqdm import tqdm

from inpainting_zoo.chosen import Later
from inpainting_zoo.data.captions import rows_of
from inpainting_zoo.errors import InputError
from inpainting_zoo.inpainting.ledger import BEGUN, Ledger, holds, key_of, read_rows
from inpainting_zoo.inpainting.one_at_a_time import members_first
from inpainting_zoo.inpainting.pairing import Masks, find_images
from inpainting_zoo.inpainting.picture import (
    PictureWarning,
    SaveError,
    inpaint_file,
    is_intact,
)
from inpainting_zoo.storage import shards
from inpainting_zoo.storage.files import (
    refuse_overwriting,
    refuse_replacing,
    remove_parts,
)
from inpainting_zoo.storage.files import sha256 as file_sha256
from inpainting_zoo.storage.locks import held
from inpainting_zoo.storage.shards import Shard

log = logging.getLogger(__name__)
LEDGER = "ledger.jsonl"
MEMBERS = ".members"  # a folder beside a ledger, while members work
SHARDS = "shards"  # a folder in that of the outputs, with the ledgers of shares
SOME_FAILED = 2  # exit code
STOPPED = "stopped"  # of a picture that cannot be written, as no other can
DONE_BEFORE = "done before"


def inpaint_folder(
    model,
    image_dir: str | Path,
    mask_path: str | Path,
    save_dir: str | Path,
    *,
    recipe: str = "",
    in_place: bool = False,
    shard: Shard | None = None,
    elsewhere: Callable | None = None,
    own: Mapping[str, dict] | None = None,
    **options,
) -> int:
    """Completes every picture of a folder, and records each in save_dir/ledger.jsonl.

    Outputs have the names of the inputs, so that a.jpg and a.png stay apart. A bad file
    is recorded and never stops the others. A rerun skips what was completed from the
    same files with the same options, as long as the output is intact.

    Args:
        model: as for `inpaint_file`, or `chosen.Later`; None with `elsewhere`.
        image_dir: searched recursively.
        mask_path: a folder of masks (see `inpainting.pairing.Masks`), or one for all.
        save_dir: made if missing; it may lie in `image_dir`.
        recipe: names what the model is (its weights); another one redoes the files.
        in_place: allows `save_dir` to be `image_dir`.
        shard: completes this share of the pictures only, with a ledger of its own in
            save_dir/shards, while other processes complete the others; `join_folder`
            makes one ledger of all.
        elsewhere: takes a `FolderRun` and a list of (name, mask, former row), yields
            the rows of these pictures, which it lets other processes complete.
        own: options of single files, by names that `data.names.match` theirs.
        **options: of `inpaint_file`, for all files.

    Returns:
        The exit code: 0, or 2 if some files failed.

    Raises:
        InputError: if there are no pictures or masks, or the output folder has become
            unwritable; then the ledger lists what was done and what was not.
    """
    image_dir, mask_path, save_dir = Path(image_dir), Path(mask_path), Path(save_dir)
    images, left_out = find_images(image_dir, mask_path, save_dir)
    erased = options.get("mask_from") == "alpha"
    masks = Masks(mask_path, image_dir, itself=erased, names=images)
    images = [name for name in images if name not in masks.beside]
    names = images
    if shard:
        images, left_out = shard.of(images), {} if shard.index else left_out
    _check_outputs(images, masks, image_dir, save_dir, in_place)
    if isinstance(model, Later):
        model.load()
    own = rows_of(names, own, "with_from") if own is not None else {}
    run = FolderRun(image_dir, save_dir, options, in_place, own)
    outputs = [save_dir / name for name in images]
    with (
        open_ledger(save_dir, outputs, shard) as ledger,
        tqdm(total=len(images), desc="inpaint", unit="file", disable=None) as bar,
    ):
        for name, reason in left_out.items():
            ledger.add(_row(name, "skipped", reason))
        record = _Record(ledger, images, run, bar)
        attempts = record.attempts(masks)
        todo = []
        if elsewhere:
            rows = elsewhere(run, [*attempts])
        else:
            rows = (run.attempt(model, recipe, *attempt) for attempt in attempts)
            if model.members:
                todo = record.todo(recipe, masks)
        with members_first(model, ledger.path.parent / MEMBERS, todo):
            for row in rows:
                record.add(row)
    counts = record.counts
    if shard:
        decided = json.dumps([recipe, options, own, names], sort_keys=True)
        about = {"run": hashlib.sha256(decided.encode()).hexdigest()}
        shards.finish(ledger.path.parent, about)
    _report(counts, left_out, ledger.path)
    return SOME_FAILED if counts["failed"] else 0


@dataclasses.dataclass(frozen=True)
class FolderRun:
    """How the pictures of a folder are completed, in whatever process.

    Args:
        image_dir, save_dir: where they are read and written.
        options: of `inpaint_file`, for all files.
        in_place: allows `save_dir` to be `image_dir`.
        own: options of single files, by name.
    """

    image_dir: Path
    save_dir: Path
    options: dict
    in_place: bool
    own: dict

    def options_of(self, name: str) -> dict:
        """Returns the options of a picture."""
        return {**self.options, **self.own.get(name, {})}

    def attempt(self, model, recipe: str, name: str, mask: Path, former: dict) -> dict:
        """Returns the row of a picture that was completed, done before, or failed.

        Args:
            model, recipe: see `inpaint_folder`.
            name: of the picture, by its path in the folder.
            mask: its file.
            former: its last row, or nothing.

        Returns:
            The row; its status is `STOPPED` if nothing more can be written.
        """
        try:
            return self._complete(model, recipe, name, mask, former)
        except Exception as error:  # of any library, about any damaged file
            if _is_unwritable(self.save_dir, error):
                return _row(name, STOPPED, error.__cause__.strerror)
            return self.failed(name, error)

    def failed(self, name: str, error) -> dict:
        """Returns the row of a picture that could not be completed, and why."""
        reason = " ".join(str(error).split()) or type(error).__name__
        return _row(name, "failed", reason)

    def _complete(self, model, recipe, name, mask, former):
        output = self.save_dir / name
        if not output.parent.resolve().is_relative_to(self.save_dir.resolve()):
            raise InputError(
                f"save_to: must hold all outputs, {name!r} would lie outside of it"
            )
        key, chosen = self.key(recipe, name, mask), self.options_of(name)
        if holds(former, key, output):
            return {**former, "status": "skipped", "reason": DONE_BEFORE, "seconds": 0}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PictureWarning)  # they are in the ledger
            chosen["in_place"] = self.in_place
            row = inpaint_file(model, self.image_dir / name, mask, output, **chosen)
        return {**row, "file": name, "output": name, "key": key}

    def key(self, recipe: str, name: str, mask: Path) -> str:
        """Returns what the output of a picture depends on."""
        read = [mask] if self.in_place else [mask, self.image_dir / name]
        settings = json.dumps([recipe, self.options_of(name)], sort_keys=True)
        return key_of(settings, *read)


class _Record:
    """What becomes of the pictures of a run: in the ledger, counted and shown.

    Args:
        ledger: open.
        images: all names.
        run: of them.
        bar: moves on with each row.

    Attributes:
        counts: how many rows there are of each status.
    """

    def __init__(self, ledger, images, run, bar):
        self.ledger, self.run, self.bar = ledger, run, bar
        self.left, self.counts = dict.fromkeys(images), Counter()

    def attempts(self, masks):
        """Yields name, mask and former row of each picture, as it begins."""
        for name in [*self.left]:
            try:
                mask = masks.of(name)
            except InputError as error:
                self.add(self.run.failed(name, error))
                continue
            with self._giving_up():
                self.ledger.begin(name)
            yield name, mask, self.ledger.rows[name]

    def todo(self, recipe, masks):
        """Returns what `members_first` takes of the pictures that are not done."""
        run, found = self.run, []
        for name in self.left:
            with contextlib.suppress(InputError, OSError):  # its attempt will tell
                mask, output = masks.of(name), run.save_dir / name
                key = run.key(recipe, name, mask)
                if not holds(self.ledger.rows.get(name, {}), key, output):
                    options = {**run.options_of(name), "suffix": output.suffix}
                    options["texture"] = "none"  # which comes last
                    found.append((run.image_dir / name, mask, options))
        return found

    def add(self, row):
        """Records what became of a picture."""
        if row["status"] == STOPPED:
            self._give_up(row["reason"])
        if row["status"] == "failed":
            log.warning("%r: %s", row["file"], row["reason"])
        with self._giving_up():
            self.ledger.add(row)
        self.left.pop(row["file"], None)
        self.counts[row["status"]] += 1
        self.counts["with warnings"] += bool(row["warnings"])
        self.bar.update()

    @contextlib.contextmanager
    def _giving_up(self):
        try:
            yield
        except OSError as error:
            self._give_up(error.strerror)

    def _give_up(self, reason):
        """Records what was not done, as far as the disk allows, and stops the run."""
        with contextlib.suppress(OSError):
            for name in self.left:
                if not self.ledger.rows.get(name, {}).get("sha256"):
                    row = _row(name, "skipped", "not done: the run was stopped")
                    self.ledger.add(row)
        raise InputError(
            f"save_to: {str(self.run.save_dir)!r} must stay writable, "
            f"{len(self.left)} files are not done, received: {reason}"
        )


def _check_outputs(images, masks, image_dir, save_dir, in_place):
    """Refuses outputs that would replace something else than former outputs."""
    outputs = [save_dir / name for name in images]
    pictures = [image_dir / name for name in images]
    if in_place and save_dir.resolve() == image_dir.resolve():
        refuse_overwriting(
            outputs,
            {*masks.files} - {*pictures},
            "save_to: must not hold the masks",
        )
        return
    refuse_overwriting(
        outputs,
        [*pictures, *masks.files],
        "save_to: must not hold the images, unless -in_place is given, nor the masks",
    )
    refuse_strangers(save_dir, outputs)


def refuse_strangers(save_dir: Path, outputs: list):
    """Checks that outputs replace nothing but what a ledger records, or damaged ones.

    Args:
        save_dir: holds the ledger and the outputs.
        outputs: their paths.

    Raises:
        InputError: names the first that would replace something else.
    """
    rows = recorded(save_dir, outputs)

    def is_former(output):
        row = rows.get(str(output.relative_to(save_dir)), {})
        if not (recorded := row.get("sha256")):
            return row.get("status") == BEGUN
        return file_sha256(output) == recorded or not is_intact(output)

    words = f"outputs of a run, as recorded in {LEDGER}"
    refuse_replacing("save_to", outputs, words, is_former)


def _row(name, status, reason):
    row = {"file": name, "output": "", "status": status, "reason": reason}
    return {**row, "warnings": [], "sha256": "", "seconds": 0}


def _is_unwritable(folder, error):
    if not isinstance(error, SaveError):
        return False
    if error.__cause__.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return True
    return False


def join_folder(save_dir: str | Path) -> int:
    """Makes one ledger of those of all shares of a folder run.

    Returns:
        The exit code: 0, or 2 if some files failed.

    Raises:
        InputError: if a share has not come to its end, or works at the moment.
    """
    save_dir = Path(save_dir)
    shards.finished(save_dir / SHARDS, "save_to")
    outputs = [save_dir / name for name in recorded(save_dir)]
    with open_ledger(save_dir, outputs) as ledger:
        rows = ledger.rows.values()
    left_out = {
        row["file"]: row["reason"]
        for row in rows
        if row["status"] == "skipped" and not row["output"]
    }
    counts = Counter(row["status"] for row in rows if row["file"] not in left_out)
    counts["with warnings"] = sum(bool(row.get("warnings")) for row in rows)
    _report(counts, left_out, ledger.path)
    return SOME_FAILED if counts["failed"] else 0


def recorded(save_dir: Path, outputs: list | None = None) -> dict:
    """Returns the last row of each file of a folder, also of shares not yet joined.

    Args:
        save_dir: holds the outputs.
        outputs: paths of those whose rows are wanted; of all by default.
    """
    places = [p / LEDGER for p in shards.shards_in(save_dir / SHARDS).values()]
    places = sorted(filter(Path.is_file, places), key=lambda path: path.stat().st_mtime)
    wanted = outputs and {str(path.relative_to(save_dir)) for path in outputs}
    rows = {}
    for path in (save_dir / LEDGER, *places):
        found = read_rows(path).items()
        rows |= {k: row for k, row in found if outputs is None or k in wanted}
    return dict(sorted(rows.items())) if places else rows


@contextlib.contextmanager
def open_ledger(save_dir: Path, outputs: list, shard: Shard | None = None):
    """Holds a folder of outputs in a block; yields its `Ledger`.

    What killed runs left of unfinished files is removed, and what shares have recorded
    is taken into the one ledger; but not for a share, beside which others may work.

    Args:
        save_dir: made if missing.
        outputs: paths that will be written.
        shard: holds its own folder, and shares that of the outputs.

    Raises:
        InputError: if another process holds it, or it cannot be written to.
    """
    place = save_dir / SHARDS
    try:
        save_dir.mkdir(parents=True, exist_ok=True)
        with held(save_dir, "save_to", shared=shard is not None):
            if shard:
                folder = shard.within(place)
                folder.mkdir(parents=True, exist_ok=True)
                rows = recorded(save_dir, outputs)
                with held(folder, "shard"), Ledger(folder / LEDGER, rows) as ledger:
                    shards.begin(folder)
                    yield ledger
                return
            remove_parts(*{path.parent for path in outputs} | {save_dir})
            with Ledger(save_dir / LEDGER, recorded(save_dir)) as ledger:
                shards.remove(place)
                yield ledger
    except OSError as error:
        raise InputError(
            f"save_to: must be a folder that can be written to, "
            f"received {str(save_dir)!r}: {error.strerror}"
        ) from error


def _report(counts, left_out, ledger):
    shown = ("ok", "skipped", "failed", "with warnings")
    summary = ", ".join(f"{counts[status]} {status}" for status in shown)
    if left_out:
        first = ", ".join(f"{n!r} ({why})" for n, why in [*left_out.items()][:3])
        more = ", ..." if len(left_out) > 3 else ""
        summary += f", {len(left_out)} left out: {first}{more}"
    log.info("%s; see %r", summary, str(ledger))
