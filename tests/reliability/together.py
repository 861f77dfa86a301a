"""Runs a training and writes the state that it ends with: DUMP ARGUMENTS."""

import os
import sys

import keras
import numpy as np

from inpainting_zoo import cli
from inpainting_zoo.storage.checkpoints import as_arrays
from inpainting_zoo.training import train

take_steps = train.take_steps


def dumping(run, *others):
    take_steps(run, *others)
    np.savez(dump, **as_arrays(run.model.state()))


def descent(name, settings, steps, factor, clip):
    """Plain gradient descent, which does not magnify rounding as Adam does."""
    return keras.optimizers.SGD(1e-2 * factor, global_clipnorm=clip, name=name)


if __name__ == "__main__":
    dump = sys.argv.pop(1)
    train.take_steps = dumping
    if os.environ.get("DESCENT"):
        train.make_optimizer = descent
    cli.console()
