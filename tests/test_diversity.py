"""How much the completions of several seeds differ."""

import pytest

from inpainting_zoo import presets
from inpainting_zoo.errors import InputError
from inpainting_zoo.storage.checkpoints import as_arrays, save_weights
from inpainting_zoo.tools.diversity import distances, main


def test_distances_by_hand():
    """Pairs are 1, 4 and 3 apart, and 0, 1 and 4 from the truth."""
    apart, off = distances(lambda a, b: abs(a - b), 10, [10, 11, 14])
    assert apart == pytest.approx(8 / 3) and off == pytest.approx(5 / 3)


def test_a_model_with_one_answer_is_refused():
    with pytest.raises(InputError, match="must be of a model that draws, received"):
        main(["-preset", "gmcnn_faces_128", "-test_path", "samples"])


@pytest.mark.long
def test_variants_of_mat(tmp_path, capsys):
    config = {"channels": [2], "width": 6, "latent": 4, "mapping_layers": 1}
    config |= {"depths": [1, 1, 1, 1, 1]}
    state = as_arrays(presets.build("mat_small", **config).use_state())
    file = tmp_path / "mat.safetensors"
    save_weights(file, state, {"preset": "mat_small", "overrides": config})
    words = ["-from_weights", str(file), "-test_path", "samples", "-limit", "2"]
    words += ["-variants", "2", "-with", "noise=none"]
    main([*words, "-save_to", str(tmp_path / "variants.png")])
    *_, apart, off = capsys.readouterr().out.splitlines()
    assert 0 < float(apart.split()[3]) < float(off.split()[4])
    assert (tmp_path / "variants.png").is_file()
