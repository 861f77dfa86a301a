"""The weight files of Inception-v3; nothing here takes an engine."""

from pathlib import Path

from inpainting_zoo.errors import InputError, WeightsError
from inpainting_zoo.storage.downloads import SHIPPED, Weights, locate
from inpainting_zoo.storage.torch_files import read_any

CLASSES = {"inception": 1008, "inception_torchvision": 1000}  # by which files differ
OF_2015 = Weights(
    file="pt_inception-2015-12-05-6726825d.pth",
    digest="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
    urls=(
        "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"
        "pt_inception-2015-12-05-6726825d.pth",
        "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
        "weights-inception-2015-12-05-6726825d.pth",
    ),
    size=95_628_359,
    licence="Apache-2.0",
    source="Google's Inception of 2015-12-05 as pytorch-fid converted it",
)


def by_network(paths: list | None) -> dict:
    """Returns network -> its file of those that are given, which their classes tell.

    Raises:
        InputError: if two are of one network, or one of none.
        WeightsError: if one is damaged.
    """
    found = {}
    for path in paths or ():
        shape = read_any(path, "inception_weights").shapes.get("fc.bias")
        names = [name for name, count in CLASSES.items() if shape == (count,)]
        if not names or names[0] in found:
            rule = " and ".join(f"one of {n} classes ({k})" for k, n in CLASSES.items())
            raise InputError(
                f"inception_weights: at most {rule}, received {str(path)!r} with "
                f"{shape}"
            )
        found[names[0]] = path
    return found


def inception_file(name: str, weights: str | None = None) -> Path:
    """Returns the weight file of an Inception; that of 2015 is downloaded once.

    Args:
        name: "inception", or "inception_torchvision", which must be given.
        weights: a file instead.

    Raises:
        InputError: if there is none; see also `storage.downloads.fetch`.
    """
    if weights is None and name == "inception":
        try:
            return locate(OF_2015, SHIPPED)
        except (InputError, WeightsError) as error:
            raise type(error)(
                f"inception_weights: {error}; name the file with -inception_weights"
            ) from error
    if not (weights and Path(weights).is_file()):
        raise InputError(
            f"inception_weights: must be a file of {name}, received {weights!r}"
        )
    return Path(weights)
