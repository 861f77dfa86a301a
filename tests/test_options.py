"""Settings of the commands: their rules, and how a command line becomes them."""

import dataclasses
import math

import pytest

from inpainting_zoo.arguments import dashed, parse
from inpainting_zoo.errors import InputError
from inpainting_zoo.options import (
    COMMANDS,
    AnimateSettings,
    EnsembleSettings,
    EvaluateSettings,
    InpaintSettings,
    TrainSettings,
)


@pytest.mark.parametrize(
    ("kind", "name", "wrong", "right"),
    [
        (TrainSettings, "critic_steps", (0, -1, 1.5, True), (1, None)),
        (TrainSettings, "steps", (-5, 0, "3"), (1,)),
        (TrainSettings, "epochs", (0, None), (1,)),
        (TrainSettings, "seed", (-1, 2**32), (0, 2**32 - 1)),
        (TrainSettings, "learning_rate", (0.0, -1e-4, math.nan, math.inf), (1e-9, 1)),
        (TrainSettings, "adam_betas", ([0.5], [0, 1], [0.5, "x"]), ([0, 0.999],)),
        (TrainSettings, "validation_split", (-0.1, 1.0), (0, 0.99)),
        (TrainSettings, "validation_images", (0,), (1,)),
        (TrainSettings, "max_zoom", (0.9,), (1.0,)),
        (TrainSettings, "id_mrf_weight", (-1.0,), (0.0,)),
        (TrainSettings, "mixed_precision", ("int8", None), ("bfloat16",)),
        (TrainSettings, "optimizer", ("sgd",), ("muon", None)),
        (TrainSettings, "masks", ("stars=1", "rectangle=-1"), ("rectangle=1,files",)),
        (TrainSettings, "gpu", ("gpu0", "-1"), ("none", "0", "0,1")),
        (TrainSettings, "set", ({"seed": 3}, {"dtype": "float16"}), ({"a": 1},)),
        (EvaluateSettings, "limit", (0, -3), (1,)),
        (EvaluateSettings, "shard", ("3", "3/3", "a/2"), ("2/3", None)),
        (EvaluateSettings, "strategy", ("shrink",), ("resize",)),
        (InpaintSettings, "max_pixels", (0,), (1,)),
        (InpaintSettings, "variants", (0,), (2,)),
        (InpaintSettings, "mask_dilation", (-1,), (3,)),
        (EvaluateSettings, "mask_dilation", (-1,), (3,)),
        (InpaintSettings, "feathering", (-1, 1), (0,)),
        (TrainSettings, "experiment_name", ("", "../up", ".", "/abs"), ("a", "a/b")),
        (EvaluateSettings, "experiment_name", ("../up",), ("a",)),
        (EvaluateSettings, "mask_label", ("1",), (None,)),
        (EvaluateSettings, "invert_mask", (True,), (False,)),
        (EnsembleSettings, "members", (["a"], "ab", ["a", 1]), (("a", "b"),)),
        (EnsembleSettings, "per_category", (0,), (20,)),
        (AnimateSettings, "frames_per_second", (0, 51, math.nan), (50, 0.5)),
    ],
)
def test_every_setting_has_its_rule(kind, name, wrong, right):
    for value in wrong:
        with pytest.raises(InputError, match=rf"^{name}\b.*received"):
            kind(**{name: value})
    for value in right:
        assert getattr(kind(**{name: value}), name) == value


def test_labels_need_masks_that_are_looked_at_for_them():
    with pytest.raises(InputError, match="mask_label: must not be given with -mask_fr"):
        InpaintSettings(mask_from="alpha", mask_label="1")
    files = {"train_path": "a", "mask_path": "b"}
    TrainSettings(mask_label="1", **files).complete()
    with pytest.raises(InputError, match="mask_label: needs mask files by -mask_path"):
        TrainSettings(mask_label="1", train_path="a").complete()


def test_labels_are_numbers_or_any():
    for label in ("0", "-5", "70000", "dog", "1.5"):
        with pytest.raises(InputError, match="mask_label: must be a number from 1 to"):
            InpaintSettings(mask_label=label)
    for label in ("1", "300", "65535", "any"):
        InpaintSettings(mask_label=label)


def test_every_variant_has_a_seed_within_its_range():
    InpaintSettings(seed=2**32 - 2, variants=2)
    with pytest.raises(InputError, match=r"seed: must be at most 4294967295 for"):
        InpaintSettings(seed=2**32 - 1, variants=2)
    with pytest.raises(InputError, match=r"mask_dilation: must be .* at most 10000"):
        InpaintSettings(mask_dilation=1e308)


