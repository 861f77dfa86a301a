"""Faults: kills, full disks, lost rights, NaN, missing files and networks."""

import contextlib
import hashlib
import http.server
import json
import shutil
import signal
import socket
import threading
import time

import numpy as np
import pytest
from PIL import Image

import tiny_vgg
from errors import InputError, WeightsError
from files import fetch
from inpainting import inpaint_folder
from losses.vgg import FILE, MD5

from .commands import (
    EAGER,
    TINY,
    finish,
    kill,
    start,
    start_as_root_of_its_own,
    wait_for,
    wait_for_line,
)

WARM_UP = ("-warm_up_generator",)
STAGES = {"warm_up_generator": WARM_UP, "wgan": ()}


def where(images, folder):
    names = ("-output_path", folder, "-experiment_name", "run")
    return ("-train_path", images, *names)


RESUME = ("-resume", "-experiment_name", "run", "-output_path")


def states(folder):
    """Step by intact state of an experiment, read as anyone would read them."""
    manifest = folder / "run" / "weights" / "manifest.json"
    if not manifest.is_file():
        return {}
    found = {}
    for entry in json.loads(manifest.read_text()):
        path = manifest.with_name(entry["file"])
        assert hashlib.sha256(path.read_bytes()).hexdigest() == entry["sha256"]
        with np.load(path) as file:
            assert all(np.isfinite(file[k]).all() for k in file if k != "metadata")
        found[entry["step"]] = path
    return found


def last_step(folder):
    """The last step in the manifest, without reading the state."""
    manifest = folder / "run" / "weights" / "manifest.json"
    if not manifest.is_file():
        return 0
    return json.loads(manifest.read_text())[-1]["step"]


def parts(folder):
    return list(folder.rglob("*.part"))


@pytest.mark.row("F1")
@pytest.mark.row("F2")
@pytest.mark.parametrize(
    ("stage", "mode", "kills", "total"),
    [
        pytest.param("warm_up_generator", (), 1, 16, marks=pytest.mark.short),
        pytest.param("wgan", EAGER, 1, 5, marks=pytest.mark.short),
        pytest.param("warm_up_generator", (), 20, 1200, marks=pytest.mark.slow),
        pytest.param("wgan", (), 20, 1200, marks=pytest.mark.slow),
    ],
)
def test_killed_and_resumed_equals_never_killed(
    zoo, images, tmp_path, stage, mode, kills, total, record_property
):
    """Every number of the last state: weights, Adam's moments, random state."""
    rng = np.random.default_rng()
    killed, straight = tmp_path / "killed", tmp_path / "straight"
    length = ("-steps", total, "-sample_every", total)
    options = (*TINY, *mode, *STAGES[stage], *length)
    never_killed = start(*where(images, straight), *options, "-save_every", total)
    process = start(*where(images, killed), *options, "-save_every", 2)
    steps = [0]
    for i in range(kills):
        if i:
            process = start(*RESUME, killed)
            wait_for_line(process, f"from step {steps[-1]},")
        # Two steps further; then any moment: within a step, within a save.
        wait_for(process, lambda: last_step(killed) >= steps[-1] + 2)
        time.sleep(rng.uniform(0, 0.2))
        kill(process)
        steps.append(max(states(killed)))
    assert steps[-1] < total
    result = zoo.run(*RESUME, killed)
    assert result.code == 0 and f"from step {steps[-1]}," in result.out, result.err
    assert finish(never_killed, 1200)[0] == 0
    paths = [states(folder)[total] for folder in (killed, straight)]
    with np.load(paths[0]) as ours, np.load(paths[1]) as theirs:
        assert set(ours) == set(theirs)
        arrays = [name for name in ours if name != "metadata"]
        for name in arrays:
            np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)
    record_property("stage", stage)
    record_property("kills survived", f"{kills} of {kills}")
    record_property("killed after steps", " ".join(map(str, steps[1:])))
    record_property("arrays compared", len(arrays))
    record_property("largest difference", 0)
    assert "seed_generator" in arrays
    assert any("momentum" in name or "velocity" in name for name in arrays)
    assert any("critic" in name for name in arrays) == (stage == "wgan")


