"""What the parity tests share: golden arrays, layouts, gradients of weights."""

import pathlib

import keras
import numpy as np
from keras import ops

from inpainting_zoo.engine.steps import StepModel, minimize
from inpainting_zoo.losses.adversarial import ADVERSARIAL

GOLDENS = pathlib.Path(__file__).parent / "goldens"


def golden(name):
    with np.load(GOLDENS / f"{name}.npz") as arrays:
        return dict(arrays)


def nhwc(array):
    return np.moveaxis(array, 1, -1)


def hwio(kernel):
    """PyTorch's (out, in, height, width) or (out, in) to Keras's order."""
    return kernel.transpose(2, 3, 1, 0) if kernel.ndim == 4 else kernel.T


def flattened(weight, height, width):
    """Weights (1, C H W) of a dense layer after PyTorch's flattening to (H W C, 1)."""
    return nhwc(weight.reshape(1, -1, height, width)).reshape(-1, 1)


def difference(ours, theirs):
    """Largest absolute difference; the shapes must be the same."""
    ours = ops.convert_to_numpy(ours)
    assert ours.shape == np.shape(theirs)
    return np.abs(ours - theirs).max()


class Step(StepModel):
    """Takes training steps on the weights of a network, for any loss.

    Args:
        network: Keras model whose weights learn.
        loss_fn: takes nothing, returns `(loss, logs)`.
    """

    def __init__(self, network, loss_fn, optimizer):
        super().__init__()
        self.network, self.loss_fn = network, loss_fn
        self.built = True
        self.compile(optimizer)
        self.optimizer.build(network.trainable_variables)

    def training_step(self, batch):
        return minimize(self.loss_fn, self.network.trainable_variables, self.optimizer)

    def take(self, steps=1):
        """Returns a list, one for each step, of what the loss logged before it."""
        nothing = np.zeros((1, 1), "float32")
        history = self.fit(nothing, epochs=steps, verbose=0).history
        return [dict(zip(history, values)) for values in zip(*history.values())]


def gradients(network, loss_fn):
    """Returns the loss and its derivatives by the network's weights, by their paths."""

    def logged():
        loss = loss_fn()
        return loss, {"value": loss}

    logs, found = logged_gradients(network, logged)
    return logs["value"], found


def logged_gradients(network, loss_fn):
    """Returns what a loss logs in a step of training, and its derivatives.

    Args:
        loss_fn: takes nothing, returns `(loss, logs)`.
    """
    # Its first momentum is minus the gradient, exactly.
    optimizer = keras.optimizers.SGD(1.0, momentum=0.5)
    (logs,) = Step(network, loss_fn, optimizer).take()
    return logs, {
        variable.path: -ops.convert_to_numpy(momentum)
        for variable, momentum in zip(
            network.trainable_variables, optimizer.momentums, strict=True
        )
    }


def sides(name):
    """Returns the losses of the critic and of the generator of an adversarial loss."""
    found = ADVERSARIAL[name]
    return found.critic_loss, found.generator_loss
