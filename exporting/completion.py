"""The graph of an exported file: a model and all the steps around it."""

import keras
from keras import ops

from inpainting_zoo.layers.padding import pad_to_multiple
from inpainting_zoo.models.pixels import as_floats


class Completion(keras.layers.Layer):
    """Completes images (B, H, W, 3), given masks (B, H, W, 1), nonzero in the hole.

    Takes [image, mask, *what the model draws at random]. Known pixels are selected, not
    computed, so they stay what they are bit for bit.

    Args:
        model: an `Inpainter`; its options have their defaults.
        pixels: "uint8" on 0..255 or "float32" on [-1, 1], in and out.
    """

    def __init__(self, model, pixels: str, **kwargs):
        super().__init__(**kwargs)
        # Its variables are saved with this layer; those of training are none of them.
        self.parts, self.predict = list(model.parts.values()), model.call
        self.sizes, self.pixels = model.sizes, pixels
        self.drawn, self.fixed = (
            [*model.drawn_shapes()],
            model.condition(**model.OPTIONS),
        )

    def call(self, inputs):
        image, hole, *drawn = inputs
        # LiteRT can neither compare nor select integers of 8 bits.
        known, hole = ops.cast(image, "float32"), ops.cast(hole, "float32") != 0
        height, width = ops.shape(image)[1:3]
        scaled, mask = as_floats(known, hole)
        inputs = {"image": scaled if self.pixels == "uint8" else known, "mask": mask}
        fit = self.sizes
        sizes = (fit.side or fit.multiple, fit.least, fit.padding)
        inputs = {name: pad_to_multiple(x, *sizes) for name, x in inputs.items()}
        fixed = {k: ops.convert_to_tensor(v) for k, v in self.fixed.items()}
        inputs |= fixed | dict(zip(self.drawn, drawn))
        prediction = self.predict(inputs)[:, :height, :width]
        if self.pixels == "uint8":
            prediction = ops.clip(ops.round((prediction + 1) * 127.5), 0, 255)
        return ops.cast(ops.where(hole, prediction, known), self.pixels)

    def compute_output_spec(self, inputs):
        return keras.KerasTensor(inputs[0].shape, self.pixels)


def completing_graph(model, side: int | None, pixels: str):
    """Builds a Keras model: [image, mask, *drawn] -> {"completed": image}.

    Args:
        model: an `Inpainter`.
        side: height and width in pixels; None leaves them open.
        pixels: see `Completion`.
    """
    image = keras.Input((side, side, 3), name="image", dtype=pixels)
    mask = keras.Input((side, side, 1), name="mask", dtype=pixels)
    drawn = [keras.Input(x, name=name) for name, x in model.drawn_shapes().items()]
    inputs = [image, mask, *drawn]
    return keras.Model(inputs, {"completed": Completion(model, pixels)(inputs)})