@pytest.mark.row("F1")
@pytest.mark.parametrize(
    "kills",
    [
        pytest.param(1, marks=pytest.mark.short),
        pytest.param(10, marks=pytest.mark.slow),
    ],
)
def test_killed_before_the_first_save(zoo, images, tmp_path, kills, record_property):
    """Whatever a start that was killed has left does not stop the next one."""
    options = (*TINY, *WARM_UP, "-steps", 3, "-save_every", 3, "-sample_every", 3)
    rng, when = np.random.default_rng(), []
    for i in range(kills):
        process = start(*where(images, tmp_path), *options)
        if i:
            when.append(rng.uniform(0, 8))
            time.sleep(when[-1])  # anywhere from the first import on
        else:  # as the first step begins
            wait_for(process, (tmp_path / "run" / "config.json").is_file)
        kill(process)
        if states(tmp_path):  # it was fast enough to be done
            shutil.rmtree(tmp_path / "run")
    record_property("kills survived", f"{kills} of {kills}")
    record_property("after seconds", " ".join(f"{s:.1f}" for s in when))
    if kills == 1:
        shutil.copytree(tmp_path / "run", tmp_path / "resumed" / "run")
        result = zoo.run(*RESUME, tmp_path / "resumed")
        assert result.code == 0 and "starts at step 0" in result.out, result.err
        assert max(states(tmp_path / "resumed")) == 3
    result = zoo.run(*where(images, tmp_path), *options)
    assert result.code == 0 and "from step 0," in result.out, result.err
    assert max(states(tmp_path)) == 3 and not parts(tmp_path)


@pytest.mark.row("F3")
def test_killed_while_it_saves(zoo, images, tmp_path, record_property):
    large = ("-set", "base_channels=16", "critic_channels=4")  # 38 MB take a moment
    options = (*TINY, *EAGER, *WARM_UP, *large, "-steps", 99, "-save_every", 1)
    process = start(*where(images, tmp_path), *options, "-sample_every", 99)
    weights = tmp_path / "run" / "weights"
    wait_for(process, lambda: last_step(tmp_path) >= 1)

    def stopped_while_saving():
        if bytes_in_parts(weights) < 2**20:
            return False
        process.send_signal(signal.SIGSTOP)
        time.sleep(0.05)
        if parts(weights):
            return True
        process.send_signal(signal.SIGCONT)
        return False

    wait_for(process, stopped_while_saving)
    kill(process)
    assert parts(weights)
    record_property("left behind, in bytes", parts(weights)[0].stat().st_size)
    step = max(states(tmp_path))
    result = zoo.run(*RESUME, tmp_path, "-steps", step + 1)
    assert result.code == 0 and f"from step {step}," in result.out, result.err
    assert max(states(tmp_path)) == step + 1 and not parts(tmp_path)


def bytes_in_parts(folder):
    total = 0
    for path in parts(folder):
        with contextlib.suppress(FileNotFoundError):  # renamed in the meantime
            total += path.stat().st_size
    return total


@pytest.mark.row("F4")
def test_a_full_disk(images, tmp_path, record_property):
    """A disk of 6 MB has room for two states and not for a third."""
    disk, copy = tmp_path / "disk", tmp_path / "copy"
    disk.mkdir()
    mount = f"mount -t tmpfs -o size=6m tmpfs {disk} || exit 99"
    script = f'{mount}; "$@"; code=$?; cp -r {disk} {copy}; exit $code'
    options = (*TINY, *EAGER, *WARM_UP, "-steps", 20, "-save_every", 1)
    arguments = (*where(images, disk), *options, "-sample_every", 20)
    code, printed = finish(start_as_root_of_its_own(script, *arguments))
    if code == 99 or "unshare" in printed:
        pytest.skip("this user may not mount a small disk")
    error = printed.strip().splitlines()[-1]
    record_property("message", error.replace(str(disk), ""))
    assert code == 4 and "No space left on device" in error
    assert "run/weights" in error and "Traceback" not in printed
    assert len(states(copy)) >= 1 and not parts(copy)


