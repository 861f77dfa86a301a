"""What tests of a stage by its commands share: whole or in parts, then in use."""

import numpy as np
from PIL import Image

from inpainting_zoo import cli


def run(*arguments):
    return cli.main([str(argument) for argument in arguments])


def whole_and_in_parts(begun, common, outputs, stage):
    """Takes four steps in one run, and two and two; both must end in the same state.

    Args:
        begun: arguments of a run that begins.
        common: those of one that goes on.
        outputs: folder of the experiments "whole" and "parts".
        stage: that is trained.

    Returns:
        The state, and what it holds something of: parts, optimizers and the like.
    """
    assert run(*begun, "-experiment_name", "whole", "-steps", 4) == 0
    assert run(*begun, "-experiment_name", "parts", "-steps", 2) == 0
    assert run(*common, "-experiment_name", "parts", "-steps", 4, "-resume") == 0
    states = [
        dict(np.load(outputs / name / "weights" / f"{stage}-00000004.npz"))
        for name in ("whole", "parts")
    ]
    for key in states[0].keys() - {"metadata"}:
        np.testing.assert_array_equal(*(state[key] for state in states), err_msg=key)
    return states[0], {key.split("/")[0] for key in states[0]} - {"metadata"}


def assert_known_stay(picture, mask, completed):
    """Checks that a picture file has changed in its hole alone.

    Returns:
        The pictures before and after, uint8 (H, W, 3), and what is known, bool (H, W).
    """
    known = np.asarray(Image.open(mask)) == 0
    before, after = (
        np.asarray(Image.open(path).convert("RGB")) for path in (picture, completed)
    )
    np.testing.assert_array_equal(after[known], before[known])
    return before, after, known
