"""How different pictures look, as a loss: LPIPS by features of a network."""

from keras import ops

EPSILON = 1e-10  # of the authors' normalization


def perceptual_similarity_loss(generated, target, heads):
    """Returns LPIPS, the mean over pictures (Equation 1).

    Args:
        generated, target: lists of features (B, h, w, C), of layers after the ReLU.
        heads: for each layer the weights (C,) of its channels.

    Reference: Zhang et al., The unreasonable effectiveness of deep features as a
    perceptual metric, CVPR 2018.
    """
    total = 0.0
    for x, y, head in zip(generated, target, heads, strict=True):
        squares = ops.square(_unit(x) - _unit(y))
        total = total + ops.mean(ops.sum(squares * head, axis=-1))
    return total


def _unit(x):
    """Scales features to length 1 at every position; 0, as in a flat image, stays."""
    # Below the root, where its gradient is finite.
    return x / ops.sqrt(ops.sum(ops.square(x), axis=-1, keepdims=True) + EPSILON)
