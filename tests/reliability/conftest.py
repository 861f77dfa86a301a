"""One interpreter, one trained model and its pictures for all reliability tests."""

import signal

import pytest

from .commands import EAGER, TINY, Session, kill_all
from .folders import Batch
from .report import pytest_collection_modifyitems, pytest_configure  # noqa: F401

# What a shell runs in the background ignores Ctrl-C, and so would the programs that it
# starts in turn.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # likewise under nohup


@pytest.fixture(scope="session")
def zoo():
    """A `Session`."""
    session = Session()
    yield session
    session.close()


@pytest.fixture(autouse=True)
def ended():
    """No process outlives the test that started it."""
    yield
    kill_all()


@pytest.fixture
def batch(tmp_path):
    """A `Batch` that has nothing in it yet."""
    return Batch(tmp_path)


@pytest.fixture(scope="session")
def images(pictures):
    """Eight pictures of 40x36 pixels."""
    return pictures / "images"


@pytest.fixture(scope="session")
def weights(zoo, images, tmp_path_factory):
    """A generator after a step of the warm-up."""
    return train_once(zoo, images, tmp_path_factory.mktemp("tiny"), "warm_up_generator")


@pytest.fixture(scope="session")
def wgan_state(zoo, images, tmp_path_factory):
    """The full state after a step of the second stage."""
    folder = tmp_path_factory.mktemp("wgan")
    return train_once(zoo, images, folder).with_name("wgan-00000001.npz")


def train_once(zoo, images, folder, *stage):
    """Takes one step in an experiment "tiny" in a folder; returns its generator."""
    flags = (f"-{name}" for name in stage)
    where = ("-train_path", images, "-output_path", folder, "-experiment_name", "tiny")
    result = zoo.run(*TINY, *EAGER, *where, "-steps", 1, *flags)
    assert result.code == 0, result.err
    return folder / "tiny" / "weights" / "generator.safetensors"
