"""Planted defects: how many, which, where they go, and that a protocol tells them apart."""

from dataclasses import replace
from pathlib import Path

import pytest

from adlib.data import Dataset, Sample, plant, plant_defects, plant_listed
from adlib.errors import InputError

ROOT = Path("/data")


def made_of(good: int, defective: int) -> Dataset:
    train = [Sample(ROOT / f"a/train/good/{i:03d}.png", "a", "train", 0, "good") for i in range(good)]
    spare = [Sample(ROOT / f"a/test/good/{i:03d}.png", "a", "test", 0, "good") for i in range(5)]
    masks = [ROOT / f"a/ground_truth/crack/{i:03d}.png" for i in range(defective)]
    cracks = [Sample(ROOT / f"a/test/crack/{m.name}", "a", "test", 1, "crack", m) for m in masks]
    return Dataset("made", ROOT, (*train, *spare, *cracks))


def planted(dataset: Dataset) -> list[str]:
    return [s.path.name for s in dataset.train_good if s.defect != "good"]


@pytest.mark.parametrize(("fraction", "count"), [(0.05, 10), (0.1, 21), (0.2, 42)])
@pytest.mark.parametrize("convention", ["removed", "overlap"])
def test_planted_images_are_good_training_images_and_only_removed_ones_leave_the_test(fraction, count, convention):
    clean = made_of(209, 63)  # the sizes of `bottle`
    noisy = plant_defects(clean, fraction, convention=convention)
    assert len(noisy.train_good) == 209 + count and len(set(planted(noisy))) == count
    assert all(s.mask is None and s.defect == "crack" for s in set(noisy.train_good) - set(clean.train_good))
    left = {s.path.name for s in noisy.test if s.label}
    assert len(left) == (63 if convention == "overlap" else 63 - count)
    assert left.isdisjoint(planted(noisy)) == (convention == "removed")
    assert [s for s in noisy.test if not s.label] == [s for s in clean.test if not s.label] and noisy.has_masks
    assert noisy.noise == f"{count} planted, {convention}" and noisy.few_shot(None) == noisy.train_good


def test_draws_are_nested_repeatable_and_differ_by_seed():
    clean = made_of(100, 50)
    few, many = (set(planted(plant_defects(clean, fraction, seed=3))) for fraction in (0.1, 0.4))
    assert few < many and few == set(planted(plant_defects(clean, 0.1, seed=3, convention="overlap")))
    assert few != set(planted(plant_defects(clean, 0.1, seed=4)))


def test_nothing_planted_is_the_clean_data_set():
    clean = made_of(10, 5)
    assert plant_defects(clean, 0.0) is clean and plant_defects(clean, 0.01) is clean


def test_a_list_is_matched_without_endings_and_may_name_good_images():
    clean = made_of(10, 5)
    noisy = plant_listed(clean, ["a/train/good/001.jpg", "a/test/crack/003.jpg\n", "a/test/crack/001"], "overlap")
    assert planted(noisy) == ["001.png", "003.png"] and noisy.noise == "2 planted, overlap"
    assert noisy == plant(
        clean, [s for s in clean.test if s.path.name in ("001.png", "003.png") and s.label], "overlap"
    )


def test_all_defects_can_only_overlap():
    clean = made_of(10, 4)
    assert len(plant_defects(clean, 0.4, convention="overlap").test) == 9
    with pytest.raises(InputError, match='All defective test images of made are planted; only "overlap"'):
        plant_defects(clean, 0.4)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda d: plant_defects(d, 0.5), "has 4 defective test images, fewer than the 5 .* plant at most 40%"),
        (lambda d: plant_defects(d, -0.1), "0 or more, not -0.1"),
        (lambda d: plant_defects(d, float("nan")), "0 or more, not nan"),
        (lambda d: plant_defects(d, 0.1, seed=-1), "seed must be"),
        (lambda d: plant_defects(d, 0.1, convention="kept"), "Unknown convention 'kept'; choose one of removed"),
        (lambda d: plant_listed(d, ["a/train/good/001.png"]), "names no defective test image of made"),
    ],
)
def test_refuses_what_it_cannot_mean(call, words):
    with pytest.raises(InputError, match=words):
        call(made_of(10, 4))


def test_samples_are_told_apart_by_split():
    clean = made_of(10, 4)
    first = clean.test[0]
    assert replace(first, split="train", label=0, mask=None) in plant(clean, [first], "overlap").train_good
    assert first in plant(clean, [first], "overlap").test