@pytest.mark.row("F4")
def test_a_full_disk_while_completing(zoo, tmp_path, weights, record_property):
    """A disk of 96 kB has room for some of 30 pictures; the ledger tells which."""
    pictures = Pictures(tmp_path, 30, weights)
    disk, copy = tmp_path / "disk", tmp_path / "copy"
    disk.mkdir()
    mount = f"mount -t tmpfs -o size=96k tmpfs {disk} || exit 99"
    script = f'{mount}; "$@"; code=$?; cp -r {disk} {copy}; exit $code'
    process = start_as_root_of_its_own(script, *pictures.command(disk))
    code, printed = finish(process)
    if code == 99 or "unshare" in printed:
        pytest.skip("this user may not mount a small disk")
    error = printed.strip().splitlines()[-1]
    record_property("message", error.replace(str(disk), "DIR"))
    assert code == 4 and error.startswith("error: ") and "Traceback" not in printed
    assert "No space left on device" in error
    rows = ledger(copy)  # every line of it can be read
    done = {name for name, row in rows.items() if row["status"] == "ok"}
    files = {path.name for path in copy.glob("*.png")}
    # But for one that was saved and could not be recorded any more.
    assert done <= files and len(files - done) <= 1 and 1 <= len(done) < 30
    assert f"{30 - len(done)} files are not done" in error
    assert not parts(copy)
    record_property("done", len(done))
    result = zoo.run(*pictures.command(copy))
    assert result.code == 0 and f"{len(done)} skipped" in result.err, result.err
    assert len(list(copy.glob("*.png"))) == len(ledger(copy)) == 30


class Pictures:
    """A folder of pictures to complete, in which every name is a number."""

    def __init__(self, folder, count, weights):
        self.images, self.mask = folder / "in", folder / "mask.png"
        self.count, self.weights = count, weights
        self.images.mkdir()
        rng = np.random.default_rng(0)
        for i in range(count):
            pixels = rng.integers(0, 256, (40, 48, 3), np.uint8)
            Image.fromarray(pixels).save(self.images / f"{i:03}.png")
        hole = np.zeros((40, 48), np.uint8)
        hole[10:30, 12:30] = 255
        Image.fromarray(hole).save(self.mask)

    def command(self, out):
        paths = ("-image", self.images, "-mask", self.mask, "-save_to", out)
        return ("inpaint", *paths, "-from_weights", self.weights)

    def start_and_wait(self, out, count):
        """Starts a run; returns when so many pictures are done."""
        process = start(*self.command(out))
        wait_for(process, lambda: len(list(out.glob("*.png"))) >= count)
        return process


def ledger(out):
    rows = map(json.loads, (out / "ledger.jsonl").read_text().splitlines())
    return {row["file"]: row for row in rows}


@pytest.mark.row("F5")
def test_an_output_folder_that_becomes_read_only(tmp_path, weights, record_property):
    pictures, out = Pictures(tmp_path, 60, weights), tmp_path / "out"
    process = pictures.start_and_wait(out, 3)
    out.chmod(0o555)
    code, printed = finish(process)
    out.chmod(0o755)
    if code == 0:
        pytest.skip("this user may write everywhere")
    done = [row["status"] for row in ledger(out).values()].count("ok")
    rest = pictures.count - done
    record_property("done", done)
    record_property("not done", rest)
    assert code == 4 and f"{rest} files are not done" in printed
    assert "Permission denied" in printed and "Traceback" not in printed
    assert len(ledger(out)) == 60 and 3 <= done == len(list(out.glob("*.png"))) < 60
    assert not parts(out)


