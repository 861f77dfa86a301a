"""Batches made ahead: in order, of any dtype and shape."""

import keras
import numpy as np
import pytest
from keras import ops

from inpainting_zoo.engine.batches import stream
from inpainting_zoo.models.stage import join_batches, split_batches

pytestmark = pytest.mark.both_engines


def load(i):
    return {
        "image": np.full((2, 4, 4, 3), i, np.uint8),
        "token_ids": np.full((2, 7), 1000 * i, np.int32),
        "latents": np.full((2, 4, 4, 4), i / 8, np.float32),
        "half": np.full((2, 3), i / 8, np.float16),
        "known": np.full((2,), i % 2 == 0),
    }


def test_batches_keep_order_values_shapes_and_dtypes():
    found = [batch for (batch,) in stream(load, 3, 20)]
    assert len(found) == 17
    for i, batch in enumerate(found, 3):
        assert set(batch) == set(load(i))
        for name, expected in load(i).items():
            array = np.asarray(batch[name])
            assert array.dtype == expected.dtype, name
            np.testing.assert_array_equal(array, expected)


def test_a_step_takes_what_is_no_picture():
    """Integers beyond 255 and fractions arrive where a model trains."""

    class Sums(keras.Model):
        def __init__(self):
            super().__init__()
            self.scale = self.add_weight(shape=(), initializer="ones")

        def call(self, inputs):
            ids = ops.cast(inputs["token_ids"], "float32")
            return self.scale * (ops.mean(ids) + ops.mean(inputs["latents"]))

    model = Sums()
    model.compile(keras.optimizers.SGD(0.0), loss=lambda truth, found: ops.mean(found))
    batches = (
        ({name: batch[name] for name in ("token_ids", "latents")}, batch["latents"])
        for (batch,) in stream(load, 4, 6)
    )
    losses = model.fit(batches, steps_per_epoch=2, verbose=0).history["loss"]
    assert losses == [pytest.approx((4000.5 + 5000.625) / 2)]


def test_joined_batches_come_apart_and_stay_with_their_rows():
    """Half of the joined rows is half of the rows of every batch."""
    parts = [{"image": np.arange(4 * 6).reshape(4, 2, 3) + 100 * k} for k in range(3)]
    joined = join_batches(parts)["image"]
    apart = ops.convert_to_numpy(split_batches(joined, 3))
    for k, part in enumerate(parts):
        np.testing.assert_array_equal(apart[:, k], part["image"])
    half = ops.convert_to_numpy(split_batches(joined[:6], 3))
    np.testing.assert_array_equal(half[:, 1], parts[1]["image"][:2])
