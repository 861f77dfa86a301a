"""Training steps: both stages, both engines, every precision, eager and compiled."""

import dataclasses
import functools
import gc
import itertools
import json
import logging
import os
import subprocess
import sys
import weakref

import keras
import numpy as np
import pytest

from conftest import ROOT
from inpainting_zoo import presets
from inpainting_zoo.engine import backend
from inpainting_zoo.engine.batches import stream
from inpainting_zoo.engine.operations import computes_in, seconds_of_product
from inpainting_zoo.engine.precisions import DTYPES
from inpainting_zoo.engine.steps import minimize
from inpainting_zoo.errors import InputError
from inpainting_zoo.features.load import loader
from inpainting_zoo.models import inpainter
from inpainting_zoo.models.stage import Stage
from inpainting_zoo.options import TrainSettings
from inpainting_zoo.training import callbacks, train
from inpainting_zoo.training.experiment import Experiment
from inpainting_zoo.training.optimizers import make_optimizer
from tiny_vgg import write as write_vgg

STAGES = ("warm_up_generator", "wgan")
TINY = {"image_size": 32, "base_channels": 4, "critic_channels": 4, "critic_steps": 1}
SETTINGS = TrainSettings(optimizer="adam", adam_betas=(0.5, 0.9))
both_engines = pytest.mark.both_engines


@pytest.fixture(scope="module")
def vgg(tmp_path_factory):
    return write_vgg(tmp_path_factory.mktemp("vgg") / "vgg.npz")


def make_model(stage, vgg=None, precision="float32", mode=None, rate=1e-4, **overrides):
    """A tiny model with weights that are the same on every engine."""
    overrides = TINY | {"id_mrf_weight": 0.05 if vgg else 0.0} | overrides
    model = presets.build("gmcnn_small", dtype=DTYPES[precision], **overrides)
    settings = dataclasses.replace(
        SETTINGS, mixed_precision=precision, learning_rate=rate
    )
    model.begin(
        stage,
        lambda name, **options: make_optimizer(name, settings, 10, **options),
        loader({"vgg19": vgg}),
        run_eagerly=mode == "run_eagerly",
        jit_compile=mode == "jit_compile" or backend.BACKEND == "jax",
    )
    rng = np.random.default_rng(0)
    for name, variable in model.state().items():
        if name.endswith("kernel") and "optimizer" not in name:
            scale = 1 / np.sqrt(np.prod(variable.shape[:-1]))
            variable.assign(scale * rng.standard_normal(variable.shape))
    return model


