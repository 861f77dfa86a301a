"""The weight of an adversarial loss that makes its gradient as large as another's."""

from keras import ops

from inpainting_zoo.engine.steps import input_gradient

LARGEST = 1e4


def adaptive_weight(reconstruction, adversarial, kernel):
    """Returns the norm of a loss's gradient divided by that of another's, at most 1e4.

    Nothing is learned through it.

    Args:
        reconstruction, adversarial: take the kernel, return a loss.
        kernel: of the last layer, by which both losses are differentiated.

    Reference: Esser et al., Taming Transformers for High-Resolution Image Synthesis,
    CVPR 2021, Equation 7.
    """
    kernel = ops.stop_gradient(ops.convert_to_tensor(kernel))
    ours, theirs = (
        ops.sqrt(ops.sum(ops.square(input_gradient(loss, kernel))))
        for loss in (reconstruction, adversarial)
    )
    return ops.stop_gradient(ops.clip(ours / (theirs + 1e-4), 0, LARGEST))
