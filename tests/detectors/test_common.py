"""One common test over all detectors."""

from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from adlib.data.toy import render
from adlib.detectors.registry import DETECTORS, load_detector, make_detector
from adlib.errors import InputError
from adlib.export import export_onnx, load_model
from adlib.features.cache import TensorCache
from helpers.tiny_clip import tiny_checkpoint

# Small pictures keep a test at a second, and 1% of twelve of them would be a bank of two dozen patches.
SMALL = {
    "patchcore": {"resize": 128, "coreset": 0.25},
    "patchcore_ivfpq": {"resize": 128, "coreset": 1.0, "lists": 16, "subquantizers": 19, "bits": 6},
    "softpatch": {"resize": 128, "coreset": 0.25},
    "padim": {"resize": 128, "dims": 40},
    "gaussian": {"resize": 96},
    "spade": {"resize": 128},
    "deep_svdd": {"resize": 96, "steps": 40, "batch": 4},
    "patch_svdd": {"resize": 128, "steps": 40, "batch": 2, "dims": 32},
    "cutpaste": {"resize": 96, "steps": 12, "batch": 4, "frozen": 5},
    "stfpm": {"resize": 64, "steps": 16, "batch": 4},
    "reverse_distillation": {"resize": 64, "steps": 24, "batch": 4, "width": 16},
    "autoencoder": {
        "loss": "l2",
        "resize": 64,
        "steps": 150,
        "batch": 4,
        "learning_rate": 0.01,
        "width": 8,
        "depth": 3,
    },
    "vae": {"resize": 64, "steps": 150, "batch": 4, "learning_rate": 0.01, "width": 8, "depth": 3},
    "devnet": {"resize": 96, "steps": 60, "batch": 8, "learning_rate": 0.02},
    "draem": {  # at its default rate 80 steps teach it nothing
        "resize": 64,
        "steps": 80,
        "width": 8,
        "depth": 3,
        "learning_rate": 1e-3,
        "decay": 1.0,
        "textures": "both",
    },
    "fastflow": {"resize": 96, "steps": 30, "batch": 4, "couplings": 4},
    "cflow": {"resize": 96, "steps": 30, "batch": 4, "couplings": 4},
    "supersimplenet": {"resize": 96, "steps": 120, "batch": 8, "width": 32, "learning_rate": 3e-3},
    "anomalydino": {"resize": 96, "rotate": False, "mask": "never"},
    "subspacead": {"resize": 96, "rotate": False},
    "musc": {"resize": 96},
    "maeday": {  # its small default network, trained for a moment
        "resize": 64,
        "width": 32,
        "depth": 2,
        "decoder_width": 32,
        "decoder_depth": 1,
        "masks": 8,
        "pretraining_steps": 20,
        "learning_rate": 2e-3,
        "steps": 20,
    },
    "npad": {"resize": 96},
    "rad": {"resize": 96},
    # To random weights sentences mean nothing: a high temperature leaves the score to the good images.
    "winclip": {"backbone": "clip_file", "resize": 64, "object_name": "nut", "temperature": 100.0},
}
# Those that train longest, each with a file of tests of its own, are left out of the fast part.
LONG = {
    "autoencoder",
    "cflow",
    "cutpaste",
    "devnet",
    "draem",
    "fastflow",
    "maeday",
    "patch_svdd",
    "reverse_distillation",
    "stfpm",
    "supersimplenet",
    "vae",
}
# Those that have an export to ONNX. Another method has one too, or gives its reason.
EXPORTED = set(SMALL) - {"deep_svdd", "maeday", "musc", "npad", "patchcore_ivfpq", "rad", "subspacead", "winclip"}
# At chance on nuts, as chapter 19 shows: a sharp edge of a good nut is harder to predict than a missing piece. Its own
# tests hold it to fabric.
BLIND_TO_NUTS = {"maeday"}
# Twelve labelled defects, of which the last has no mask, for the methods that learn from them.
DEFECTS = [render("nut", ("scratch", "bent", "missing_part")[seed % 3], seed=70 + seed, size=128) for seed in range(12)]
LABELLED = {"defects": [image for image, _ in DEFECTS], "masks": [*(mask for _, mask in DEFECTS[:-1]), None]}
METHODS = [pytest.param(name, marks=pytest.mark.slow) if name in LONG else name for name in sorted(DETECTORS)]


