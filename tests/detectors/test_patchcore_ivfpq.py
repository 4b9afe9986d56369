"""PatchCore on a compressed bank: against exact search in what the codes decode to."""

import sys

import numpy as np
import pytest
import torch

from adlib.detectors.patchcore import PatchCore
from adlib.detectors.patchcore_ivfpq import PatchCoreIVFPQ
from adlib.detectors.registry import load_detector
from adlib.detectors.scores import reweighted
from adlib.errors import InputError

SMALL = {"resize": 96, "coreset": 1.0, "lists": 6, "probes": 6, "subquantizers": 19, "bits": 5}


@pytest.fixture(scope="module")
def nuts(toy_root):
    """Good training paths, and test paths of both kinds."""
    train = sorted((toy_root / "nut/train/good").iterdir())[:4]
    return train, sorted((toy_root / "nut/test").glob("*/*.png"))[::4]


@pytest.fixture(scope="module")
def fitted(nuts):
    pytest.importorskip("faiss", reason="faiss-cpu, an optional extra, is not installed")
    return PatchCoreIVFPQ(**SMALL).fit(nuts[0])


def decoded(detector: PatchCoreIVFPQ) -> torch.Tensor:
    return torch.from_numpy(detector.index_.sa_decode(detector.bank_.numpy())).double()


def patches(detector, path) -> torch.Tensor:
    (item,) = detector._features([path])
    return detector._vectors(item)


def test_all_lists_probed_it_is_the_exact_search_in_the_decoded_bank(fitted, nuts):
    entries = decoded(fitted)
    for path, grid, score in zip(nuts[1], fitted.predict(nuts[1]).grids, fitted.predict(nuts[1]).scores, strict=True):
        plain = torch.cdist(patches(fitted, path).double(), entries).amin(dim=1)
        np.testing.assert_allclose(grid.ravel(), plain, rtol=1e-3, atol=1e-3)
        assert score == pytest.approx(float(plain.max()), rel=1e-3)


def test_fewer_probes_never_find_a_nearer_entry(fitted, nuts):
    few = PatchCoreIVFPQ(**SMALL | {"probes": 1}).fit(nuts[0])
    assert torch.equal(few.bank_, fitted.bank_)
    for one, all_lists in zip(few.predict(nuts[1]).grids, fitted.predict(nuts[1]).grids, strict=True):
        assert (one >= all_lists - 1e-4).all()


def test_more_bytes_bring_it_nearer_to_patchcore(fitted, nuts):
    exact = PatchCore(resize=96, coreset=1.0).fit(nuts[0])
    coarse = PatchCoreIVFPQ(**SMALL | {"subquantizers": 2, "bits": 2}).fit(nuts[0])
    wanted = np.stack(exact.predict(nuts[1]).grids)
    errors = [np.abs(np.stack(d.predict(nuts[1]).grids) - wanted).mean() for d in (fitted, coarse)]
    assert errors[0] < errors[1] / 2


def test_eq7_is_computed_on_decoded_entries(nuts, fitted):
    detector = PatchCoreIVFPQ(**SMALL | {"reweight": 3}).fit(nuts[0])
    entries = decoded(detector)
    for path, score in zip(nuts[1], detector.predict(nuts[1]).scores, strict=True):
        vectors = patches(detector, path).double()
        distances = torch.cdist(vectors, entries)
        worst = int(distances.amin(dim=1).argmax())
        own = int(distances[worst].argmin())
        around = torch.cdist(entries[own][None], entries)[0].topk(3, largest=False).indices
        largest = distances[worst, own]
        plain = reweighted(largest, largest, distances[worst, around])
        assert score == pytest.approx(float(plain), rel=2e-3)


def test_probed_lists_with_too_few_entries_are_searched_further(nuts, fitted):
    detector = PatchCoreIVFPQ(**SMALL | {"coreset": 64, "lists": 32, "probes": 1, "neighbours": 40}).fit(nuts[0])
    distances, found = detector._search(patches(detector, nuts[1][0]), 40)
    assert (found >= 0).all() and torch.isfinite(distances).all()
    assert (distances.diff(dim=1) >= -1e-4).all()


def test_deterministic_small_and_restored_without_pickle(fitted, nuts, tmp_path):
    again = PatchCoreIVFPQ(**SMALL).fit(nuts[0])
    assert torch.equal(again.bank_, fitted.bank_)
    scores = fitted.predict(nuts[1]).scores
    np.testing.assert_array_equal(again.predict(nuts[1]).scores, scores)
    assert fitted.bank_.dtype == torch.uint8 and fitted.bank_.shape[1] < 19 + 2  # bytes, of 608 in floats
    fitted.save(tmp_path / "nut.safetensors")
    loaded = load_detector(tmp_path / "nut.safetensors")
    assert isinstance(loaded, PatchCoreIVFPQ) and loaded.parameters() == fitted.parameters()
    np.testing.assert_array_equal(loaded.predict(nuts[1]).scores, scores)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"subquantizers": 7}, "must divide the 152"),
        ({"bits": 8, "coreset": 100}, "100 patches, too few"),
        ({"lists": 101, "coreset": 100}, "too few for 101 lists"),
        ({"lists": 0}, "lists must be at least 1"),
        ({"probes": 7}, "cannot be more than lists"),
        ({"bits": 9}, "bits must be between 1 and 8"),
        ({"coreset_method": "best"}, "Unknown coreset_method"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(fitted, nuts, given, said):
    with pytest.raises(InputError, match=said):
        PatchCoreIVFPQ(**SMALL | given).fit(nuts[0])


def test_without_faiss_one_sentence_says_what_to_install(nuts, monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(InputError, match="pip install faiss-cpu"):
        PatchCoreIVFPQ(**SMALL).fit(nuts[0])
