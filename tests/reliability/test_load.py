"""Load: many files, large files, many holes, many steps."""

import os
import time

import numpy as np
import psutil
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

from .commands import EAGER, TINY, start

MB = 2**20


def save_noise(path, width, height, seed=0):
    """Noise in blocks of 8x8 pixels: quick to make and to compress."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 256, (-(-height // 8), -(-width // 8), 3), np.uint8)
    pixels = blocks.repeat(8, axis=0).repeat(8, axis=1)[:height, :width]
    Image.fromarray(pixels).save(path)
    return pixels


def save_mask(path, mask):
    Image.fromarray(np.asarray(mask, np.uint8) * 255).save(path)


@pytest.mark.row("L1")
@pytest.mark.row("L2")
@pytest.mark.parametrize(
    "count",
    [
        pytest.param(30, marks=[pytest.mark.short, pytest.mark.long]),
        pytest.param(1000, marks=pytest.mark.slow),
        pytest.param(10_000, marks=pytest.mark.slow),
    ],
)
def test_a_long_batch_stays_small_and_fast(tmp_path, weights, count, record_property):
    folder, mask = tmp_path / "in", np.zeros((256, 256))
    folder.mkdir()
    save_noise(folder / "00000.png", 256, 256)
    for i in range(1, count):  # the same file under many names
        (folder / f"{i:05}.png").hardlink_to(folder / "00000.png")
    mask[100:150, 100:150] = 1
    save_mask(tmp_path / "mask.png", mask)
    what = ("-image", folder, "-mask", tmp_path / "mask.png", "-save_to")
    process = start("inpaint", "-from_weights", weights, *what, tmp_path / "out")
    rows = watch(psutil.Process(process.pid), tmp_path / "out" / "ledger.jsonl", count)
    assert process.wait(120) == 0, process.stdout.read()
    part = max(1, count // 10)
    first, last = rows[part], rows[count]
    # At its least: a look may fall into the moment in which a picture is open.
    halves = range(1, count // 2 + 1), range(count // 2 + 1, count + 1)
    early, late = (min(rows[i]["files"] for i in half) for half in halves)
    growth = last["memory"] - first["memory"]
    speeds = [(part - 1) / (first["time"] - rows[1]["time"])]
    speeds.append(part / (last["time"] - rows[count - part]["time"]))
    record_property("images", count)
    record_property("memory growth in MB", growth // MB)
    record_property("images/s at first", speeds[0])
    record_property("images/s at last", speeds[1])
    record_property("open files", f"{early} to {late}")
    assert growth <= 100 * MB
    assert late <= early
    assert count < 1000 or speeds[1] >= 0.9 * speeds[0]


@pytest.mark.row("L2")
@pytest.mark.slow
@pytest.mark.parametrize("count", [20_000, 100_000])
def test_a_long_batch_on_ray_stays_small_and_fast(tmp_path, count, record_property):
    """Memory is the driver's, which keeps the ledger."""
    pytest.importorskip("ray")
    folder, mask = tmp_path / "in", np.zeros((32, 32))
    for i in range(count):
        if i % 1000 == 0:
            part = folder / f"{i // 1000:03}"
            part.mkdir(parents=True)
        if i == 0:
            save_noise(part / "000000.png", 32, 32)
        else:
            (part / f"{i:06}.png").symlink_to(folder / "000" / "000000.png")
    mask[10:20, 10:20] = 1
    save_mask(tmp_path / "mask.png", mask)
    what = ("-image", folder, "-mask", tmp_path / "mask.png", "-save_to")
    process = start("inpaint", *what, tmp_path / "out", "-ray", "local")
    ledger = tmp_path / "out" / "ledger.jsonl"
    rows = watch(psutil.Process(process.pid), ledger, count, b'"status": "ok"')
    assert process.wait(600) == 0, process.stdout.read()
    part = count // 10
    growth = rows[count]["memory"] - rows[part]["memory"]
    times = [rows[i]["time"] for i in (part, 2 * part, count - part, count)]
    speeds = [part / (times[1] - times[0]), part / (times[3] - times[2])]
    record_property("images on Ray", count)
    record_property("memory growth of the driver in MB", growth // MB)
    record_property("images/s at first", speeds[0])
    record_property("images/s at last", speeds[1])
    assert growth <= 100 * MB
    assert speeds[1] >= 0.9 * speeds[0]


def watch(process, ledger, count, row=b"\n"):
    """Returns memory, open files and time when the ledger had so many rows.

    Args:
        process: that writes the ledger.
        ledger: path.
        count: rows to wait for.
        row: what each of these rows has once.
    """
    rows, seen, end = {}, 0, time.monotonic() + 60 + count
    file, offset = None, 0
    while seen < count:
        assert process.is_running() and time.monotonic() < end
        time.sleep(0.01)
        if not ledger.is_file():
            continue
        with open(ledger, "rb") as opened:
            found = os.fstat(opened.fileno()).st_ino
            if found != file:  # it was written anew
                file, offset, lines = found, 0, 0
            opened.seek(offset)
            added = opened.read()
        whole = added[: added.rfind(b"\n") + 1]
        offset, lines = offset + len(whole), lines + whole.count(row)
        if lines > seen:
            now = {
                "memory": process.memory_info().rss,
                "files": process.num_fds(),
                "time": time.monotonic(),
            }
            rows |= dict.fromkeys(range(seen + 1, lines + 1), now)
            seen = lines
    return rows


class Photograph:
    """A picture with three holes, and the command that completes it."""

    def __init__(self, folder, width, height):
        self.pixels = save_noise(folder / "in.bmp", width, height)
        self.mask = np.zeros((height, width), bool)
        for top, left in ((10, 30), (700, 900), (height - 90, width - 70)):
            self.mask[top : top + 150, left : left + 120] = True
        save_mask(folder / "mask.png", self.mask)
        self.folder, self.command = folder, command(folder)

    def check(self):
        """The size is the same, and nothing but the holes has changed."""
        after = np.asarray(Image.open(self.folder / "out.bmp"))
        assert after.shape == self.pixels.shape
        same = after == self.pixels
        assert same[~self.mask].all() and not same[self.mask].all()


def command(folder):
    names = {"image": "in.bmp", "mask": "mask.png", "save_to": "out.bmp"}
    options = [word for n, file in names.items() for word in (f"-{n}", folder / file)]
    return ("inpaint", *options)


@pytest.mark.short
@pytest.mark.row("L3")
def test_a_large_photograph(tmp_path, zoo, weights, record_property):
    photograph = Photograph(tmp_path, 2000, 1500)
    options = ("-from_weights", weights, "-strategy", "crop")
    result = zoo.run(*photograph.command, *options)
    assert result.code == 0, result.err
    record_property("picture", "2000x1500")
    record_property("memory growth in MB", result.growth // MB)
    record_property("seconds", result.seconds)
    photograph.check()


@pytest.mark.slow
@pytest.mark.row("L3")
def test_a_photograph_of_48_megapixels(tmp_path, record_property):
    """With the weights that are shipped; the memory is all that the command takes."""
    photograph = Photograph(tmp_path, 8000, 6000)
    began = time.monotonic()
    process = start(*photograph.command, "-preset", "gmcnn_faces_128")
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, process.stdout.read()
    record_property("picture", "8000x6000")
    record_property("peak memory in MB", usage.ru_maxrss // 1024)
    record_property("seconds", time.monotonic() - began)
    photograph.check()
    assert usage.ru_maxrss * 1024 < 4e9


@pytest.mark.row("L4")
@pytest.mark.long
def test_a_hundred_holes_cost_at_most_three_times_one(
    tmp_path, zoo, weights, record_property
):
    save_noise(tmp_path / "in.bmp", 320, 320)
    one, hundred = np.zeros((2, 320, 320), bool)
    one[80:240, 80:240] = True
    for i in range(100):
        top, left = 32 * (i // 10) + 8, 32 * (i % 10) + 8
        hundred[top : top + 16, left : left + 16] = True
    assert one.sum() == hundred.sum()
    masks = {"none": np.zeros_like(one), "one": one, "hundred": hundred}
    seconds = {name: [] for name in masks}
    for _ in range(3):
        for name, mask in masks.items():
            save_mask(tmp_path / "mask.png", mask)
            result = zoo.run(*command(tmp_path), "-from_weights", weights, "-overwrite")
            assert ("predict_images" in result.calls) == (name != "none")
            seconds[name].append(result.seconds)
    # Without a hole the model is built, and nothing is completed.
    built, for_one, for_hundred = (min(found) for found in seconds.values())
    record_property("seconds for one", for_one - built)
    record_property("seconds for a hundred", for_hundred - built)
    assert for_hundred - built <= 3 * (for_one - built)


@pytest.mark.short
@pytest.mark.row("L6")
@pytest.mark.long
def test_the_step_is_not_traced_again(tmp_path, zoo, images, record_property):
    steps = ("-steps", 30, "-save_every", 10, "-sample_every", 10)
    result = train(zoo, tmp_path, images, *steps, "-warm_up_generator")
    record_property("tracings in 30 steps", result.calls["training_step"])
    assert 1 <= result.calls["training_step"] <= 3


@pytest.mark.slow
@pytest.mark.row("L6")
@pytest.mark.parametrize("stage", [["-warm_up_generator"], []])
def test_the_step_time_is_even(tmp_path, zoo, images, stage, record_property):
    steps = ("-steps", 500, "-save_every", 500, "-sample_every", 500)
    result = train(zoo, tmp_path, images, *steps, *stage)
    record_property("tracings in 500 steps", result.calls["training_step"])
    assert 1 <= result.calls["training_step"] <= 3
    seconds = scalars(tmp_path / "run" / "logs", "seconds_per_step")
    assert len(seconds) == 500
    median, late = np.percentile(seconds[3:], [50, 95])  # not the tracing
    record_property("p50 in ms", 1000 * median)
    record_property("p95 / p50", late / median)
    assert late / median < 1.5


def scalars(folder, tag):
    """Reads one scalar of every step from TensorBoard's files."""
    return [
        value.simple_value or float(value.tensor.float_val[0])
        for file in folder.rglob("events.*")
        for event in EventFileLoader(str(file)).Load()
        for value in event.summary.value
        if value.tag == tag
    ]


def train(zoo, folder, images, *options):
    where = ("-train_path", images, "-output_path", folder, "-experiment_name", "run")
    result = zoo.run(*TINY, *where, *options)
    assert result.code == 0, result.err
    return result


@pytest.mark.row("L7")
@pytest.mark.parametrize(
    "count",
    [
        pytest.param(2000, marks=pytest.mark.short),
        pytest.param(100_000, marks=pytest.mark.slow),
    ],
)
def test_a_dataset_of_links(zoo, tmp_path, images, count, record_property):
    folder = tmp_path / "links"
    for i in range(count):
        if i % 1000 == 0:
            part = folder / f"{i // 1000:03}"
            part.mkdir(parents=True)
        (part / f"{i:06}.png").symlink_to(images / f"{i % 8}.png")
    options = (*EAGER, "-warm_up_generator", "-steps", 1, "-validation_path", images)
    result = train(zoo, tmp_path, folder, *options)
    record_property("links", count)
    record_property("seconds with a step of training", result.seconds)
    record_property("memory growth in MB", result.growth // MB)
    assert f"{count} images" in result.out
    assert result.seconds < 30
    assert result.growth < 500 * MB
