"""The models that a worker has in memory."""

import gc
from collections.abc import Callable

from inpainting_zoo import presets


class Held:
    """Models of one device by name, loaded once: the least recently used leaves.

    Args:
        max_bytes: of the weights of all that are held together; one is always held,
            however large it is.
        load: takes a preset's name and returns its model.
        own: models that never leave, by name; they take the place of presets.
        device: where they are, see `engine.placement.placed`.

    Attributes:
        models: what may leave, the most recently used last.
    """

    def __init__(
        self,
        max_bytes: int,
        load: Callable = presets.load,
        own: dict | None = None,
        device: str | None = None,
    ):
        self.max_bytes, self.load, self.models = max_bytes, load, {}
        self.device, self._own = device, own or {}

    def get(self, name: str):
        """Returns a model; to be called by one thread at a time, on the device.

        Raises:
            InputError, WeightsError: as `presets.load`.
        """
        if name in self._own:
            return self._own[name]
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