@pytest.fixture(scope="module", params=METHODS)
def name(request, tmp_path_factory) -> Iterator[str]:
    if request.param == "patchcore_ivfpq":
        pytest.importorskip("faiss", reason="faiss-cpu is an optional extra")
    with pytest.MonkeyPatch.context() as patched:
        if request.param == "winclip":  # no package has weights of CLIP: a small network with random ones
            pytest.importorskip("open_clip", reason="open_clip is an optional extra")
            patched.setenv("ADLIB_WEIGHTS", str(tiny_checkpoint(tmp_path_factory.mktemp("clip"))))
        yield request.param


def fit(name, images, cache=None, **changed):
    """A small detector, fitted also on the labelled defects where it learns from them."""
    detector = make_detector(name, **SMALL[name] | changed)
    return detector.fit(images, cache, **(LABELLED if detector.learns_defects else {}))


@pytest.fixture(scope="module")
def fitted(name, nuts):
    return fit(name, nuts[0])


def test_constructor_only_stores(name):
    defaults = DETECTORS[name].parameter_defaults()
    detector = make_detector(name)
    assert detector.parameters() == defaults
    assert {"backbone", "weights", "device", "precision", "seed"} <= set(defaults)
    assert not [attribute for attribute in vars(detector) if attribute not in defaults]


def test_fit_returns_self_and_learns_only_underscored(name, fitted):
    learned = set(vars(fitted)) - set(fitted.parameters())
    assert fitted is not None and learned and all(attribute.endswith("_") for attribute in learned)


def test_predictions_have_the_shape_of_the_pictures(fitted, nuts):
    odd = [np.asarray(Image.open(nuts[1][0]).resize((150, 110))), nuts[1][1]]
    predictions = fitted.predict(odd)
    assert len(predictions) == 2 and predictions.scores.shape == (2,) and predictions.scores.dtype == np.float64
    assert predictions.anomaly_map(0).shape == (110, 150) and predictions.anomaly_map(1).shape == (128, 128)
    assert all(np.isfinite(grid).all() and grid.dtype == np.float32 for grid in predictions.grids)
    assert predictions.network_map(0).shape == predictions.frames[0].seen


def test_paths_pictures_and_arrays_give_the_same(fitted, nuts):
    path = nuts[2][0]
    given = [path, str(path), Image.open(path), np.asarray(Image.open(path))]
    scores = fitted.predict(given).scores
    assert np.allclose(scores, scores[0], rtol=1e-5)


def test_the_same_twice(name, fitted, nuts):
    again = fit(name, nuts[0])
    first, second = fitted.predict(nuts[1]), again.predict(nuts[1])
    assert np.array_equal(first.scores, second.scores)
    assert all(np.array_equal(a, b) for a, b in zip(first.grids, second.grids, strict=True))


def test_a_cache_changes_nothing(name, fitted, nuts, tmp_path):
    cache = TensorCache(tmp_path)
    cold = fit(name, nuts[0], cache).predict(nuts[1], cache)
    warm = fit(name, nuts[0], cache).predict(nuts[1], cache)
    assert np.array_equal(cold.scores, warm.scores) and list(tmp_path.rglob("*.safetensors"))
    assert np.allclose(cold.scores, fitted.predict(nuts[1]).scores, rtol=1e-4)


def test_labelled_defects_are_learned_from_or_refused(name, fitted, nuts, tmp_path):
    """And never in silence: with other defects a fit is another one, also where the cache holds the first."""
    small, cache, bent = make_detector(name, **SMALL[name]), TensorCache(tmp_path), LABELLED["defects"][1:2]
    if not small.learns_defects:
        with pytest.raises(InputError, match=f"^{name} learns from good images alone; leave out the labelled defects"):
            small.fit(nuts[0], defects=bent)
        assert not small._learned()
        return
    fit(name, nuts[0], cache)
    other = small.fit(nuts[0], cache, defects=bent)
    assert not np.allclose(other.predict(nuts[2]).scores, fitted.predict(nuts[2]).scores)
    with pytest.raises(InputError, match="2 masks and 1 labelled defects; give a mask or None for each"):
        small.fit(nuts[0], defects=bent, masks=[None, None])
    with pytest.raises(InputError, match="mask of .* has the shape"):
        small.fit(nuts[0], defects=bent, masks=[np.zeros((5, 5), bool)])


def test_save_and_load(fitted, nuts, tmp_path):
    fitted.save(tmp_path / "模型.safetensors")
    loaded = load_detector(tmp_path / "模型.safetensors")
    assert type(loaded) is type(fitted) and loaded.parameters() == fitted.parameters()
    assert np.array_equal(loaded.predict(nuts[1]).scores, fitted.predict(nuts[1]).scores)