def test_arguments_of_the_model_keep_the_rules_of_options():
    with pytest.raises(InputError, match=r"critic_steps: .* at least 1, received 0"):
        TrainSettings(set={"critic_steps": 0})


def test_settings_of_the_run_are_no_arguments_of_the_model():
    for text, named in (("seed=3", "-seed"), ("dtype=float16", "-mixed_precision")):
        with pytest.raises(InputError, match=f"use {named}$"):
            parse(["-train_path", "samples", "-set", text])


def test_pairs_add_up():
    words = ["-set", "a=1", "b=x", "-set", "c=[1, 2]", "--set", "a=null"]
    _, settings = parse(["-train_path", "samples", *words])
    assert settings.set == {"a": None, "b": "x", "c": [1, 2]}
    assert settings.given == {"train_path", "set"}
    with pytest.raises(InputError, match="finite"):
        parse(["-set", "known_weight=NaN"])


def test_what_a_model_takes_for_a_picture_is_given_with():
    paths = ["-image", "a.png", "-mask", "b.png", "-save_to", "c.png"]
    words = ["-preset", "gmcnn_small", "-with", "prompt=a cat", "num_steps=20"]
    _, settings = parse(["inpaint", *paths, *words])
    assert settings.with_options == {"prompt": "a cat", "num_steps": 20}
    typed = ["7", "1.50", "true", "null", "NaN", '{"a": 1}', "[1, 2]"]
    for text in typed:  # which are prompts, whatever they look like
        words = ["-with", f"prompt={text}", "repaint=true", f"negative_prompt={text}"]
        _, settings = parse(["inpaint", *paths, *words])
        texts = {"prompt": text, "negative_prompt": text}
        assert settings.with_options == {**texts, "repaint": True}
    _, settings = parse(["inpaint", *paths, "-with", 'prompt="a cat"'])
    assert settings.with_options == {"prompt": "a cat"}


def test_the_warm_up_is_a_stage_by_another_name():
    assert TrainSettings(warm_up_generator=True).stage == "warm_up_generator"
    assert TrainSettings(stage="wgan").stage == "wgan"
    with pytest.raises(InputError, match="stage: must be warm_up_generator"):
        TrainSettings(warm_up_generator=True, stage="wgan")


@pytest.mark.parametrize("command", ["evaluate", "inpaint", "export"])
def test_two_sources_of_weights_are_one_too_many(command):
    kind, _ = COMMANDS[command]
    with pytest.raises(InputError, match=r"from_weights: .*'one'"):
        kind(experiment_name="one", from_weights="FILE")
    with pytest.raises(InputError, match="verify"):
        kind(from_weights="FILE", verify=True)


@pytest.mark.parametrize(
    "name", ["config.json", "config_wgan.json", "metrics.json", "weights/manifest.json"]
)
def test_a_report_does_not_replace_what_it_is_about(name):
    experiment = {"experiment_name": "e", "output_path": "runs"}
    with pytest.raises(InputError, match="report: must not replace"):
        EvaluateSettings(report=f"runs/x/../e/{name}", **experiment)
    EvaluateSettings(report="runs/e/report.json", **experiment)


def test_places_are_checked_before_work(tmp_path):
    (tmp_path / "file").write_text("")
    for words in (
        ["-train_path", "samples", "-output_path", f"{tmp_path}/file/outputs"],
        [
            "evaluate",
            "-preset",
            "gmcnn_small",
            "-report",
            f"{tmp_path}/file/report.json",
        ],
        ["evaluate", "-preset", "gmcnn_small", "-report", str(tmp_path)],
        ["animate", "-experiment_name", "x", "-save_to", f"{tmp_path}/file/x.gif"],
    ):
        with pytest.raises(InputError, match=f"{words[-2][1:]}: must be"):
            parse(words)
    parse(["animate", "-experiment_name", "x", "-save_to", f"{tmp_path}/a/b/x.gif"])
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_errors_name_options_with_their_dash():
    assert dashed("steps: must be") == "-steps: must be"
    assert dashed("with: one of") == "-with: one of"
    assert dashed("prompt: one of") == "prompt: one of"


def test_every_option_has_help_and_a_default_that_keeps_its_rule():
    for kind, _ in COMMANDS.values():
        kind()
        assert all(field.metadata["help"] for field in kind.options())
        for field in kind.options():
            assert isinstance(field, dataclasses.Field)


@pytest.mark.parametrize("command", ["reposition", "ensemble"])
def test_doors_that_cannot_fade_a_seam_say_so(command):
    """A moved subject has a seam of its own; members complete what they are given."""
    with pytest.raises(InputError, match="unrecognized arguments: -feathering 2"):
        parse([command, "-feathering", "2"])
