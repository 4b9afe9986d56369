"""One common test over all detectors, and what is special to each of the two."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from adlib.data.images import rotate
from adlib.detectors.anomalydino import ANGLES, AnomalyDINO
from adlib.detectors.masking import object_mask
from adlib.detectors.patchcore import OFFICIAL, PatchCore
from adlib.detectors.registry import DETECTORS, load_detector, make_detector
from adlib.errors import InputError
from adlib.features.cache import TensorCache
from adlib.features.patches import Preprocess, grid_size

# Small pictures keep a test at a second, and 1% of twelve of them would be a bank of two dozen patches.
SMALL = {
    "patchcore": {"resize": 128, "coreset": 0.25},
    "patchcore_ivfpq": {"resize": 128, "coreset": 1.0, "lists": 16, "subquantizers": 19, "bits": 6},
    "padim": {"resize": 128, "dims": 40},
    "gaussian": {"resize": 96},
    "spade": {"resize": 128},
    "deep_svdd": {"resize": 96, "steps": 40, "batch": 4},
    "patch_svdd": {"resize": 128, "steps": 40, "batch": 2, "dims": 32},
    "stfpm": {"resize": 96, "steps": 40, "batch": 4},
    "reverse_distillation": {"resize": 96, "steps": 40, "batch": 4, "width": 16},
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
    "draem": {  # at its default rate 40 steps teach it nothing
        "resize": 64,
        "steps": 40,
        "width": 8,
        "depth": 3,
        "learning_rate": 1e-3,
        "decay": 1.0,
        "textures": "both",
    },
    "fastflow": {"resize": 96, "steps": 30, "batch": 4, "couplings": 4},
    "cflow": {"resize": 96, "steps": 30, "batch": 4, "couplings": 4},
    "anomalydino": {"resize": 96, "rotate": False, "mask": "never"},
}


@pytest.fixture(scope="module")
def nuts(toy_root):
    """Good training paths, good test paths, defective test paths."""
    folder = toy_root / "nut"
    defective = [p for p in sorted((folder / "test").glob("*/*.png")) if p.parent.name != "good"]
    return sorted((folder / "train/good").iterdir()), sorted((folder / "test/good").iterdir()), defective


# Those that train longest, each with a file of tests of its own, are left out of the fast part.
LONG = {"autoencoder", "cflow", "draem", "patch_svdd", "vae"}
METHODS = [pytest.param(name, marks=pytest.mark.slow) if name in LONG else name for name in sorted(DETECTORS)]


@pytest.fixture(scope="module", params=METHODS)
def name(request) -> str:
    if request.param == "patchcore_ivfpq":
        pytest.importorskip("faiss", reason="faiss-cpu is an optional extra")
    return request.param


@pytest.fixture(scope="module")
def fitted(name, nuts):
    return make_detector(name, **SMALL[name]).fit(nuts[0])


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
    again = make_detector(name, **SMALL[name]).fit(nuts[0])
    first, second = fitted.predict(nuts[1]), again.predict(nuts[1])
    assert np.array_equal(first.scores, second.scores)
    assert all(np.array_equal(a, b) for a, b in zip(first.grids, second.grids, strict=True))


def test_a_cache_changes_nothing(name, fitted, nuts, tmp_path):
    cache = TensorCache(tmp_path)
    cold = make_detector(name, **SMALL[name]).fit(nuts[0], cache).predict(nuts[1], cache)
    warm = make_detector(name, **SMALL[name]).fit(nuts[0], cache).predict(nuts[1], cache)
    assert np.array_equal(cold.scores, warm.scores) and list(tmp_path.rglob("*.safetensors"))
    assert np.allclose(cold.scores, fitted.predict(nuts[1]).scores, rtol=1e-4)


def test_save_and_load(fitted, nuts, tmp_path):
    fitted.save(tmp_path / "模型.safetensors")
    loaded = load_detector(tmp_path / "模型.safetensors")
    assert type(loaded) is type(fitted) and loaded.parameters() == fitted.parameters()
    assert np.array_equal(loaded.predict(nuts[1]).scores, fitted.predict(nuts[1]).scores)


@pytest.mark.parametrize("damage", [b"", b"x" * 50])
def test_a_damaged_model_is_named(fitted, tmp_path, damage):
    (tmp_path / "model").write_bytes(damage)
    with pytest.raises(InputError, match="damaged"):
        load_detector(tmp_path / "model")


def test_defects_score_higher_than_good(fitted, nuts):
    """Not a benchmark: a detector that is worse than a coin on its own toy is broken."""
    good, defective = fitted.predict(nuts[1]).scores, fitted.predict(nuts[2]).scores
    assert (defective[:, None] > good[None]).mean() > 0.5


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
        make_detector(name, sigma=-1.0).fit(nuts[0][:1])


def test_an_unknown_layer_is_named(name, nuts):
    with pytest.raises(InputError, match="layer9"):
        make_detector(name, layers=("layer9",)).fit(nuts[0][:1])


def test_an_unreadable_picture_is_named(fitted, tmp_path):
    (tmp_path / "x.png").write_text("no picture")
    with pytest.raises(InputError, match=r"x\.png"):
        fitted.predict([tmp_path / "x.png"])


# --- PatchCore ---------------------------------------------------------------------------------------------------


def plain_distances(vectors: torch.Tensor, bank: torch.Tensor) -> torch.Tensor:
    return (vectors.double()[:, None] - bank.double()[None]).square().sum(dim=2).sqrt()


def test_patchcore_scores_are_distances_to_the_bank(nuts):
    detector = PatchCore(resize=64, coreset=50).fit(nuts[0][:3])
    (features,) = detector._features(nuts[2][:1])
    vectors, grid = detector._vectors(features), grid_size(features.maps)
    expected = plain_distances(vectors, detector.bank_).amin(dim=1)
    predictions = detector.predict(nuts[2][:1])
    assert detector.bank_.shape == (50, 152) and predictions.grids[0].shape == grid
    assert np.allclose(predictions.grids[0].ravel(), expected, rtol=1e-4)
    assert predictions.scores[0] == pytest.approx(expected.max().item(), rel=1e-4)


def test_patchcore_switches_do_what_they_say(nuts):
    plain = PatchCore(resize=64, coreset=50).fit(nuts[0][:3])
    bank, picture = plain.bank_, nuts[2][:1]
    (features,) = plain._features(picture)
    distances = plain_distances(plain._vectors(features), bank)

    def score(**switches) -> float:
        detector = PatchCore(resize=64, coreset=50, **switches)
        detector.bank_ = bank
        return detector.predict(picture).scores[0]

    assert score(distance="squared") == pytest.approx(distances.amin(1).max().item() ** 2, rel=1e-4)
    three = distances.sort(dim=1).values[:, :3].mean(dim=1)
    assert score(neighbours=3) == pytest.approx(three.max().item(), rel=1e-4)
    top = distances.amin(1).sort(descending=True).values[: int(len(distances) * 0.1)]
    assert score(top_share=0.1) == pytest.approx(top.mean().item(), rel=1e-4)
    # eq. 7, in the paper's own terms
    patch = int(distances.amin(1).argmax())
    entry = int(distances[patch].argmin())
    around = plain_distances(bank[entry][None], bank)[0].argsort()[:4]
    s = distances[patch, entry]
    expected = (1 - torch.exp(s) / torch.exp(distances[patch, around]).sum()) * s
    assert score(reweight=4) == pytest.approx(expected.item(), rel=1e-3)


def test_patchcore_coreset_shares_and_counts(nuts):
    patches = 2 * 8 * 8
    assert len(PatchCore(resize=64, coreset=1.0).fit(nuts[0][:2]).bank_) == patches
    assert len(PatchCore(resize=64, coreset=0.25).fit(nuts[0][:2]).bank_) == patches // 4
    assert len(PatchCore(resize=64, coreset=10_000).fit(nuts[0][:2]).bank_) == patches
    for method in ("greedy", "approximate", "random"):
        assert len(PatchCore(resize=64, coreset=7, coreset_method=method).fit(nuts[0][:2]).bank_) == 7


def test_official_switches_give_the_official_shape(nuts):
    detector = PatchCore(**OFFICIAL, coreset=0.1).fit(nuts[0][:2])
    assert detector.bank_.shape == (int(2 * 28 * 28 * 0.1), 1024)


@pytest.mark.parametrize(
    "wrong",
    [{"coreset_method": "best"}, {"distance": "cosine"}, {"neighbours": 0}, {"reweight": 1}, {"coreset": 0}]
    + [{"coreset": 1.5}, {"coreset": -0.1}, {"pooling": "max"}, {"neighbourhood": 2}],
)
def test_patchcore_refuses_what_it_cannot_mean(wrong, nuts):
    with pytest.raises(InputError):
        PatchCore(resize=64, **wrong).fit(nuts[0][:1])


# --- AnomalyDINO -------------------------------------------------------------------------------------------------


def vectors_of(detector: AnomalyDINO, picture, angle: float = 0) -> torch.Tensor:
    """Normalised tokens of one picture, by hand: read, turn, prepare, run the network."""
    image = rotate(Image.open(picture).convert("RGB"), angle)
    network = detector.network()
    pixels, _ = Preprocess(detector.resize, interpolation="bicubic")(image)
    maps = network(pixels[None], network.default_layers[-1:])
    return F.normalize(maps[network.default_layers[-1]][0].flatten(1).T, dim=1)


def test_anomalydino_distances_are_one_minus_cosine(nuts):
    detector = AnomalyDINO(resize=96, rotate=False, mask="never").fit(nuts[0][:3])
    bank = torch.cat([vectors_of(detector, p) for p in nuts[0][:3]])
    expected = (1 - vectors_of(detector, nuts[2][0]).double() @ bank.double().T).amin(dim=1)
    predictions = detector.predict(nuts[2][:1])
    assert np.allclose(predictions.grids[0].ravel(), expected, atol=1e-5)
    assert predictions.scores[0] == pytest.approx(expected.max().item(), abs=1e-5)  # 36 patches: int(0.36) = 0


def test_anomalydino_rotations_fill_the_bank(nuts):
    detector = AnomalyDINO(resize=96, rotate=True, mask="never").fit(nuts[0][:2])
    expected = torch.cat([vectors_of(detector, p, angle) for p in nuts[0][:2] for angle in ANGLES])
    assert ANGLES == (0, 45, 90, 135, 180, 225, 270, 315)
    assert detector.bank_.shape == expected.shape and torch.allclose(detector.bank_, expected, atol=1e-4)
    assert list(detector.offsets_) == [0, 8 * 36, 16 * 36]


def test_anomalydino_minimum_over_references_is_bit_for_bit_the_separate_run(nuts):
    together = AnomalyDINO(resize=96, rotate=False, mask="never").fit(nuts[0][:5])
    alone = AnomalyDINO(resize=96, rotate=False, mask="never").fit([nuts[0][3], nuts[0][1]])
    for features in together._features(nuts[2][:2]):
        columns = together.reference_distances(features)
        assert torch.equal(columns[:, [3, 1]].amin(dim=1), alone.reference_distances(features).amin(dim=1))


def test_anomalydino_masked_patches_count_as_zero(nuts):
    settings = {"resize": 128, "rotate": False, "layers": ("blocks2",)}
    free = AnomalyDINO(**settings, mask="never").fit(nuts[0][:2])
    (features,) = free._features(nuts[2][:1])
    tokens = features.maps["blocks2"].flatten(1).T.numpy()
    # the paper's threshold is in units of DINOv2's tokens; take one at which this network's mask has both kinds
    masks = {threshold: object_mask(tokens, (16, 16), threshold) for threshold in (1, 2, 4, 8, 16)}
    threshold, mask = next((t, m) for t, m in masks.items() if 0.1 < m.mean() < 0.9)
    masked = AnomalyDINO(**settings, mask="always", mask_threshold=threshold).fit(nuts[0][:2])
    assert np.array_equal(masked.predict(nuts[2][:1]).grids[0], free.predict(nuts[2][:1]).grids[0] * mask)


def test_anomalydino_batched_zero_shot_scores_against_the_others(nuts):
    batch = nuts[2][:4]
    zero = AnomalyDINO(resize=96, rotate=False, mask="never").fit_predict(batch)
    for number in range(4):
        others = [p for i, p in enumerate(batch) if i != number]
        expected = AnomalyDINO(resize=96, rotate=False, mask="never").fit(others).predict([batch[number]])
        assert zero.scores[number] == expected.scores[0]
    with pytest.raises(InputError, match="too few"):
        AnomalyDINO(resize=96).fit_predict(batch[:1])


def test_anomalydino_refuses_an_unknown_mask(nuts):
    with pytest.raises(InputError, match="mask"):
        AnomalyDINO(mask="sometimes").fit(nuts[0][:1])
