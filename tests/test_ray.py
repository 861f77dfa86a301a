"""Folders completed by the workers of a Ray cluster, which is started here."""

import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from conftest import run
from inpainting_zoo import cli
from inpainting_zoo.errors import InputError
from inpainting_zoo.inpainting.folder import inpaint_folder
from inpainting_zoo.inpainting.on_ray import rows_on_ray
from inpainting_zoo.models.completer import Completer
from inpainting_zoo.options import InpaintSettings

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason='needs pip install ".[ray]"'
)

ASKS = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "1" * 64}


@pytest.fixture
def paths(tmp_path):
    """Ten pictures, one of them damaged, and a mask for all."""
    (tmp_path / "in").mkdir()
    rng = np.random.default_rng(0)
    for i in range(10):
        pixels = rng.integers(0, 256, (24, 28, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "in" / f"{i}.png")
    content = (tmp_path / "in" / "5.png").read_bytes()
    (tmp_path / "in" / "5.png").write_bytes(content[: len(content) // 2])
    hole = np.zeros((24, 28), np.uint8)
    hole[7:16, 8:18] = 255
    Image.fromarray(hole).save(tmp_path / "mask.png")
    return tmp_path / "in", tmp_path / "mask.png", tmp_path / "out"


@pytest.fixture(scope="module")
def cluster():
    """One of two CPUs, each of which is a worker; it must not be asked for more."""
    import ray

    ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield ray
    ray.shutdown()


@pytest.fixture(scope="module")
def started():
    """HOST:PORT of a cluster of two CPUs that asks for a token, by `ray start`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ("start", "--head", "--block", "--num-cpus=2", "--include-dashboard=false")
    where = ("--node-ip-address=127.0.0.1", f"--port={port}", "--disable-usage-stats")
    head = subprocess.Popen(
        [Path(sys.executable).with_name("ray"), *words, *where],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | ASKS,
    )
    printed = ""
    while "Ray runtime started" not in printed:
        line = head.stdout.readline()
        assert line, printed
        printed += line
    yield f"127.0.0.1:{port}"
    head.terminate()
    head.communicate(timeout=60)


def rows_of(out):
    """The row of each file, but for its seconds; none is there twice."""
    rows = map(json.loads, (out / "ledger.jsonl").read_text().splitlines())
    found = [(row.pop("file"), {**row, "seconds": 0}) for row in rows]
    assert len(dict(found)) == len(found)
    return dict(found)


def files_in(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*.png")}


def test_what_ray_does_not_take(paths, capsys):
    _, mask, out = paths
    given = ["-image", mask, "-mask", mask, "-save_to", f"{out}.png", "-ray", "auto"]
    assert cli.main(["inpaint", *map(str, given)]) == 4
    assert "-ray: must be of a folder, received the file" in capsys.readouterr().err
    for other, rule in (
        ({"shard": "0/2"}, "ray: must not be given with -shard"),
        ({"gpu": "0"}, "gpu: must be none or left out with -ray"),
        ({"video": "a.mkv"}, "ray: must not be given with -video"),
    ):
        with pytest.raises(InputError, match=rule):
            InpaintSettings(ray="auto", **other)


@pytest.mark.slow
def test_workers_do_what_one_process_does(cluster, paths, tmp_path, capsys):
    """Byte for byte, with workers on all CPUs; then everything is done already."""
    images, mask, out = paths
    given = ["inpaint", "-image", images, "-mask", mask, "-save_to"]
    given = [*map(str, given)]
    assert cli.main([*given, str(tmp_path / "one")]) == 2
    assert cli.main([*given, str(out), "-ray", "local"]) == 2
    said = capsys.readouterr()
    assert "ray: 2 workers, each with a CPU" in said.out
    assert "9 ok, 0 skipped, 1 failed" in said.out and "because none was" in said.out
    assert rows_of(out) == rows_of(tmp_path / "one")
    assert files_in(out) == files_in(tmp_path / "one") and len(files_in(out)) == 9
    times = {path: path.stat().st_mtime_ns for path in out.glob("*.png")}
    began = time.monotonic()
    assert cli.main([*given, str(out), "-ray", "local"]) == 2
    assert time.monotonic() - began < 300
    assert "0 ok, 9 skipped, 1 failed" in capsys.readouterr().out
    assert times == {path: path.stat().st_mtime_ns for path in out.glob("*.png")}
    # The ledger is the same one: a single process goes on from it.
    assert cli.main([*given, str(out)]) == 2
    assert "0 ok, 9 skipped, 1 failed" in capsys.readouterr().out


@pytest.mark.slow
def test_workers_that_die(cluster, paths):
    """What one had is done again; of a picture that kills all, the others are done."""
    images, _, out = paths
    seen = images.parent / "seen"

    class Deadly(Completer):
        image_size = 64

        def predict_images(self, images, masks, seed=0):
            first = images[0, 0, 0].tolist()
            if first == [7, 7, 7]:
                os._exit(1)
            if first == [8, 8, 8] and not seen.exists():
                seen.touch()
                os._exit(1)
            return np.where(masks[..., None] > 0, np.uint8(99), images)

    for name, value in (("7.png", 7), ("8.png", 8)):
        pixels = np.array(Image.open(images / name))
        pixels[0, 0] = value
        Image.fromarray(pixels).save(images / name)

    def load():
        return Deadly(), "deadly"

    def elsewhere(run, attempts):
        return rows_on_ray("local", load, run, attempts)

    assert inpaint_folder(None, *paths, elsewhere=elsewhere) == 2
    rows = rows_of(out)
    assert seen.exists() and len(rows) == 10
    failed = {name: row["reason"] for name, row in rows.items() if not row["output"]}
    assert sorted(failed) == ["5.png", "7.png"]
    assert failed["7.png"].startswith("its worker died 3 times")
    assert sorted(files_in(out)) == sorted({*rows} - {*failed})


@pytest.mark.slow
def test_ray_costs_at_most_15_percent(cluster, paths):
    """Of the time between pictures; of what each worker does, so without loading.

    A model that waits leaves the cores to Ray, however busy they are.
    """
    images, mask, out = paths
    for i in range(10, 128):
        (images / f"{i}.png").symlink_to(images / "0.png")
    called = images.parent / "called"

    class Waiting(Completer):
        image_size = 64

        def predict_images(self, images, masks, seed=0):
            with open(called, "a") as file:
                file.write(f"{os.getpid()} {time.monotonic()}\n")
            time.sleep(0.1)
            return images

    def load():
        return Waiting(), "waiting"

    def elsewhere(run, attempts):
        return rows_on_ray("local", load, run, attempts)

    seconds = []
    for model, options in ((Waiting(), {}), (None, {"elsewhere": elsewhere})):
        called.unlink(missing_ok=True)
        inpaint_folder(model, images, mask, out, recipe=str(options), **options)
        times = {}
        for line in called.read_text().splitlines():
            worker, at = line.split()
            times.setdefault(worker, []).append(float(at))
        spans = [(max(at) - min(at)) / (len(at) - 1) for at in times.values()]
        seconds.append(sum(spans) / len(spans))
    print(f"seconds a picture: {seconds[0]:.4f}, on Ray {seconds[1]:.4f}")
    assert len(times) == 2 and seconds[1] <= 1.15 * seconds[0]


@pytest.mark.slow
def test_weights_that_workers_cannot_load(cluster, paths, capsys):
    images, mask, out = paths
    (images.parent / "damaged.npz").write_bytes(b"damaged")
    given = ["-image", images, "-mask", mask, "-save_to", out, "-ray", "local"]
    given += ["-from_weights", images.parent / "damaged.npz"]
    assert cli.main(["inpaint", *map(str, given)]) == 5
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ") and "damaged.npz" in error


@pytest.mark.slow
@pytest.mark.parametrize("named", ["auto", "address"])
def test_a_cluster_that_was_there_before(started, paths, named, monkeypatch):
    """Workers on all its CPUs; then everything is done already."""
    images, mask, out = paths
    (images / "5.png").unlink()
    monkeypatch.setenv("RAY_AUTH_TOKEN", ASKS["RAY_AUTH_TOKEN"])
    if named == "address":  # to which Ray shows the token only if it is told to
        monkeypatch.setenv("RAY_AUTH_MODE", "token")
    given = ["inpaint", "-image", images, "-mask", mask, "-preset", "patchmatch"]
    given += ["-save_to", out, "-ray", "auto" if named == "auto" else started]
    found = run(*given, timeout=600)
    assert found.returncode == 0, found.stderr
    assert "ray: 2 workers, each with a CPU" in found.stdout
    assert "9 ok, 0 skipped, 0 failed" in found.stdout
    assert len(rows_of(out)) == len(files_in(out)) == 9
    found = run(*given, timeout=600)
    assert found.returncode == 0, found.stderr
    assert "0 ok, 9 skipped, 0 failed" in found.stdout


@pytest.mark.slow
def test_a_cluster_that_asks_for_a_token(started, paths, monkeypatch):
    """One line says so while Ray goes on trying, and another when it gives up."""
    images, mask, out = paths
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    given = ["inpaint", "-image", images, "-mask", mask, "-preset", "patchmatch"]
    found = run(*given, "-save_to", out, "-ray", started, timeout=600)
    assert found.returncode == 4
    lines = [x for x in found.stderr.splitlines() if x.startswith(("warn", "error"))]
    assert len(lines) == 2 and "Traceback" not in found.stderr
    assert "a token needs RAY_AUTH_MODE=token" in lines[0]
    assert lines[1].startswith("error: -ray: must be the address of a cluster")


def test_an_address_where_nothing_answers(paths):
    images, mask, out = paths
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        dead = f"127.0.0.1:{free.getsockname()[1]}"
    given = ["inpaint", "-image", images, "-mask", mask, "-preset", "patchmatch"]
    found = run(*given, "-save_to", out, "-ray", dead, timeout=30)
    assert found.returncode == 4
    (error,) = found.stderr.strip().splitlines()
    assert error.startswith("error: -ray: must be the address of a cluster")
    assert f"received {dead!r}" in error and "Connection refused" in error