@pytest.mark.row("F5")
def test_samples_that_cannot_be_written_cost_no_state(zoo, images, tmp_path):
    """The state of a step is saved before its pictures are drawn."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "predicted_pics").write_text("no folder")
    result = zoo.run(*where(images, tmp_path), *TINY, *EAGER, *WARM_UP, "-steps", 1)
    assert result.code == 4 and "predicted_pics" in result.error, result.err
    assert max(states(tmp_path)) == 1


@pytest.mark.row("F6")
def test_a_signal_to_stop(zoo, images, tmp_path, record_property):
    rare = ("-save_every", 500, "-sample_every", 500)
    options = (*TINY, *EAGER, *WARM_UP, "-steps", 500, *rare)
    processes = {
        signal.SIGTERM: start(*where(images, tmp_path / "SIGTERM"), *options),
        signal.SIGINT: start(*where(images, tmp_path / "SIGINT"), *options),
    }
    for number, process in processes.items():
        folder = tmp_path / number.name
        wait_for_line(process, "from step 0,")
        time.sleep(1)
        process.send_signal(number)
        sent = time.monotonic()
        code, printed = finish(process)
        seconds = time.monotonic() - sent
        record_property(f"{number.name}: seconds to the end", seconds)
        assert code == 128 + number and f"stopped by {number.name}" in printed
        assert seconds < 30
        (step,) = states(folder)
        assert 0 < step < 500 and not parts(folder)
        result = zoo.run(*RESUME, folder, "-steps", step + 1)
        assert result.code == 0 and f"from step {step}," in result.out
        assert max(states(folder)) == step + 1


@pytest.mark.row("F6")
def test_a_signal_to_stop_a_folder(zoo, tmp_path, weights, record_property):
    """The ledger tells what was done; the rest is done by the next run."""
    pictures = Pictures(tmp_path, 60, weights)
    outs = {
        number: tmp_path / number.name for number in (signal.SIGTERM, signal.SIGINT)
    }
    for number, out in outs.items():
        process = start(*pictures.command(out))
        wait_for(process, lambda out=out: len(list(out.glob("*.png"))) >= 3)
        process.send_signal(number)
        code, printed = finish(process, 30)
        assert code == 128 + number and "Traceback" not in printed, printed
        done = {name for name, row in ledger(out).items() if row["status"] == "ok"}
        files = {path.name for path in out.glob("*.png")}
        # But for one that was saved and not yet recorded.
        assert done <= files and len(files - done) <= 1 and 3 <= len(files) < 60
        record_property(f"{number.name}: done", len(done))
    result = zoo.run(*pictures.command(outs[signal.SIGTERM]))
    assert result.code == 0, result.err
    assert len(ledger(outs[signal.SIGTERM])) == 60 and not parts(outs[signal.SIGTERM])


ENCODER = ("-preset", "context_encoder_regions_64", "-batch_size", 2)
ENCODER += ("-set", "base_channels=4", "bottleneck=8", "discriminator_channels=4")


@pytest.mark.row("F7")
@pytest.mark.parametrize(
    ("stage", "term", "mode"),
    [
        ("warm_up_generator", "reconstruction", EAGER),
        pytest.param("warm_up_generator", "known", (), marks=pytest.mark.slow),
        ("wgan", "adversarial", EAGER),
        ("wgan", "critic", EAGER),
        pytest.param("wgan", "gradient_penalty", EAGER, marks=pytest.mark.slow),
        pytest.param("wgan", "id_mrf", EAGER, marks=pytest.mark.slow),
        pytest.param("wgan", "gradient_penalty", (), marks=pytest.mark.slow),
        ("joint", "reconstruction", EAGER),
        pytest.param("joint", "discriminator", (), marks=pytest.mark.slow),
    ],
)
def test_nan_in_a_loss_term(zoo, images, tmp_path, stage, term, mode, record_property):
    """At the third step: it is named at once, and the state of the second is intact."""
    options = [*(ENCODER if stage == "joint" else TINY), *mode]
    if stage == "warm_up_generator":
        options += WARM_UP
    if term == "id_mrf":
        options += ["-id_mrf_weight", 0.05]
        options += ["-vgg_weights", tiny_vgg.write(tmp_path / "vgg.npz")]
    options += ["-steps", 4, "-save_every", 1, "-sample_every", 4]
    result = zoo.run(*where(images, tmp_path), *options, NAN=f"{term}@3")
    assert result.code == 3, result.err
    named = result.error.removeprefix("error: ").partition(": must be finite")[0]
    assert {term, f"weighted_{term}"} <= set(named.split(", "))
    assert "at step 3;" in result.error
    record_property("named", named)
    assert max(states(tmp_path)) == 2
    result = zoo.run(*RESUME, tmp_path, "-steps", 3)
    assert result.code == 0 and "from step 2," in result.out, result.err
    assert max(states(tmp_path)) == 3


@pytest.mark.row("F7")
@pytest.mark.parametrize("stage", STAGES)
def test_training_that_diverges(zoo, images, tmp_path, stage, record_property):
    options = (*TINY, *EAGER, *STAGES[stage], "-steps", 20, "-save_every", 1)
    result = zoo.run(*where(images, tmp_path), *options, "-learning_rate", 1e30)
    record_property("message", result.error)
    assert result.code == 3 and "must be finite" in result.error
    assert "at step" in result.error
    states(tmp_path)  # are finite


@pytest.mark.row("F7")
def test_nan_in_the_weights_given(zoo, images, weights, tmp_path):
    with np.load(weights) as file:
        arrays = dict(file)
    name = next(name for name in arrays if name.endswith("kernel"))
    arrays[name][..., 0] = np.nan
    np.savez(tmp_path / "nan.npz", **arrays)
    options = (*TINY, *EAGER, "-from_weights", tmp_path / "nan.npz", "-steps", 1)
    result = zoo.run(*where(images, tmp_path), *options)
    assert result.code == 5 and name in result.error
    assert not states(tmp_path)


class ResourceExhaustedError(Exception):
    """Named as TensorFlow's."""


