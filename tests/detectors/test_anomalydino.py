"""AnomalyDINO against plain statements of its definitions, and distances shared over shots and draws."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from adlib.data import load_dataset
from adlib.data.rotation import ANGLES, rotate
from adlib.detectors import columns
from adlib.detectors.anomalydino import AnomalyDINO
from adlib.detectors.masking import object_mask
from adlib.errors import InputError
from adlib.features.cache import TensorCache
from adlib.features.patches import Preprocess


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


def test_anomalydino_prepares_its_bank_once(nuts):
    detector = AnomalyDINO(resize=96, rotate=False, mask="never").fit(nuts[0][:1])
    first = detector._grouped_bank()
    assert detector._grouped_bank() is first and first is not detector.fit(nuts[0][1:2])._grouped_bank()


def test_anomalydino_refuses_an_unknown_mask(nuts):
    with pytest.raises(InputError, match="mask"):
        AnomalyDINO(mask="sometimes").fit(nuts[0][:1])


@pytest.fixture(scope="module")
def welds(toy_root: Path) -> tuple[list[Path], list[Path]]:
    dataset = load_dataset(toy_root).category("weld")
    return [s.path for s in dataset.train_good], [s.path for s in dataset.test]


def distances_folder(cache: TensorCache) -> Path:
    (folder,) = cache.folder.glob("*-distances-*")
    return folder


@pytest.mark.parametrize("options", [{"rotate": False}, {"rotate": True}, {"rotate": False, "neighbourhood": 3}])
def test_any_choice_of_references_scores_with_the_bits_of_a_separate_run(welds, tmp_path, options, monkeypatch):
    good, test = welds
    monkeypatch.setattr(columns, "VIEWS_AT_ONCE", 4)
    cache = TensorCache(tmp_path)
    AnomalyDINO(resize=96, mask="never", **options).share_distances(good[:7], test, cache)
    monkeypatch.setattr(AnomalyDINO, "reference_distances", None)  # nothing may be computed anew
    shared = {}
    for chosen in ([0], [6, 2], [5, 1, 3, 0]):
        detector = AnomalyDINO(resize=96, mask="never", **options).fit([good[i] for i in chosen], cache)
        shared[tuple(chosen)] = detector.predict(test, cache)
    monkeypatch.undo()
    for chosen, found in shared.items():
        alone = AnomalyDINO(resize=96, mask="never", **options).fit([good[i] for i in chosen]).predict(test)
        assert np.array_equal(found.scores, alone.scores)
        assert all(np.array_equal(a, b) for a, b in zip(found.grids, alone.grids, strict=True))


def test_sharing_goes_on_where_it_was(welds, tmp_path, monkeypatch):
    good, test = welds
    cache = TensorCache(tmp_path)
    detector = AnomalyDINO(resize=96, mask="never", rotate=False)
    detector.share_distances(good[:3], test[:4], cache)
    files = sorted(distances_folder(cache).rglob("*.safetensors"))
    before = {file: file.read_bytes() for file in files}
    files[0].write_bytes(before[files[0]][:50])  # cut off
    files[1].unlink()
    detector.share_distances(good[:3], test[:4], cache)
    assert {file: file.read_bytes() for file in files} == before
    detector.share_distances([good[4], good[1]], test[:4], cache)  # one new reference beside what is there
    found = detector.fit(good[:5], cache).predict(test[:4], cache)
    assert np.array_equal(
        found.scores, AnomalyDINO(resize=96, mask="never", rotate=False).fit(good[:5]).predict(test[:4]).scores
    )


def test_equal_pictures_under_two_names_share_a_column(welds, tmp_path):
    good, test = welds
    twin = tmp_path / "twin.png"
    twin.write_bytes(good[0].read_bytes())
    cache = TensorCache(tmp_path / "cache")
    detector = AnomalyDINO(resize=96, mask="never", rotate=False)
    detector.share_distances([good[0], twin, good[1]], test[:2], cache)
    found = detector.fit([twin, good[1]], cache).predict(test[:2], cache)
    alone = AnomalyDINO(resize=96, mask="never", rotate=False).fit([twin, good[1]]).predict(test[:2])
    assert np.array_equal(found.scores, alone.scores)


def test_other_settings_never_read_these_columns(welds, tmp_path):
    good, test = welds
    cache = TensorCache(tmp_path)
    AnomalyDINO(resize=96, mask="never", rotate=False).share_distances(good[:2], test[:2], cache)
    for other in ({"rotate": True}, {"rotate": False, "neighbourhood": 3}, {"rotate": False, "resize": 64}):
        options = {"resize": 96, "mask": "never"} | other
        found = AnomalyDINO(**options).fit(good[:2], cache).predict(test[:2], cache)
        assert np.array_equal(found.scores, AnomalyDINO(**options).fit(good[:2]).predict(test[:2]).scores)
