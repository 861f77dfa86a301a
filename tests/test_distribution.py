"""What each process does alone; `reliability/test_together.py` has several."""

import os
import socket

import numpy as np
import pytest

from inpainting_zoo import cli
from inpainting_zoo.data.images import list_images
from inpainting_zoo.data.training import TrainingPairs
from inpainting_zoo.engine import distribution
from inpainting_zoo.errors import InputError
from inpainting_zoo.options import TrainSettings
from inpainting_zoo.storage.shards import Shard


@pytest.fixture
def second(monkeypatch):
    """This process is the second of two."""
    monkeypatch.setattr(distribution._together, "process", Shard(1, 2))


def test_one_process_loads_and_writes_everything():
    assert distribution.leads() and distribution.process() == Shard(0, 1)
    assert distribution.rows(6) == range(6)


def test_each_process_loads_its_rows(second, pictures):
    images = list_images(str(pictures / "images"), "train_path")
    pairs = TrainingPairs(images, "strokes=1", 16, batch_size=4, seed=0)
    assert distribution.rows(4) == range(2, 4) and not distribution.leads()
    for i in range(3):
        whole, own = pairs.batch(i), pairs.batch(i, distribution.rows(4))
        for name, array in own.items():
            np.testing.assert_array_equal(array, whole[name][2:])


def test_tensorflow_is_refused_with_the_reason(pictures, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    where = ["-train_path", str(pictures / "images"), "-output_path", str(tmp_path)]
    assert cli.main([*where, "-batch_size", "2", "-distributed"]) == 4
    error = capsys.readouterr().err
    assert "-distributed: needs KERAS_BACKEND=jax, because on TensorFlow" in error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ({"distributed": "host"}, "distributed: must be HOST:PORT .* received 'host'"),
        ({"distributed": "host:1"}, "process: is needed with -distributed HOST:PORT"),
        ({"process": "0/2"}, "process: is needed with -distributed HOST:PORT, and onl"),
        ({"distributed": True, "process": "0/2"}, "process: is needed .* only then"),
        ({"distributed": "host:1", "process": "2/2"}, "process: must be I/N"),
        ({"distributed": True, "run_eagerly": True}, "run_eagerly: must not be given"),
    ],
)
def test_what_goes_together(settings, rule):
    with pytest.raises(InputError, match=rule):
        TrainSettings(**settings)
    TrainSettings(distributed="host:8471", process="1/2")


def test_who_ends_without_a_word_is_noticed(second, monkeypatch, capsys):
    codes = []
    monkeypatch.setattr(os, "_exit", codes.append)
    for said, expected in ((distribution.BYE, []), (b"", [6])):
        here, there = socket.socketpair()
        there.sendall(said)
        there.close()
        distribution._watch(here)
        here.close()
        assert codes == expected
    (error,) = capsys.readouterr().err.strip().splitlines()
    assert error.startswith("error: -distributed: process 1 of 2 has lost another")


def test_a_process_that_fails_ends_at_once(second, monkeypatch):
    """One that has come to its end says so first."""
    codes, (here, there) = [], socket.socketpair()
    monkeypatch.setattr(os, "_exit", codes.append)
    monkeypatch.setattr(distribution._together, "connections", [here])
    distribution.leave(0)
    assert there.recv(1) == distribution.BYE and codes == []
    distribution.leave(143)
    assert codes == [143]
    here.close(), there.close()
