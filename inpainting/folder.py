"""Completing folders of picture files: paired, recorded, and continued after a stop."""

import contextlib
import errno
import json
import logging
import tempfile
import warnings
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from tqdm import tqdm

from inpainting_zoo.data.captions import rows_of
from inpainting_zoo.errors import InputError
from inpainting_zoo.inpainting.ledger import BEGUN, Ledger, key_of, read_rows
from inpainting_zoo.inpainting.pairing import Masks, find_images
from inpainting_zoo.inpainting.picture import (
    PictureWarning,
    SaveError,
    inpaint_file,
    is_intact,
)
from inpainting_zoo.storage.files import (
    refuse_overwriting,
    refuse_replacing,
    remove_parts,
)
from inpainting_zoo.storage.files import sha256 as file_sha256
from inpainting_zoo.storage.locks import held

log = logging.getLogger(__name__)
LEDGER = "ledger.jsonl"
SOME_FAILED = 2  # exit code


def inpaint_folder(
    model,
    image_dir: str | Path,
    mask_path: str | Path,
    save_dir: str | Path,
    *,
    recipe: str = "",
    in_place: bool = False,
    own: Mapping[str, dict] | None = None,
    **options,
) -> int:
    """Completes every picture of a folder, and records each in save_dir/ledger.jsonl.

    Outputs have the names of the inputs, so that a.jpg and a.png stay apart. A bad file
    is recorded and never stops the others. A rerun skips what was completed from the
    same files with the same options, as long as the output is intact.

    Args:
        model: as for `inpaint_file`.
        image_dir: searched recursively.
        mask_path: a folder of masks (see `inpainting.pairing.Masks`), or one for all.
        save_dir: made if missing; it may lie in `image_dir`.
        recipe: names what the model is (its weights); another one redoes the files.
        in_place: allows `save_dir` to be `image_dir`.
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
    _check_outputs(images, masks, image_dir, save_dir, in_place)
    own = rows_of(images, own, "with_from") if own is not None else {}

    def attempt(name, ledger):
        image, output = image_dir / name, save_dir / name
        if not output.parent.resolve().is_relative_to(save_dir.resolve()):
            raise InputError(
                f"save_to: must hold all outputs, {name!r} would lie outside of it"
            )
        mask = masks.of(name)
        ledger.begin(name)
        chosen = {**options, **own.get(name, {})}
        settings = json.dumps([recipe, chosen], sort_keys=True)
        key = key_of(settings, mask, *([] if in_place else [image]))
        if done := ledger.done(name, key, output):
            return {**done, "status": "skipped", "reason": "done before", "seconds": 0}
        row = inpaint_file(model, image, mask, output, in_place=in_place, **chosen)
        return {**row, "file": name, "output": name, "key": key}

    with open_ledger(save_dir, [save_dir / name for name in images]) as ledger:
        for name, reason in left_out.items():
            ledger.add(_row(name, "skipped", reason))
        counts = _run(attempt, images, ledger, save_dir)
    _report(counts, left_out, save_dir)
    return SOME_FAILED if counts["failed"] else 0


def _run(attempt, images, ledger, save_dir):
    """Attempts every image; returns how many rows there are of each status."""
    counts = Counter()
    bar = tqdm(images, desc="inpaint", unit="file", disable=None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PictureWarning)  # they are in the ledger
        for position, name in enumerate(bar):
            try:
                row = attempt(name, ledger)
            except Exception as error:  # of any library, about any damaged file
                if _is_unwritable(save_dir, error):
                    _give_up(ledger, images[position:], save_dir, error.__cause__)
                reason = " ".join(str(error).split()) or type(error).__name__
                row = _row(name, "failed", reason)
                log.warning("%r: %s", name, reason)
            try:
                ledger.add(row)
            except OSError as error:
                _give_up(ledger, images[position:], save_dir, error)
            counts[row["status"]] += 1
            counts["with warnings"] += bool(row["warnings"])
    return counts


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
    rows = read_rows(save_dir / LEDGER)

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


def _give_up(ledger, rest, folder, error):
    """Records what was not done, as far as the disk allows, and stops the run."""
    with contextlib.suppress(OSError):
        for name in rest:
            if not ledger.rows.get(name, {}).get("sha256"):
                ledger.add(_row(name, "skipped", "not done: the run was stopped"))
    raise InputError(
        f"save_to: {str(folder)!r} must stay writable, {len(rest)} files are not done, "
        f"received: {error.strerror}"
    ) from error


@contextlib.contextmanager
def open_ledger(save_dir: Path, outputs: list):
    """Holds a folder of outputs in a block; yields its `Ledger`.

    What killed runs left of unfinished files is removed.

    Args:
        save_dir: made if missing.
        outputs: paths that will be written.

    Raises:
        InputError: if another process holds it, or it cannot be written to.
    """
    try:
        save_dir.mkdir(parents=True, exist_ok=True)
        with held(save_dir, "save_to"):
            remove_parts(*{path.parent for path in outputs} | {save_dir})
            with Ledger(save_dir / LEDGER) as ledger:
                yield ledger
    except OSError as error:
        raise InputError(
            f"save_to: must be a folder that can be written to, "
            f"received {str(save_dir)!r}: {error.strerror}"
        ) from error


def _report(counts, left_out, save_dir):
    shown = ("ok", "skipped", "failed", "with warnings")
    summary = ", ".join(f"{counts[status]} {status}" for status in shown)
    if left_out:
        first = ", ".join(f"{n!r} ({why})" for n, why in [*left_out.items()][:3])
        more = ", ..." if len(left_out) > 3 else ""
        summary += f", {len(left_out)} left out: {first}{more}"
    log.info("%s; see %r", summary, str(save_dir / LEDGER))
