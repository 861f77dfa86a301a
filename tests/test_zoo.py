"""Every preset of the zoo: counted, built, trained for a step, used, saved, listed."""

import re

import keras
import numpy as np
import pytest
from keras import ops

from conftest import ROOT
from inpainting_zoo import presets
from inpainting_zoo.engine import backend
from inpainting_zoo.engine.batches import stream
from inpainting_zoo.features.load import loader
from inpainting_zoo.storage.checkpoints import as_arrays, save_weights
from inpainting_zoo.storage.variables import without_memory
from tiny_asuka import NARROW_ASUKA, NARROW_MAE
from tiny_diffusion import NARROW as NARROW_DIFFUSION
from tiny_diffusion import NARROW_SMALL
from tiny_vgg import write as write_vgg

CRITICS = {"global_critic": 8_404_993, "local_critic": 8_403_457}
GMCNN = {"generator": 12_561_891, **CRITICS}
HALF = {"generator": 3_144_307, "local_critic": 526_369}
FACES = {**HALF, "global_critic": 526_465}
AUTHORS = {"generator": 71_136_384, "discriminator": 2_767_360}
REPORT_001 = {"generator": 71_126_371, "discriminator": 2_768_321}
NARROW_001 = {"generator": 3_497_955, "discriminator": 696_033}
PATCHES = {"discriminator": 6_965_185}
AUTOENCODER_KL = {"encoder": 34_163_664, "decoder": 49_490_199}
DENOISERS = dict.fromkeys(("denoiser", "final_denoiser"), 258_723)
ENSEMBLE = {"combiner": 3_218_276, **DENOISERS}

PROMPTS = ("remove", "harmonize")
REFER = "refer"  # whose prompt is twice as long