@pytest.mark.slow
def test_an_export_or_its_reason(name, fitted, nuts, tmp_path):
    pytest.importorskip("onnx", reason="onnx is an optional extra")
    pytest.importorskip("onnxruntime", reason="onnxruntime is an optional extra")
    fitted.save(tmp_path / "model")
    try:
        path, proof = export_onnx(tmp_path / "model", tmp_path / "model.onnx", nuts[1] + nuts[2])
    except InputError as error:
        assert name not in EXPORTED, error
        assert str(error).endswith(".") and "\n" not in str(error) and not list(tmp_path.glob("*.onnx"))
    else:
        assert proof.images == len(nuts[1] + nuts[2]) and path.with_suffix(".json").is_file()
        exported, ours = load_model(path).predict(nuts[2]), fitted.predict(nuts[2])
        assert np.allclose(exported.scores, ours.scores, rtol=1e-4)
        mine = ours.anomaly_map(0)  # a score may be 0, so a difference is compared with the highest
        assert np.allclose(exported.anomaly_map(0), mine, rtol=1e-3, atol=1e-4 * np.abs(mine).max())


def test_a_model_of_another_revision_is_refused(name, fitted, tmp_path, monkeypatch):
    """Its threshold was set on other scores."""
    fitted.save(tmp_path / "model")
    saved = fitted.revision
    monkeypatch.setattr(DETECTORS[name], "revision", saved + 1)
    with pytest.raises(InputError, match=f"saved by revision {saved} of {name}.*fit the detector again"):
        load_detector(tmp_path / "model")


@pytest.mark.parametrize("damage", [b"", b"x" * 50])
def test_a_damaged_model_is_named(fitted, tmp_path, damage):
    (tmp_path / "model").write_bytes(damage)
    with pytest.raises(InputError, match="damaged"):
        load_detector(tmp_path / "model")


def test_defects_score_higher_than_good(name, fitted, nuts):
    """Not a benchmark: a detector that is worse than a coin on its own toy is broken."""
    if name in BLIND_TO_NUTS:
        pytest.skip("predicts pixels, and the edges of good nuts are the hardest to predict")
    good, defective = fitted.predict(nuts[1]).scores, fitted.predict(nuts[2]).scores
    assert (defective[:, None] > good[None]).mean() > 0.5


@pytest.fixture(scope="module")
def of_blank_sheets(name, nuts):
    """A detector to which every nut is as strange as can be."""
    noise = np.random.default_rng(0).normal(128, 2, (12, 128, 128, 3))
    return fit(name, list(noise.astype(np.uint8)))


@pytest.mark.parametrize("brighter", [0, 40, 60])
def test_scores_have_no_ceiling(of_blank_sheets, nuts, brighter):
    """However strange all images are, by their kind or by a brighter lamp, their scores still have an order."""
    shown = [np.asarray(Image.open(path).convert("RGB")).astype(int) + brighter for path in nuts[1] + nuts[2]]
    scores = of_blank_sheets.predict([image.clip(0, 255).astype(np.uint8) for image in shown]).scores
    assert np.isfinite(scores).all() and len(set(scores)) == len(scores)


def test_predict_before_fit_is_refused(name, nuts):
    with pytest.raises(InputError, match="fit"):
        make_detector(name).predict(nuts[1])


def test_fit_on_nothing_is_refused(name):
    with pytest.raises(InputError, match="no images"):
        make_detector(name).fit([])


def test_unknown_parameters_and_methods_are_named(name):
    with pytest.raises(InputError, match="'shotz'"):
        make_detector(name, shotz=3)
    with pytest.raises(InputError, match="padim_typo"):
        make_detector("padim_typo")


def test_a_negative_sigma_is_refused(name, nuts):
    with pytest.raises(InputError, match="sigma"):
        fit(name, nuts[0][:1], sigma=-1.0)


def test_an_unknown_layer_is_named(name, nuts):
    with pytest.raises(InputError, match="layer9"):
        fit(name, nuts[0][:1], layers=("layer9",))


def test_an_unreadable_picture_is_named(fitted, tmp_path):
    (tmp_path / "x.png").write_text("no picture")
    with pytest.raises(InputError, match=r"x\.png"):
        fitted.predict([tmp_path / "x.png"])
