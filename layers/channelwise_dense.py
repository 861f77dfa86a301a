"""A dense layer within each feature map, which does not mix channels."""

import keras
from keras import ops

from inpainting_zoo.layers.initializers import Normal


@keras.saving.register_keras_serializable("inpainting")
class ChannelwiseDense(keras.layers.Layer):
    """Connects every position of a feature map with every other, channel by channel.

    With P = H W positions and C channels it has C P^2 weights instead of the C^2 P^2
    of a dense layer. A 1x1 convolution after it mixes the channels.

    Args:
        use_bias: whether a bias is added, of its own at each position and channel.

    Reference: Pathak et al., Context Encoders: Feature Learning by Inpainting, CVPR
    2016, section 3.1.
    """

    def __init__(self, use_bias: bool = True, **kwargs):
        super().__init__(**kwargs)
        self.use_bias = use_bias

    def build(self, input_shape):
        _, height, width, channels = input_shape
        positions = height * width
        # Keras's own initializers would count the channels as inputs.
        self.kernel = self.add_weight(
            shape=(channels, positions, positions),
            initializer=Normal(positions**-0.5),
            name="kernel",
        )
        if self.use_bias:
            self.bias = self.add_weight(
                shape=(height, width, channels), initializer="zeros", name="bias"
            )

    def call(self, x):
        _, height, width, channels = x.shape
        flat = ops.reshape(x, (-1, height * width, channels))
        flat = ops.einsum("bpc,cqp->bqc", flat, self.kernel)
        x = ops.reshape(flat, (-1, height, width, channels))
        return x + self.bias if self.use_bias else x

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "use_bias": self.use_bias}
