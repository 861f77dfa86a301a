"""Runs of which several processes do a share each, and what joins them."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from conftest import ROOT, Plain
from inpainting_zoo import cli
from inpainting_zoo.errors import InputError
from inpainting_zoo.evaluation.baselines import BASELINES
from inpainting_zoo.inpainting.folder import inpaint_folder, join_folder
from inpainting_zoo.storage.locks import held
from inpainting_zoo.storage.shards import Shard, parse_shard


def red(image, mask):
    return np.where(mask[..., None] > 0, np.uint8([255, 0, 0]), image)


def never(image, mask):
    raise AssertionError("the model was called")


def stopping(times):
    """Completes so many pictures, then is interrupted."""
    left = iter(range(times))

    def complete(image, mask):
        if next(left, None) is None:
            raise KeyboardInterrupt
        return red(image, mask)

    return complete


@pytest.fixture
def paths(tmp_path):
    """Ten pictures, one of them damaged, and a GIF; a mask for all."""
    (tmp_path / "in" / "sub").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for i in range(10):
        pixels = rng.integers(0, 256, (12, 14, 3), np.uint8)
        name = f"sub/{i}.png" if i % 3 == 0 else f"{i}.png"
        Image.fromarray(pixels).save(tmp_path / "in" / name)
    (tmp_path / "in" / "5.png").write_bytes(b"no picture")
    (tmp_path / "in" / "x.gif").write_bytes(b"GIF89a")
    hole = np.zeros((12, 14), np.uint8)
    hole[3:8, 4:9] = 255
    Image.fromarray(hole).save(tmp_path / "mask.png")
    return tmp_path / "in", tmp_path / "mask.png", tmp_path / "out"


def rows_of(out):
    """The rows by file, without what differs from run to run."""
    rows = map(json.loads, (out / "ledger.jsonl").read_text().splitlines())
    return {row.pop("file"): {**row, "seconds": 0} for row in rows}


def files_in(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "ledger.jsonl"
    }


def test_shares_are_disjoint_and_complete():
    items = [*range(10)]
    shares = [parse_shard(f"{i}/4").of(items) for i in range(4)]
    assert shares[1] == [1, 5, 9]
    assert sorted(item for share in shares for item in share) == items
    for text in ("4/4", "0/0", "-1/4", "1", "1/2/3", "a/4", "1/4 "):
        with pytest.raises(InputError, match=r"shard: must be I/N, .*received"):
            parse_shard(text)


def test_joined_shares_are_the_run_of_one_process(paths, tmp_path):
    images, mask, out = paths
    whole = tmp_path / "whole"
    assert inpaint_folder(Plain(red), images, mask, whole) == 2
    codes = [inpaint_folder(Plain(red), *paths, shard=Shard(i, 3)) for i in (2, 0, 1)]
    assert sorted(codes) == [0, 0, 2]  # one has the damaged picture
    assert not (out / "ledger.jsonl").exists()
    assert join_folder(out) == 2
    assert rows_of(out) == rows_of(whole) and len(rows_of(out)) == 11
    assert files_in(out) == files_in(whole)
    # One process, and other shares, find everything done.
    assert inpaint_folder(Plain(never), *paths) == 2
    assert inpaint_folder(Plain(never), *paths, shard=Shard(0, 2)) == 0


def test_a_share_that_was_stopped_goes_on(paths):
    _, _, out = paths
    inpaint_folder(Plain(red), *paths, shard=Shard(1, 2))
    with pytest.raises(KeyboardInterrupt):
        inpaint_folder(Plain(stopping(2)), *paths, shard=Shard(0, 2))
    with pytest.raises(InputError, match=r"all shares done, received 1 \(0/2\) that"):
        join_folder(out)
    done = files_in(out)
    inpaint_folder(Plain(stopping(3)), *paths, shard=Shard(0, 2))
    assert done.items() <= files_in(out).items()
    join_folder(out)
    assert sum(row["status"] == "ok" for row in rows_of(out).values()) == 7
    assert sum(row["status"] == "skipped" for row in rows_of(out).values()) == 3


def test_shares_of_another_division_take_over(paths):
    """What those that were given up have recorded is theirs, and not done again."""
    _, _, out = paths
    for i in range(2):
        with pytest.raises(KeyboardInterrupt):
            inpaint_folder(Plain(stopping(3)), *paths, shard=Shard(i, 2))
    left = stopping(3)
    for i in range(3):
        inpaint_folder(Plain(left), *paths, shard=Shard(i, 3))
    with pytest.raises(InputError, match=r"one division .* received those of 2 and 3"):
        join_folder(out)
    # One process joins what there is.
    assert inpaint_folder(Plain(never), *paths) == 2
    assert not (out / "shards").exists() and len(rows_of(out)) == 11


def test_shares_of_other_options_are_not_joined(paths):
    _, _, out = paths
    inpaint_folder(Plain(red), *paths, shard=Shard(0, 2), recipe="one")
    inpaint_folder(Plain(red), *paths, shard=Shard(1, 2), recipe="two")
    with pytest.raises(InputError, match=r"same options .* received 1 \(1/2\) with"):
        join_folder(out)
    shutil.rmtree(out / "shards")
    with pytest.raises(InputError, match=r"must have shares in .*, received none"):
        join_folder(out)


def test_who_works_where(paths):
    """Shares work side by side, but neither twice nor beside a whole run or a join."""
    _, _, out = paths
    inpaint_folder(Plain(red), *paths, shard=Shard(0, 1))
    refused = pytest.raises(InputError, match="must not be in use by another run")
    with held(out, "save_to", shared=True):
        assert inpaint_folder(Plain(never), *paths, shard=Shard(0, 1)) == 2
        with refused:
            inpaint_folder(Plain(never), *paths)
        with refused:
            join_folder(out)
    with held(out / "shards" / "0-of-1", "shard"), refused:
        inpaint_folder(Plain(never), *paths, shard=Shard(0, 1))
    with held(out, "save_to"), refused:
        inpaint_folder(Plain(never), *paths, shard=Shard(0, 1))
    assert join_folder(out) == 2


def test_the_commands_side_by_side(paths, capsys):
    images, mask, out = paths
    options = ["-image", images, "-mask", mask, "-save_to", out]
    command = [sys.executable, str(ROOT / "runner.py"), "inpaint", *map(str, options)]
    started = [
        subprocess.Popen([*command, "-shard", f"{i}/2"], stderr=subprocess.PIPE)
        for i in range(2)
    ]
    errors = [process.communicate(timeout=120)[1] for process in started]
    assert sorted(process.returncode for process in started) == [0, 2], errors
    assert cli.main(["join", "-save_to", str(out)]) == 2
    assert "9 ok, 0 skipped, 1 failed" in capsys.readouterr().out
    assert len(rows_of(out)) == 11
    for words, rule in (
        (["-save_to", str(out)], "-save_to: must have shares in"),
        ([], "-save_to: is needed, or -report, received None and None"),
    ):
        assert cli.main(["join", *words]) == 4
        assert rule in capsys.readouterr().err
    file = ["-image", str(mask), "-mask", str(mask), "-save_to", f"{out}.png"]
    assert cli.main(["inpaint", *file, "-shard", "0/2"]) == 4
    assert "-shard: must be of a folder" in capsys.readouterr().err


@pytest.fixture
def shared(tmp_path, monkeypatch):
    """The command that evaluates a model without networks, and its report."""
    monkeypatch.setenv("INPAINTING_ZOO_HOME", str(tmp_path / "home"))
    report = tmp_path / "r.json"
    words = ["evaluate", "-preset", "patchmatch", "-image_size", 32, "-methods"]
    words += ["telea", "-metrics", "psnr,kid_alexnet", "-report", report]
    words += ["-mask_dilation", 2]
    return lambda *more: cli.main([*map(str, words), *more]), report


def test_a_joined_report_is_that_of_one_process(shared, capsys, monkeypatch):
    """JSON, CSV and PNG, byte for byte; a share that was stopped goes on."""
    evaluate, report = shared
    files = [report.with_suffix(s) for s in (".json", ".csv", ".png")]
    assert evaluate() == 0
    whole, printed = [path.read_bytes() for path in files], capsys.readouterr().out
    assert evaluate("-shard", "0/2") == 0
    calls, complete = [], BASELINES["telea"]

    def stopping(image, mask):
        calls.append(image)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return complete(image, mask)

    monkeypatch.setitem(BASELINES, "telea", stopping)
    assert evaluate("-shard", "1/2") == 130
    for path in files:
        path.unlink()
    capsys.readouterr()
    assert cli.main(["join", "-report", str(report)]) == 4
    assert "received 1 (1/2) that are not" in capsys.readouterr().err
    assert evaluate("-shard", "1/2") == 0
    rows = report.with_suffix(".shards") / "1-of-2" / "parts" / "rows.jsonl"
    content = rows.read_text()
    rows.write_text(content[:20])
    capsys.readouterr()
    assert cli.main(["join", "-report", str(report)]) == 4
    error = capsys.readouterr().err
    assert "-report: must have whole shares" in error and "1-of-2" in error
    assert evaluate("-shard", "1/2") == 0
    capsys.readouterr()
    assert cli.main(["join", "-report", str(report)]) == 0
    assert capsys.readouterr().out == printed
    assert [path.read_bytes() for path in files] == whole
    assert not report.with_suffix(".shards").exists()


def test_more_shares_than_pictures(shared, capsys):
    evaluate, report = shared
    for i in range(3):
        options = ("-limit", "2", "-shard", f"{i}/3", "-metrics", "psnr")
        assert evaluate(*options) == 0
    assert cli.main(["join", "-report", str(report)]) == 0
    assert json.loads(report.read_text())["images"] == 2
    assert evaluate("-shard", "1/3", "-protocol", "report_004") == 4
    assert "-shard: must not be given with -protocol" in capsys.readouterr().err
