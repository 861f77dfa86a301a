"""How well subjects are moved, by the second views of the data set ReS.

The other view differs in perspective and light as well, as its authors warn: numbers
compare methods, they do not say how good a picture is.
"""

from functools import partial

import numpy as np

from inpainting_zoo.data.res import MovePairs
from inpainting_zoo.errors import InputError
from inpainting_zoo.evaluation import protocol
from inpainting_zoo.inpainting.reposition import reposition
from inpainting_zoo.models.completer import Completer

NAME = "res"
SIDE = 512  # of the shorter sides


class Method(Completer):
    """A classical method, as a model that removes.

    Args:
        function: complete(image, mask).
    """

    image_size = 4 * SIDE  # it sees pictures whole

    def __init__(self, function):
        self.function = function

    def predict_images(self, images, masks, seed=0):
        return np.stack([*map(self.function, images, masks)])


def evaluate(settings, model, name: str, baselines: dict, views: list, **kept) -> dict:
    """Returns a report of moved subjects; see `protocol.evaluate`.

    Args:
        settings: `EvaluateSettings`.
        model: a `Completer`, under its name.
        baselines: name -> complete(image, mask).
        views: see `data.res.list_views`.
        **kept: of `protocol.evaluate`.

    Raises:
        InputError: if no scene has both of its views.
    """
    pairs = MovePairs(views, settings.image_size or SIDE, settings.max_pixels)
    if not len(pairs):
        raise InputError("test_path: must hold both views of a scene, received none")
    methods = {name: partial(_moved, model, settings.seed, **settings.with_options)}
    for key, function in baselines.items():
        methods[key] = partial(_moved, Method(function), settings.seed)
    return protocol.evaluate(pairs, methods, settings.seed, **kept) | {"protocol": NAME}


def _moved(model, seed, truth, mask, move, **options):
    options |= {"amodal": move.amodal, "seed": seed}
    found = reposition(model, move.image, move.mask, move.shift, **options)
    return found.image
