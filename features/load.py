"""Frozen networks by name."""

from collections.abc import Callable, Mapping

from inpainting_zoo.errors import InputError, WeightsError, choose
from inpainting_zoo.features.resnet import resnet50_dilated
from inpainting_zoo.features.vgg import vgg16, vgg19


def loader(files: Mapping | None = None) -> Callable:
    """Returns a function that loads a frozen network, as `Inpainter.begin` takes it.

    It takes a name in `FEATURES`, the taps, and what else that network takes.

    Args:
        files: name -> weight file, instead of the download.
    """

    def load(name, taps, **options):
        build = choose("features", name, FEATURES)
        return build(taps, (files or {}).get(name), **options)

    return load


def advising(load: Callable, advice: str) -> Callable:
    """Returns what loads a frozen network, or says how to do without it.

    Args:
        load: see `loader`.
        advice: what the loss is called, and the setting that turns it off.
    """

    def load_or_advise(name, taps, **options):
        try:
            return load(name, taps, **options)
        except (InputError, WeightsError) as error:
            raise type(error)(f"{error}; or train without {advice}") from error

    return load_or_advise


FEATURES = {
    "vgg16": vgg16,
    "vgg19": vgg19,
    "resnet50_dilated": resnet50_dilated,
}