@pytest.mark.row("F8")
def test_too_little_memory_on_the_device(tmp_path, record_property):
    """Without a device that is full, a completion that says so stands in."""
    sizes = []

    def complete(image, mask):
        sizes.append(max(mask.shape))
        if max(mask.shape) > 100 or image[0, 0].tolist() == [0, 0, 0]:
            raise ResourceExhaustedError("OOM when allocating tensor")
        return np.where(mask[..., None] > 0, 255, image).astype(np.uint8)

    (tmp_path / "in").mkdir()
    for name, side, colour in (("a", 350, 9), ("b", 350, 0), ("c", 90, 9)):
        Image.new("RGB", (side, side), (colour,) * 3).save(tmp_path / f"in/{name}.png")
        hole = Image.new("L", (side, side))
        hole.paste(255, (20, 20, 70, 70))
        hole.save(tmp_path / f"{name}.png")
    (tmp_path / "masks").mkdir()
    for path in tmp_path.glob("*.png"):
        path.rename(tmp_path / "masks" / path.name)
    out, options = tmp_path / "out", {"strategy": "original"}
    code = inpaint_folder(complete, tmp_path / "in", tmp_path / "masks", out, **options)
    record_property("sizes tried", " ".join(map(str, sizes)))
    assert code == 2 and sizes == [350, 175, 87, 350, 175, 87, 64, 90]
    rows = ledger(out)
    assert [rows[f"{n}.png"]["status"] for n in "abc"] == ["ok", "failed", "ok"]
    assert "memory" in rows["b.png"]["reason"]


@pytest.mark.row("F9")
def test_a_batch_killed_half_way(tmp_path, zoo, weights, record_property):
    pictures, out = Pictures(tmp_path, 16, weights), tmp_path / "out"
    kill(pictures.start_and_wait(out, 8))
    before = {path: path.stat().st_mtime_ns for path in out.glob("*.png")}
    for content in map(Image.open, before):
        content.load()  # whole
    assert zoo.run(*pictures.command(out)).code == 0
    redone = sum(path.stat().st_mtime_ns != t for path, t in before.items())
    record_property("done before the kill", len(before))
    record_property("redone", redone)
    assert redone <= 1  # the one that was saved but not yet in the ledger
    assert not parts(out) and len(ledger(out)) == 16
    assert zoo.run(*pictures.command(tmp_path / "clean")).code == 0
    for path in sorted((tmp_path / "clean").glob("*.png")):
        assert path.read_bytes() == (out / path.name).read_bytes()


@pytest.mark.row("F10")
def test_weights_of_another_configuration(zoo, images, weights, tmp_path):
    other = ("-set", "base_channels=6", "hole_fill=zero")
    given = ("-from_weights", weights, "-steps", 1)
    result = zoo.run(*where(images, tmp_path), *TINY, *EAGER, *other, *given)
    assert result.code == 5
    assert "base_channels 4 -> 6" in result.error and "hole_fill" in result.error
    assert not states(tmp_path)


