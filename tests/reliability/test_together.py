"""Training by several processes: the weights of one, and an end if another ends."""

import re
import socket
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from .commands import TINY, finish, kill, start, wait_for
from .experiments import RESUME, WARM_UP, last_step, where

DUMPING = (sys.executable, str(Path(__file__).with_name("together.py")))
JAX = {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}


def start_processes(count, *arguments, dumps=None, **environment):
    """Starts so many processes that train together, or one that trains alone."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    together = [("-distributed", address, "-process", f"{i}/{count}")
                for i in range(count)] if count > 1 else [()]  # fmt: skip
    return [
        start(
            *(() if dumps is None else (dumps / f"{i}.npz",)),
            *(*arguments, *options),
            **({} if dumps is None else {"runner": DUMPING}),
            **(JAX | environment),
        )
        for i, options in enumerate(together)
    ]


def train(count, folder, *arguments, **environment):
    """Trains to the end; returns the state that each process has."""
    folder.mkdir(exist_ok=True)
    processes = start_processes(count, *arguments, dumps=folder, **environment)
    for code, printed in [finish(process, 1200) for process in processes]:
        assert code == 0, printed
    states = []
    for i in range(count):
        with np.load(folder / f"{i}.npz") as state:
            states.append({name: state[name] for name in state})
    return states


def difference(one, other):
    assert one.keys() == other.keys()
    found = (np.abs(one[k].astype("f8") - other[k]).max() for k in one if one[k].size)
    return float(max(found))  # as processes of tests send it


@pytest.mark.slow
@pytest.mark.row("L8")
@pytest.mark.parametrize(
    ("stage", "descent"),
    [
        pytest.param(WARM_UP, "", id="warm_up_generator"),
        pytest.param((), "1", id="wgan"),
    ],
)
def test_two_processes_train_as_one(images, tmp_path, stage, descent, record_property):
    options = (*TINY, "-batch_size", 4, *stage, "-steps", 3, "-validation_images", 2)
    alone, together = tmp_path / "alone", tmp_path / "together"
    first, second = train(
        2, together, *where(images, together), *options, DESCENT=descent
    )
    (one,) = train(1, alone, *where(images, alone), *options, DESCENT=descent)
    record_property("stage", stage[0][1:] if stage else "wgan")
    record_property("difference between two processes", difference(first, second))
    record_property("from one process", difference(first, one))
    assert len(first) > 100
    assert difference(first, second) == 0
    assert difference(first, one) <= 1e-5
    assert last_step(together) == 3


@pytest.mark.slow
@pytest.mark.row("L8")
def test_rows_stay_on_their_devices(images, tmp_path):
    """All that two devices tell each other in a step is what they add up."""
    told = "--xla_force_host_platform_device_count=2 --xla_backend_optimization_level=0"
    told += f" --xla_dump_to={tmp_path / 'compiled'} --xla_dump_hlo_as_text"
    options = (*TINY, "-batch_size", 4, "-steps", 1, "-validation_images", 1)
    options = (*where(images, tmp_path), *options, "-distributed")
    (process,) = start_processes(1, *options, XLA_FLAGS=told)
    code, printed = finish(process, 1200)
    assert code == 0, printed
    (step,) = tmp_path.glob("compiled/*train_step*cpu_after_optimizations.txt")
    found = re.findall(r" ((?:all|collective)-[a-z-]+)\(", step.read_text())
    assert {*found} == {"all-reduce"}


@pytest.mark.slow
@pytest.mark.row("L8")
def test_another_number_of_processes_goes_on(images, tmp_path, record_property):
    """Two after one, and one after two, come to the same."""
    options = (*TINY, "-batch_size", 4, *WARM_UP, "-validation_images", 2)
    found = []
    for before, after in ((1, 2), (2, 1)):
        folder = tmp_path / str(before)
        train(before, folder, *where(images, folder), *options, "-steps", 2)
        state, *_ = train(after, folder, *RESUME, folder, "-steps", 4)
        found.append(state)
        assert last_step(folder) == 4
    record_property("difference after resuming", difference(*found))
    assert difference(*found) <= 1e-5


@pytest.mark.slow
@pytest.mark.row("F13")
@pytest.mark.parametrize("dies", [0, 1])
def test_the_others_end_when_one_dies(images, tmp_path, dies, record_property):
    """With one clear line; the state that was saved is gone on from."""
    options = (*TINY, "-batch_size", 4, *WARM_UP, "-validation_images", 1)
    endless = ("-steps", 100_000, "-sample_every", 100_000, "-save_every", 1)
    processes = start_processes(2, *where(images, tmp_path), *options, *endless)
    wait_for(processes[0], lambda: last_step(tmp_path) >= 1, 1200)
    kill(processes[dies])
    killed = time.monotonic()
    code, printed = finish(processes[1 - dies], 60)
    record_property("the process that dies", dies)
    record_property("seconds to the end", time.monotonic() - killed)
    lines = [line for line in printed.splitlines() if line.startswith("error: ")]
    assert code == 6 and len(lines) == 1, printed
    assert "has lost another" in lines[0] and "Traceback" not in printed
    saved = last_step(tmp_path)
    train(1, tmp_path / "dump", *RESUME, tmp_path, "-steps", saved + 1)
    assert last_step(tmp_path) == saved + 1
