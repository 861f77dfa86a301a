"""One way of training a model, as its family describes it."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from keras import ops

from inpainting_zoo.engine.precisions import layers_of


@dataclasses.dataclass(frozen=True)
class Stage:
    """A training step, and what each optimizer moves in it.

    Args:
        step: takes (batch, minimize), returns logs by name. The batch holds "image"
            (B, H, W, 3) in [-1, 1], "mask" (B, H, W, 1), 1 in the hole, and `inputs`;
            `minimize(name, loss_fn)` takes a step of what `learns[name]` holds, where
            `loss_fn()` returns `(loss, logs)`.
        learns: name of an optimizer -> network, layer, variable, or a list of them.
            The first is the one that `compile` is given.
        batches: fresh batches that one step takes, see `join_batches`.
        inputs: names in a batch beyond "image" and "mask".
        rates: name of an optimizer -> factor of the learning rate.
        clip: name of an optimizer -> largest norm of all its gradients together.
        lazy: name of an optimizer -> steps n from one lazy term of its loss to the
            next; with c = n / (n + 1) its learning rate is multiplied by c, and betas
            of Adam are taken to the power c (StyleGAN2, appendix B).
        average: half-life, in images, of the exponential average of the weights that
            use takes instead of the last ones; at first shorter, a twentieth of the
            images seen, so that it forgets weights that had learned nothing. None takes
            the last ones.
        best: whether use takes the weights of the lowest validation loss instead.
        initialize: takes nothing, sets what learns by what is frozen, once that is
            loaded.
        truth: name in the batch of what should be predicted.
    """

    step: Callable
    learns: Mapping
    batches: int = 1
    inputs: tuple = ()
    rates: Mapping = dataclasses.field(default_factory=dict)
    clip: Mapping = dataclasses.field(default_factory=dict)
    lazy: Mapping = dataclasses.field(default_factory=dict)
    average: float | None = None
    best: bool = False
    initialize: Callable | None = None
    truth: str = "image"

    def correction(self, name: str) -> float:
        """Returns c of an optimizer, 1 without a lazy term; see `lazy`."""
        every = self.lazy.get(name)
        return every / (every + 1) if every else 1.0

    def owners(self) -> dict:
        """Returns what holds the variables that are trained, by a stable name.

        An optimizer's only network has the optimizer's name, several have their own.
        """
        found = {}
        for name, learned in self.learns.items():
            if not isinstance(learned, list | tuple):
                found[name] = learned
                continue
            variables = [x for x in learned if not hasattr(x, "variables")]
            networks = [x for x in learned if hasattr(x, "variables")]
            found |= {network.name: network for network in networks}
            found |= {name: variables} if variables else {}
        return found

    def computes_in(self, name: str, dtype: str) -> bool:
        """Returns whether a layer that an optimizer moves computes in a dtype."""
        learned = self.learns[name]
        owners = learned if isinstance(learned, list | tuple) else [learned]
        layers = [layer for owner in owners for layer in layers_of(owner)]
        return any(getattr(layer, "compute_dtype", None) == dtype for layer in layers)

    def trainable(self, name: str) -> list:
        """Returns the variables that an optimizer moves."""
        learned = self.learns[name]
        learned = learned if isinstance(learned, list | tuple) else [learned]
        return [v for owner in learned for v in variables_of(owner, "trainable_")]


def join_batches(batches: Sequence[Mapping]) -> dict:
    """Joins the batches of a step, each a dict of arrays (B, ...), to one.

    Their first rows come first, then their second ones, so that of several devices
    each has its rows of every batch.
    """
    joined = {name: np.stack([b[name] for b in batches], 1) for name in batches[0]}
    return {name: x.reshape(-1, *x.shape[2:]) for name, x in joined.items()}


def split_batches(x, count: int):
    """Returns (B, count, ...) of what `join_batches` has joined, (B * count, ...)."""
    return ops.reshape(x, (-1, count, *x.shape[1:]))


def variables_of(owner, kind: str = "") -> list:
    """Returns the variables of a network or layer, or those that are given.

    Args:
        owner: a network, a layer, a variable or a list of variables.
        kind: "", "trainable_" or "non_trainable_".
    """
    if isinstance(owner, list | tuple):
        return list(owner)
    return list(getattr(owner, f"{kind}variables", [owner]))


def named(owners: Mapping) -> dict:
    """Returns name/path -> variable of name -> network, layer or variables."""
    return {
        f"{name}/{v.path}": v
        for name, owner in owners.items()
        for v in variables_of(owner)
    }
