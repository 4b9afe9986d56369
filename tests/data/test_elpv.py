"""ELPV from its package: the split, and what is said without it."""

import csv
import hashlib
import sys
from collections import Counter

import pytest

from adlib.data import load_dataset, read_image
from adlib.data.elpv import SPLIT_FILE, derive_split, package_data
from adlib.errors import InputError
from helpers.empty_files import refused


def test_elpv_split_file_is_what_its_rule_gives():
    with open(SPLIT_FILE, encoding="utf-8", newline="") as file:
        assert list(csv.DictReader(file)) == derive_split(package_data())


def test_elpv():
    dataset = load_dataset("elpv")
    assert dataset.categories == ("mono", "poly") and not dataset.has_masks
    assert load_dataset("elpv", "mono") == dataset.category("mono")
    assert "mono, poly" in refused("elpv", "multi")
    labels = {}
    for line in (package_data() / "labels.csv").read_text().splitlines():
        path, probability, kind = line.split()
        labels[path] = (float(probability), kind)
    assert len(labels) == 2624
    for name, train in (("mono", 378), ("poly", 710)):
        part = dataset.category(name)
        assert (len(part.train_good), len(part.validation)) == (train, 60)
        assert Counter(s.defect for s in part.test) == Counter(good=150, defective=150)
    assert len({s.path for s in dataset.samples}) == len(dataset.samples)
    assert all(labels[dataset.relative(s)] == (s.label, s.category) for s in dataset.samples)
    test = {s.path.name for s in dataset.test if s.label == 0 and s.category == "mono"}
    others = {s.path.name for s in dataset.samples if s.label == 0 and s.category == "mono"} - test

    def order(name: str) -> str:
        return hashlib.sha256(name.encode()).hexdigest()

    assert max(map(order, test)) < min(map(order, others))
    assert read_image(dataset.samples[0].path).size == (300, 300)


def test_elpv_without_its_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "elpv_dataset", None)
    with pytest.raises(InputError, match="pip install elpv-dataset"):
        load_dataset("elpv")
    monkeypatch.setattr("adlib.data.elpv.find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install elpv-dataset"):
        load_dataset("elpv")
