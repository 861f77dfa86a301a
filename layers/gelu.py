"""The activation of transformers."""

from keras import ops


def gelu(x):
    """Returns x times the normal distribution's share below it.

    Keras's own has an operation on TensorFlow that ONNX lacks.

    Reference: Hendrycks and Gimpel, Gaussian Error Linear Units (GELUs), 2016.
    """
    return 0.5 * x * (1 + ops.erf(x * 0.5**0.5))
