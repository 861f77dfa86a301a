"""Style: which features occur together, wherever that is."""

from keras import ops


def gram_matrix(features):
    """Returns the products of channels (B, C, C), summed over positions, / (C H W).

    Args:
        features: (B, H, W, C).
    """
    _, height, width, channels = ops.shape(features)
    flat = ops.reshape(features, (-1, height * width, channels))
    products = ops.matmul(ops.swapaxes(flat, 1, 2), flat)
    return products / ops.cast(channels * height * width, products.dtype)


def style_loss(generated, target):
    """Returns the sum over feature maps of the L1 distance of their Gram matrices.

    Args:
        generated, target: lists of features (B, h, w, C).

    References: Gatys et al., Image Style Transfer Using Convolutional Neural Networks,
    CVPR 2016; with L1 as Nazeri et al., EdgeConnect, ICCV Workshops 2019.
    """
    return sum(
        ops.mean(ops.abs(gram_matrix(x) - gram_matrix(y)))
        for x, y in zip(generated, target, strict=True)
    )