# Of every network, at the preset's own width.
NARROW_LAMA = {"generator": 6_799_299, "discriminator": 2_799_841}
PARAMETERS = {
    "patchmatch": {},
    "gmcnn_256": GMCNN,
    "gmcnn_small": {**HALF, "global_critic": 526_369},
    "gmcnn_faces_128": FACES,
    "gmcnn_faces_128_wgan": FACES,
    "gmcnn_official_pytorch": GMCNN,
    "gmcnn_official_tf1": {**GMCNN, "generator": 12_429_107},
    "gmcnn_keras_port": {**GMCNN, "generator": 12_806_595},
    "context_encoder": AUTHORS,
    "context_encoder_conditional": {**AUTHORS, "discriminator": 2_905_216},
    "context_encoder_regions": {"generator": 71_202_176, "discriminator": 2_833_152},
    "context_encoder_regions_64": {**AUTHORS, "generator": 71_070_592},
    "context_encoder_channelwise": {
        "generator": 6_051_584,
        "discriminator": 2_833_152,
    },
    "context_encoder_report_001": REPORT_001,
    "context_encoder_report_000": {**REPORT_001, "generator": 30_697_091},
    "context_encoder_small": NARROW_001,
    "context_encoder_faces_128": NARROW_001,
    # With the moving statistics; official counts are 50,975,875 and so on.
    "lama_big": {"generator": 51_057_027, **PATCHES},
    "lama_fourier": {"generator": 27_090_819, **PATCHES},
    "lama_regular": {"generator": 45_638_979, **PATCHES},
    "lama_small": NARROW_LAMA,
    "lama_faces_256": NARROW_LAMA,
    "lama_faces_256_reconstruction": NARROW_LAMA,
    "lama_photos_256": NARROW_LAMA,
    "lama_photos_256_reconstruction": NARROW_LAMA,
    # With the stored noise and the average style; official counts are 61,562,518 and so
    # on.
    "mat_512": {"generator": 62_261_654, "discriminator": 36_231_618},
    "mat_256": {"generator": 59_954_682, "discriminator": 36_083_330},
    "mat_small": {"generator": 1_124_350, "discriminator": 468_306},
    "mae_base": {"generator": 112_179_713},
    "mae_small": {"generator": 3_582_465},
    "ensemble": ENSEMBLE,
    "ensemble_faces_128": {"combiner": 3_218_564},
    "ensemble_photos_256": ENSEMBLE,
    "asuka": {
        "alignment": 28_747_008,
        "decoder": 60_277_399,
        "discriminator": 2_768_321,
    },
    "asuka_small": {
        "alignment": 208_320,
        "decoder": 2_094_455,
        "discriminator": 2_768_321,
    },
    "sd15_inpainting": {
        **AUTOENCODER_KL,
        "unet": 859_535_364,
        **dict.fromkeys(PROMPTS, 38_400),
        REFER: 76_800,
    },
    "sd2_inpainting": {
        **AUTOENCODER_KL,
        "unet": 865_925_124,
        **dict.fromkeys(PROMPTS, 51_200),
        REFER: 102_400,
    },
    "sd_small": {
        "encoder": 1_020_792,
        "decoder": 1_681_303,
        "unet": 8_965_204,
        "text_encoder": 3_217_152,
        **dict.fromkeys(PROMPTS, 3_200),
        REFER: 6_400,
    },
}
# So narrow that a step takes no time; of a family, or of one preset.
NARROW = {
    "patch_match": {"image_size": 16},
    "gmcnn": {
        "base_channels": 2,
        "critic_channels": 2,
        "image_size": 16,
        "critic_steps": 1,
    },
    "context_encoder": {
        "base_channels": 2,
        "bottleneck": 4,
        "discriminator_channels": 2,
    },
    "lama": {
        "base_channels": 2,
        "blocks": 1,
        "discriminator_channels": 2,
        "image_size": 16,
    },
    "mat": {
        "image_size": 128,
        "channels": [2],
        "width": 6,
        "latent": 4,
        "mapping_layers": 1,
        "depths": [1, 2, 1, 1, 1],
        "gradient_penalty_every": 1,
        "perceptual_weight": 0,
        "masks": "mat_256=1",
        "average": 100.0,
    },
    "mae": NARROW_MAE,
    "ensemble": {
        "channels": 2,
        "image_size": 16,
        "first": "patchmatch",
        "second": "patchmatch",
        "color_space": "hvi",
        "blend": False,
        "denoise": True,
    },
    "stable_diffusion": {**NARROW_DIFFUSION, "pad_token": "!"},
    "asuka": {**NARROW_ASUKA, "perceptual_weight": 0},
    "sd_small": NARROW_SMALL,
    "asuka_small": {**NARROW_ASUKA, "perceptual_weight": 0},
}
# Stages that need no frozen network.
WITHOUT_FEATURES = {
    "gmcnn": {"id_mrf_weight": 0},
    "lama": {"perceptual_weight": 0, "judged": "prediction"},
    "mat": {"perceptual_weight": 0},
    "ensemble": {"perceptual_weight": 0, "style_weight": 0},
    "stable_diffusion": {"perceptual_weight": 0},
    "asuka": {"perceptual_weight": 0},
}
LARGE = {"stable_diffusion", "asuka", "mat"}  # which compile for long
names = pytest.mark.parametrize("name", PARAMETERS)


def distinct():
    """Lists presets without those that are another one once they are narrow."""
    found = {}
    for name in PARAMETERS:
        config = presets.get(name)["config"] | overrides_of(name)
        found.setdefault(
            repr((presets.family(name).folder, sorted(config.items()))), name
        )
    return list(found.values())


def timed(name):
    """Marks presets: on JAX, and of large families, all but one of each are slow."""
    on_jax, large = backend.BACKEND == "jax", presets.family(name).folder in LARGE
    last = {presets.family(name).folder: name for name in distinct()}
    if (on_jax or large) and name not in last.values():
        return pytest.param(name, marks=pytest.mark.slow)
    return pytest.param(name, marks=pytest.mark.long) if on_jax and large else name


def overrides_of(name):
    return NARROW.get(name) or NARROW[presets.family(name).folder]


