"""The models that requests may name, and which of them are in memory."""

import gc
from collections.abc import Callable

from inpainting_zoo import presets
from inpainting_zoo.errors import choose


class Held:
    """Models by name, loaded once: the least recently used leaves.

    Args:
        max_bytes: of the weights of all that are held together; one is always held,
            however large it is.
        load: takes a preset's name and returns its model.
        own: `(about, model)` of a model that comes first and never leaves, in place of
            the preset that its name may be; `about` is as of `presets.about`.

    Attributes:
        models: what is held, the most recently used last.
        default: name of the model that requests take which name none.
    """

    def __init__(
        self,
        max_bytes: int,
        load: Callable = presets.load,
        own: tuple[dict, object] | None = None,
    ):
        self.max_bytes, self.load, self.models = max_bytes, load, {}
        self._own = {own[0]["name"]: own} if own else {}
        self.default = next(iter(self._own), presets.DEFAULT)

    def about(self) -> list:
        """Returns what helps to choose, those first that need no download."""
        own = [about for about, _ in self._own.values()]
        others = [n for n, preset in presets.PRESETS.items() if "weights" in preset]
        others = [presets.about(n) for n in others if n not in self._own]
        return own + sorted(others, key=lambda model: not model["here"])

    def names(self) -> list:
        """Returns the names that requests may use."""
        return [model["name"] for model in self.about()]

    def declared(self, name: str) -> dict:
        """Returns a model's options, their defaults and types, and if a seed matters.

        Raises:
            InputError: if no model has this name.
        """
        choose("preset", name, dict.fromkeys(self.names()))
        if name in self._own:
            about, model = self._own[name]
            options, draws = model.OPTIONS, model.draws
        else:
            about, family = presets.about(name), presets.family(name)
            options, draws = family.options, family.draws
        return about | {
            "options": dict(options),
            "types": {k: type(value).__name__ for k, value in options.items()},
            "draws": draws is True,
        }

    def get(self, name: str):
        """Returns a model; to be called by one thread at a time.

        Raises:
            InputError, WeightsError: as `presets.load`.
        """
        if name in self._own:
            return self._own[name][1]
        if name not in self.models:
            self._make_room(presets.about(name)["bytes"])
            self.models[name] = self.load(name)
        self.models[name] = self.models.pop(name)
        return self.models[name]

    def _make_room(self, size):
        held = {name: presets.about(name)["bytes"] for name in self.models}
        while held and size + sum(held.values()) > self.max_bytes:
            oldest = next(iter(held))
            del held[oldest], self.models[oldest]
            gc.collect()  # networks refer to themselves
