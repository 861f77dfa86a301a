"""Embeddings that are learned in the place of a text's."""

import keras


class Prompt(keras.layers.Layer):
    """A prompt (length, channels) that no text has; zeros until something is learned.

    Reference: Wang et al., Repositioning the Subject within Image, TMLR 2024.
    """

    def __init__(self, length: int, channels: int, **kwargs):
        super().__init__(**kwargs)
        self.embeddings = self.add_weight((length, channels), "zeros", name="prompt")
        self.built = True