def batch(model, i, size=2):
    rng = np.random.default_rng(i)
    number = size * model.stage.batches
    side = model.image_size
    mask = np.zeros((number, side, side, 1), np.uint8)
    for k, (top, left) in enumerate(rng.integers(0, side // 2, (number, 2))):
        mask[k, top : top + side // 2, left : left + side // 3] = 1
    small = rng.integers(0, 256, (number, 4, 4, 3), np.uint8)
    image = small.repeat(side // 4, axis=1).repeat(side // 4, axis=2)
    return {"image": image, "mask": mask}


def fit(model, steps, load=None):
    """Trains and returns the logs of every step."""
    kept = []
    keep = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda i, logs: kept.append(logs)
    )
    model.fit(
        stream(load or (lambda i: batch(model, i)), 0, steps),
        steps_per_epoch=steps,
        callbacks=[keep],
        verbose=0,
        shuffle=False,
    )
    return kept


@functools.cache
def losses_of_two_steps(stage, vgg):
    return fit(make_model(stage, vgg), 2)


@pytest.fixture(scope="module")
def theirs(vgg):
    """Losses of two steps of each stage on the other engine."""
    other = {"tensorflow": "jax", "jax": "tensorflow"}[backend.BACKEND]
    script = (
        "import json\n"
        "from test_training import losses_of_two_steps\n"
        f"stages, vgg = {STAGES}, {str(vgg)!r}\n"
        "print(json.dumps({s: losses_of_two_steps(s, vgg) for s in stages}))"
    )
    found = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        cwd=ROOT / "tests",
        env={**os.environ, "KERAS_BACKEND": other},
    )
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout.splitlines()[-1])


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.long
def test_engines_agree(stage, vgg, theirs):
    """Two steps on TensorFlow and on JAX from the same weights and pictures."""
    for ours, their in zip(losses_of_two_steps(stage, vgg), theirs[stage], strict=True):
        assert ours.keys() == their.keys()
        for name, value in ours.items():
            # The engines draw other random points for the gradient penalty.
            drawn = "penalty" in name or "critic" in name or "adversarial" in name
            tolerance = (
                {"rel": 0.05, "abs": 0.02} if drawn else {"rel": 1e-3, "abs": 1e-6}
            )
            assert value == pytest.approx(their[name], **tolerance), name


@both_engines
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.long
def test_losses_fall_on_one_batch(stage):
    model = make_model(stage, rate=1e-3, hole_fill="zero")
    same = batch(model, 0)
    logs = fit(model, 25, lambda i: same)
    for name in ("known", "reconstruction"):
        assert logs[-1][name] < 0.8 * logs[0][name]


def test_optimizers_of_eager_steps_are_freed():
    weight, optimizer = keras.Variable([2.0]), keras.optimizers.SGD(0.25)
    optimizer.build([weight])
    for _ in range(2):  # w - w / 2
        minimize(lambda: (weight[0] ** 2, {}), [weight], optimizer)
    assert float(weight[0]) == 0.5 and int(optimizer.iterations.numpy()) == 2
    left = weakref.ref(optimizer)
    del optimizer
    gc.collect()
    assert left() is None


@pytest.mark.parametrize(
    "mode", ["run_eagerly", pytest.param("jit_compile", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("stage", STAGES)
def test_eager_and_xla_equal_compiled(stage, mode, vgg):
    other = fit(make_model(stage, vgg, mode=mode), 2)
    for one, two in zip(losses_of_two_steps(stage, vgg), other, strict=True):
        assert one == pytest.approx(two, rel=1e-2, abs=1e-4)


def test_precisions_without_convolutions_are_refused(monkeypatch):
    """When a model is built; on some machines its use would end the process."""
    monkeypatch.setattr(inpainter, "computes_in", lambda dtype: dtype != "bfloat16")
    with pytest.raises(InputError, match=r"mixed_precision: .* mixed_bfloat16"):
        presets.build("gmcnn_small", dtype="mixed_bfloat16")
    presets.build("gmcnn_small", dtype="mixed_float16")


@pytest.mark.parametrize(("times", "said"), [(1.9, True), (1.1, False)])
def test_a_precision_that_is_slower_is_said(monkeypatch, caplog, times, said):
    seconds = {"float32": 1.0, "bfloat16": times}
    monkeypatch.setattr(train, "seconds_of_product", seconds.get)
    train.warn_of_slow("bfloat16")
    train.warn_of_slow("float32")
    line = "products in bfloat16 take 1.9 times as long as in float32 on this machine"
    assert [line in message for message in caplog.messages] == [True] * said


@both_engines
def test_larger_products_take_longer():
    small, large = (seconds_of_product("float32", side) for side in (32, 2048))
    assert 0 < small < large


@pytest.mark.parametrize(("steps", "lines"), [(1000, 1), (10, 0)])
def test_time_left_is_told_without_a_terminal(monkeypatch, caplog, steps, lines):
    clock = itertools.count(100, 2).__next__
    monkeypatch.setattr(callbacks.time, "perf_counter", clock)
    caplog.set_level(logging.INFO)
    progress = callbacks.Progress(0, steps, "wgan")
    progress.bar.disable = True  # as it is where standard error is no terminal
    for i in range(min(steps, 30)):
        progress.on_train_batch_end(i, {"loss": 1.0})
    progress.close()
    assert caplog.messages == ["wgan: 2.00 s a step, 32:46 left"] * lines


@pytest.mark.parametrize(
    ("stage", "precision"),
    [
        pytest.param("warm_up_generator", "bfloat16", marks=both_engines),
        ("wgan", "float16"),
    ],
)
@pytest.mark.long
def test_mixed_precision_learns(stage, precision, vgg):
    """Or is refused, where the engine has no convolutions in it on this processor."""
    if not computes_in(precision):
        with pytest.raises(
            InputError, match="mixed_precision: must be float32 on this"
        ):
            make_model(stage, vgg, precision)
        return
    model = make_model(stage, vgg, precision)
    variables = model.generator.trainable_variables
    before = [keras.ops.convert_to_numpy(v) for v in variables]
    logs = fit(model, 2)
    plain = losses_of_two_steps(stage, vgg)
    for name in ("reconstruction", "known"):
        assert logs[0][name] == pytest.approx(plain[0][name], rel=0.03)
    moved = [
        np.abs(keras.ops.convert_to_numpy(v) - old).max()
        for v, old in zip(variables, before, strict=True)
    ]
    assert min(moved) > 0
    assert np.isfinite(moved).all()


def test_warm_up_builds_neither_critics_nor_vgg():
    model = make_model("warm_up_generator")
    assert model.global_critic is model.local_critic is model.features is None
    assert set(model.networks) == {"generator"}


@both_engines
@pytest.mark.long
def test_logs_hold_every_term_raw_and_weighted(vgg):
    logs = losses_of_two_steps("wgan", vgg)[0]
    terms = {"reconstruction", "known", "id_mrf", "adversarial", "critic"}
    terms |= {"gradient_penalty"}
    totals = {"generator_loss", "critic_loss"}
    assert set(logs) == terms | {f"weighted_{term}" for term in terms} | totals
    assert logs["weighted_id_mrf"] == pytest.approx(0.05 * logs["id_mrf"])
    assert logs["weighted_gradient_penalty"] == pytest.approx(
        10 * logs["gradient_penalty"]
    )


@both_engines
def test_validation_loss_is_the_reconstruction_loss_of_one_picture():
    model = make_model("warm_up_generator")
    image, mask = (x[0] for x in batch(model, 0, size=1).values())
    mask = mask[..., 0]
    assert model.validation_number(image, image, mask) == 0
    # Known pixels that are wrong by a fifth of the range: L1 on [-1, 1].
    other = np.where(mask[..., None] == 1, image, (image.astype(int) + 51) % 256)
    share = np.abs(other.astype(int) - image)[mask == 0].mean() / 127.5
    expected = model.loss_weights["known"] * share
    found = model.validation_number(other.astype(np.uint8), image, mask)
    assert found == pytest.approx(expected, rel=1e-4)


def test_unknown_stage_is_refused():
    with pytest.raises(InputError, match="stage"):
        make_model("finetune")


def test_resuming_before_the_first_save_starts_from_the_same_weights(tmp_path):
    """As `-from_weights` said, which is in the recorded settings."""
    about = {"preset": "gmcnn_small", "overrides": {**TINY, "id_mrf_weight": 0.0}}
    first, second = (make_model(stage) for stage in STAGES)
    for variable in first.generator.trainable_variables:
        variable.assign(variable + 1)
    experiment = Experiment(tmp_path)
    experiment.save(first, STAGES[0], 3, about, {"fingerprint": "x"})
    settings = TrainSettings(resume=True, from_weights=True)
    assert experiment.start(second, STAGES[1], settings, about, "x") == 0
    for name, variable in first.use_state().items():
        np.testing.assert_array_equal(second.use_state()[name], variable)


def test_validation_must_have_what_the_best_weights_are_chosen_by():
    """Else the first weights would stay the best, and nobody would know."""
    whole, bare = ("a.png", None, None, {"target": None}), ("b.png", None, None)
    stage = Stage(None, {}, inputs=("target",), best=True)
    train.check_validation(stage, [whole])
    lacking = r"aligned: must have target for .* received none for 1 \(b.png\)$"
    with pytest.raises(InputError, match=lacking):
        train.check_validation(stage, [whole, bare])
    train.check_validation(dataclasses.replace(stage, best=False), [bare])
