"""How far a normal distribution is from the standard one."""

from keras import ops


def kl_divergence(mean, log_variance):
    """Returns the mean over all numbers of the KL divergence from N(0, 1), in nats.

    Args:
        mean, log_variance: of the same shape, any.

    Reference: Kingma and Welling, Auto-Encoding Variational Bayes, ICLR 2014, Appendix
    B.
    """
    squares = ops.square(mean) + ops.exp(log_variance)
    return ops.mean(squares - 1 - log_variance) / 2
