"""The models that are in memory: the least recently used leaves."""

import gc
from collections.abc import Callable

from inpainting_zoo import presets


class Held:
    """Models by name, loaded once.

    Args:
        max_bytes: of the weights of all that are held together; one is always held,
            however large it is.
        load: takes a preset's name and returns its model.

    Attributes:
        models: what is held, the most recently used last.
    """

    def __init__(self, max_bytes: int, load: Callable = presets.load):
        self.max_bytes, self.load, self.models = max_bytes, load, {}

    def get(self, name: str):
        """Returns a preset's model; to be called by one thread at a time.

        Raises:
            InputError, WeightsError: as `presets.load`.
        """
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