@pytest.mark.row("F10")
@pytest.mark.parametrize("lost", ["generator", "global_critic"])
def test_networks_that_are_missing(zoo, images, wgan_state, tmp_path, lost):
    """Neither a start from such a state nor its resumption makes up for them."""
    with np.load(wgan_state) as file:
        arrays = {name: file[name] for name in file if not name.startswith(lost)}
    np.savez(tmp_path / "lost.npz", **arrays)
    given = ("-from_weights", tmp_path / "lost.npz", "-steps", 1)
    result = zoo.run(*where(images, tmp_path / "new"), *TINY, *EAGER, *given)
    assert result.code == 5 and f"lacks {lost}" in result.error
    assert not states(tmp_path / "new")

    shutil.copytree(wgan_state.parents[1], tmp_path / "old" / "run")
    path = tmp_path / "old" / "run" / "weights" / wgan_state.name
    shutil.copy(tmp_path / "lost.npz", path)
    manifest = path.with_name("manifest.json")
    (entry,) = json.loads(manifest.read_text())
    entry["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    result = zoo.run(*RESUME, tmp_path / "old", "-steps", 2)
    assert result.code == 5 and "SHA-256" in result.error
    manifest.write_text(json.dumps([entry]))
    result = zoo.run(*RESUME, tmp_path / "old", "-steps", 2)
    assert result.code == 5 and f"lacks {lost}" in result.error
    assert max(states(tmp_path / "old")) == 1


@pytest.mark.row("F10")
def test_new_critics_are_announced(zoo, images, weights, tmp_path):
    given = ("-from_weights", weights, "-steps", 1)
    result = zoo.run(*where(images, tmp_path), *TINY, *EAGER, *given)
    assert result.code == 0
    assert "global_critic, local_critic: start from random weights" in result.out


@pytest.fixture
def server(tmp_path):
    """A web server of 1 kB; `cut` says how many answers end half-way."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            web.requests += 1
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(bytes(500 if web.requests <= web.cut else 1000))

        def log_message(self, *arguments):
            pass

    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    web.requests, web.cut = 0, 0
    web.url = f"http://127.0.0.1:{web.server_port}/weights.h5"
    thread = threading.Thread(target=web.serve_forever)
    thread.start()
    yield web
    web.shutdown()
    web.server_close()
    thread.join()


WHOLE, HALF = (hashlib.md5(bytes(n)).hexdigest() for n in (1000, 500))


@pytest.mark.row("F11")
@pytest.mark.parametrize("cut", [0, 1, 2])
def test_a_download_that_is_cut(server, tmp_path, cut):
    server.cut, path = cut, tmp_path / "new" / "weights.h5"
    if cut < 2:
        assert fetch(server.url, path, WHOLE).read_bytes() == bytes(1000)
        assert fetch(server.url, path, WHOLE) == path  # from the cache
    else:
        with pytest.raises(WeightsError, match=f"{HALF} instead of {WHOLE}"):
            fetch(server.url, path, WHOLE)
        assert not path.exists()
    assert server.requests == min(cut + 1, 2) and not parts(tmp_path)


@pytest.mark.row("F12")
def test_the_cache_needs_no_network(server, tmp_path):
    (tmp_path / "weights.h5").write_bytes(bytes(1000))
    assert fetch("http://127.0.0.1:9", tmp_path / "weights.h5", WHOLE).is_file()
    with pytest.raises(InputError, match="refused"):
        fetch("http://127.0.0.1:9", tmp_path / "other.h5", WHOLE)


def train_with_vgg(zoo, images, tmp_path, proxy):
    environment = {"KERAS_HOME": str(tmp_path), "https_proxy": proxy, "no_proxy": ""}
    options = (*TINY, *EAGER, "-id_mrf_weight", 0.05, "-steps", 1)
    return zoo.run(*where(images, tmp_path), *options, **environment)


@pytest.mark.row("F11")
def test_a_wrong_file_in_the_cache(zoo, images, tmp_path):
    cached = tmp_path / "models" / FILE
    cached.parent.mkdir()
    cached.write_bytes(bytes(500))
    result = train_with_vgg(zoo, images, tmp_path, "http://127.0.0.1:9")
    assert result.code == 5, result.err
    assert HALF in result.error and MD5 in result.error
    assert not cached.exists()


@pytest.mark.row("F12")
def test_no_network(zoo, images, tmp_path, record_property):
    """Whether the network refuses at once or never answers."""
    seconds = {}
    with socket.create_server(("127.0.0.1", 0)) as silent:
        ports = {"refused": 9, "timed out": silent.getsockname()[1]}
        for reason, port in ports.items():
            result = train_with_vgg(zoo, images, tmp_path, f"http://127.0.0.1:{port}")
            assert result.code == 4, result.err
            assert reason in result.error
            assert str(tmp_path / "models" / FILE) in result.error
            seconds[reason] = result.seconds
            record_property(f"seconds if {reason}", result.seconds)
    # What comes before, building the networks, takes a busy machine long.
    assert seconds["timed out"] - seconds["refused"] < 5
    assert not parts(tmp_path)