def narrow(name):
    overrides = overrides_of(name)
    return overrides, presets.build(name, **overrides)


def begin(model, stage, vgg=None):
    model.begin(
        stage,
        lambda name, factor, clip: keras.optimizers.SGD(1e-3 * factor, name=name),
        loader({"vgg16": vgg, "vgg19": vgg}),
        run_eagerly=backend.BACKEND == "tensorflow",  # tracing takes longer than a step
    )


def test_the_table_names_them_all():
    assert set(PARAMETERS) == set(presets.PRESETS)


@names
def test_counted(name):
    without = WITHOUT_FEATURES.get(presets.family(name).folder, {})
    with without_memory():
        model = presets.build(name, **without)
        # An ensemble without denoisers has one stage.
        names = [n for n in model.STAGES if n in getattr(model, "stacked", [n])]
        stages = [model.make_stage(name, loader()) for name in names]
        networks = {k: v for stage in stages for k, v in stage.owners().items()}
    counts = {key: network.count_params() for key, network in networks.items()}
    assert counts == PARAMETERS[name]


@pytest.fixture(scope="module")
def vgg(tmp_path_factory):
    return write_vgg(tmp_path_factory.mktemp("vgg") / "vgg.npz")


@names
def test_what_is_known_without_loading_is_what_the_class_has(name):
    family, model = presets.family(name), presets.model_class(name)
    assert (family.stages, family.options) == (model.STAGES, model.OPTIONS)
    # What depends on members is a property.
    assert family.draws == (None if isinstance(model.draws, property) else model.draws)


@pytest.mark.both_engines
@pytest.mark.parametrize("name", [*map(timed, distinct())])
def test_trained_used_and_saved(name, vgg, tmp_path):
    """A step of each stage moves every network; then the picture around a hole."""
    overrides, model = narrow(name)
    side, rng = model.image_size, np.random.default_rng(0)
    hole = (slice(None), *(slice(3 * side // 8, 5 * side // 8),) * 2)
    for stage in model.STAGES:
        begin(model, stage, vgg)
        count = 2 * model.stage.batches
        mask = np.zeros((count, side, side, 1), np.uint8)
        mask[hole] = 1
        image = rng.integers(0, 256, (count, side, side, 3), np.uint8)
        model.check_masks(mask)
        before = {k: ops.convert_to_numpy(v) for k, v in model.state().items()}
        batch = {
            "image": image,
            "mask": mask,
            **dict.fromkeys(model.stage.inputs, image),
        }
        model.fit(stream(lambda i, b=batch: b, 0, 1), steps_per_epoch=1, verbose=0)
        after = {k: ops.convert_to_numpy(v) for k, v in model.state().items()}
        for network in model.networks:
            moved = [
                np.abs(after[k] - v).max()
                for k, v in before.items()
                if k.startswith(f"{network}/")
            ]
            assert np.isfinite(moved).all() and max(moved) > 0, network
    picture = rng.integers(0, 256, (side + 3, side - 5, 3), np.uint8)
    holes = np.zeros(picture.shape[:2], np.uint8)
    holes[hole[1:]] = 1
    completed = model.inpaint(picture, holes)
    np.testing.assert_array_equal(completed[holes == 0], picture[holes == 0])
    assert (completed[holes == 1] != picture[holes == 1]).any()
    if not model.parts:
        return
    path = tmp_path / "weights.npz"
    about = {"preset": name, "overrides": overrides}
    save_weights(path, as_arrays(model.use_state()), about)
    loaded, _ = presets.load_file(path)
    for key, variable in loaded.use_state().items():
        saved = ops.convert_to_numpy(model.use_state()[key])
        np.testing.assert_array_equal(ops.convert_to_numpy(variable), saved)


@names
def test_listed(name):
    """In the README's table, and by the command."""
    listed = re.findall(r"`(\w+)`", (ROOT / "README.md").read_text())
    assert name in listed
    assert re.search(rf"^{name} ", presets.table(), flags=re.MULTILINE)
