"""Low-rank adaptation of dense layers, LoRA."""

import keras
from keras import ops

from inpainting_zoo.errors import InputError
from inpainting_zoo.layers.initializers import Normal

DOWN, UP = "lora_A.weight", "lora_B.weight"  # as diffusers calls them


class LoRA(keras.layers.Layer):
    """The matrices that adapt a network, kept apart from its own weights.

    A dense layer (..., C) -> (..., D) has a pair: A (rank, C), normal, and B (D, rank),
    zeros at first, so that nothing changes before something is learned. Names and
    layouts are those of diffusers.

    Args:
        rank: of every adaptation.

    Raises:
        InputError: if the rank is below 1.

    Reference: Hu et al., LoRA: Low-Rank Adaptation of Large Language Models, ICLR 2022.
    """

    def __init__(self, rank: int, name: str = "lora", **kwargs):
        super().__init__(name=name, **kwargs)
        if rank < 1:
            raise InputError(f"lora_rank: must be at least 1, received {rank}")
        self.rank, self.built = rank, True

    def adapt(self, x, units: int, name: str, scale):
        """Returns scale * B A x (Equation 3), which a dense layer is added to.

        Args:
            x: what the layer takes, (B, ..., C).
            units: D of the layer.
            name: of the layer.
            scale: (B,).
        """
        spread = Normal(1 / self.rank)
        down = self.add_weight((self.rank, x.shape[-1]), spread, name=f"{name}.{DOWN}")
        up = self.add_weight((units, self.rank), "zeros", name=f"{name}.{UP}")
        return _Product(down, up, name=f"{name}.lora", dtype=self.dtype_policy)(
            x, scale
        )


class _Product(keras.layers.Layer):
    """Applies a pair of matrices that belongs to a `LoRA`, not to the network."""

    def __init__(self, down, up, **kwargs):
        super().__init__(**kwargs)
        self.pair = lambda: (down, up)  # Keras would else count them as its own

    def call(self, x, scale):
        down, up = (ops.cast(matrix, x.dtype) for matrix in self.pair())
        y = ops.matmul(ops.matmul(x, ops.transpose(down)), ops.transpose(up))
        scale = ops.reshape(scale, (-1, *[1] * (len(y.shape) - 1)))
        return y * ops.cast(scale, y.dtype)
