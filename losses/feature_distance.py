"""Distances of images in the features of a network: of a critic, or a frozen one."""

from keras import ops

from inpainting_zoo.losses.mean_squared_error import mean_squared_error
from inpainting_zoo.losses.reconstruction import absolute


def feature_matching_loss(generated, target):
    """Returns the mean over feature maps of their mean squared differences.

    Args:
        generated, target: lists of features (B, h, w, C).

    Reference: Wang et al., High-Resolution Image Synthesis and Semantic Manipulation
    with Conditional GANs, CVPR 2018 (with L1 instead of squares).
    """
    return perceptual_loss(generated, target) / len(target)


def perceptual_loss(generated, target, relative: bool = False):
    """Returns the sum over feature maps of their mean squared differences.

    Args:
        generated, target: lists of features (B, h, w, C).
        relative: whether each is divided by the mean square of the target's, so that
            maps count alike, and networks whose features have another scale.

    Reference: Johnson et al., Perceptual Losses for Real-Time Style Transfer and
    Super-Resolution, ECCV 2016.
    """
    total = 0.0
    for x, y in zip(generated, target, strict=True):
        distance = mean_squared_error(x, y)
        total += distance / ops.mean(ops.square(y)) if relative else distance
    return total


def absolute_feature_distance(generated, target, weights):
    """Returns the sum over feature maps of their weighted mean absolute differences.

    Args:
        generated, target: lists of features (B, h, w, C).
        weights: of the maps.
    """
    pairs = zip(generated, target, weights, strict=True)
    return sum(weight * ops.mean(absolute(x - y)) for x, y, weight in pairs)
