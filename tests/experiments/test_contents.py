"""A stored result counts only for the images and masks that it was made from."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adlib.data import Dataset, load_dataset
from adlib.errors import InputError
from adlib.experiments.execution import run
from adlib.experiments.packs import ROWS, pack_folder
from adlib.experiments.planning import content_digest, data_digest, plan
from adlib.experiments.protocol import Protocol
from adlib.experiments.store import Result, ResultStore
from helpers.places import ROOT

SIDE, SPOT = 64, slice(20, 36)
SETTING = {"options": {"resize": 64, "coreset": 20}, "shots": 2}


def part(root: Path, seed: int = 0) -> Path:
    """Noise, and noise with a bright square, as BMP files, which all have one size; no masks."""
    random = np.random.default_rng(seed)
    for split, count in (("train/good", 4), ("test/good", 3), ("test/spot", 3)):
        (root / split).mkdir(parents=True)
        for number in range(count):
            pixels = random.integers(90, 130, (SIDE, SIDE), dtype=np.uint8)
            pixels[SPOT, SPOT] += 100 * split.endswith("spot")
            Image.fromarray(pixels).save(root / split / f"{number}.bmp")
    return root


def masks(root: Path, rows: slice) -> None:
    """A mask of the square's size beside each defective image; `rows` says where it is."""
    mask = np.zeros((SIDE, SIDE), dtype=np.uint8)
    mask[rows, SPOT] = 255
    (root / "ground_truth/spot").mkdir(parents=True, exist_ok=True)
    for path in (root / "test/spot").iterdir():
        Image.fromarray(mask).save(root / f"ground_truth/spot/{path.stem}_mask.bmp")


def stored_and_fresh(root: Path, store: ResultStore) -> tuple[Result, Result]:
    """What a run with a store gives for a folder, and what a run without one does."""
    dataset = load_dataset(str(root))
    protocol = plan(dataset, "patchcore", **SETTING)
    return run(protocol, dataset, store), run(protocol, dataset)


def test_masks_that_come_later_are_measured(tmp_path):
    root, store = part(tmp_path / "part"), ResultStore(tmp_path / "results")
    before, _ = stored_and_fresh(root, store)
    masks(root, SPOT)
    later, fresh = stored_and_fresh(root, store)
    assert before.metrics["pixel_auroc"] is None and later.metrics == fresh.metrics
    assert later.metrics["pixel_auroc"] > 0.9


def test_corrected_masks_are_measured(tmp_path):
    root, store = part(tmp_path / "part"), ResultStore(tmp_path / "results")
    masks(root, slice(48, 64))  # of the same byte size
    before, _ = stored_and_fresh(root, store)
    masks(root, SPOT)
    corrected, fresh = stored_and_fresh(root, store)
    assert corrected.metrics == fresh.metrics
    assert corrected.metrics["pixel_auroc"] > 0.9 > 0.8 > before.metrics["pixel_auroc"]


def test_images_exchanged_for_others_of_equal_size_are_scored(tmp_path):
    root, store = part(tmp_path / "part"), ResultStore(tmp_path / "results")
    assert stored_and_fresh(root, store)[0].metrics["image_auroc"] == 1
    (root / "test/good").rename(root / "test/kept")
    (root / "test/spot").rename(root / "test/good")
    (root / "test/kept").rename(root / "test/spot")
    assert [result.metrics["image_auroc"] for result in stored_and_fresh(root, store)] == [0, 0]


def test_two_data_sets_of_equal_names_and_sizes_have_results_of_their_own(tmp_path):
    store = ResultStore(tmp_path / "results")
    one, other = (part(tmp_path / str(seed) / "data/part", seed) for seed in range(2))
    digests = [data_digest(load_dataset(str(root))) for root in (one, other)]
    results = [stored_and_fresh(root, store) for root in (one, other)]
    assert digests[0] == digests[1] and len({stored.protocol.dataset for stored, _ in results}) == 1
    for stored, fresh in results:
        assert np.allclose(stored.scores["score"], fresh.scores["score"])


def test_a_copied_data_set_keeps_its_results(tmp_path):
    root, store = part(tmp_path / "data/part"), ResultStore(tmp_path / "results")
    masks(root, SPOT)
    first, _ = stored_and_fresh(root, store)
    copy = shutil.copytree(root, tmp_path / "copy/data/part", copy_function=shutil.copy)
    dataset = load_dataset(str(copy))
    assert plan(dataset, "patchcore", **SETTING) == first.protocol and first.protocol in store


def test_the_digest_covers_paths_and_contents_of_images_and_masks(tmp_path):
    root = part(tmp_path / "part")
    masks(root, SPOT)
    dataset = load_dataset(str(root))
    (first, *others) = dataset.samples
    masked = next(sample for sample in dataset.samples if sample.mask)
    rest = tuple(sample for sample in dataset.samples if sample is not masked)
    other = next(sample.mask for sample in rest if sample.mask)
    changed = [
        replace(dataset, samples=tuple(others)),
        replace(dataset, samples=(*rest, replace(masked, mask=None))),
        replace(dataset, samples=(*rest, replace(masked, mask=other))),  # equal content, another path
        replace(dataset, samples=(*others, replace(first, path=others[0].path))),
    ]
    assert len({content_digest(data) for data in (dataset, *changed)}) == 5
    assert content_digest(replace(dataset, samples=tuple(reversed(dataset.samples)))) == content_digest(dataset)


@pytest.mark.parametrize("name", ["test/good/0.bmp", "ground_truth/spot/1_mask.bmp"])
def test_an_unreadable_image_or_mask_is_named(tmp_path, name):
    root = part(tmp_path / "part")
    masks(root, SPOT)
    (root / name).write_bytes(b"")
    with pytest.raises(InputError, match=rf"The image .*{name} is empty \(0 bytes\)"):
        plan(load_dataset(str(root)), "patchcore", **SETTING)


# --- rows made before contents were part of the protocol ---------------------------------------------------------


@pytest.fixture
def planned(tmp_path) -> tuple[Dataset, Protocol]:
    dataset = load_dataset(str(part(tmp_path / "part")))
    return dataset, plan(dataset, "patchcore", **SETTING)


def older(store: ResultStore, dataset: Dataset, protocol: Protocol, **entries: str) -> Result:
    """Store a row as it was made before, with more entries next to its protocol."""
    made = run(replace(protocol, content_digest=""), dataset)
    made = replace(made, row=made.row | entries)
    store.put(made)
    row = json.loads((store.folder / f"{made.protocol.title}.json").read_text(encoding="utf-8"))
    assert (
        row["protocol"].pop("content_digest") == "" and Protocol.from_dict(row["protocol"]).hash in made.protocol.title
    )
    return made


def test_an_older_row_counts_only_for_the_content_it_names(planned, tmp_path):
    dataset, protocol = planned
    store = ResultStore(tmp_path / "results")
    made = older(store, dataset, protocol)
    assert protocol not in store and made.protocol in store
    older(store, dataset, protocol, content_digest="0123456789")
    assert protocol not in store
    older(store, dataset, protocol, content_digest=protocol.content_digest)
    assert store.get(protocol).metrics == made.metrics
    assert replace(protocol, content_digest="0123456789") not in store and replace(protocol, seed=1) not in store


def test_packing_keeps_the_entry(planned, tmp_path):
    dataset, protocol = planned
    store = ResultStore(tmp_path / "results")
    older(store, dataset, protocol, content_digest=protocol.content_digest)
    assert pack_folder(store.folder) == (1, 1) and pack_folder(store.folder) == (0, 1)
    again = ResultStore(store.folder)
    assert protocol in again and again.get(protocol).content_digest == protocol.content_digest


def test_patch_scores_lie_where_their_row_does(planned, tmp_path):
    dataset, protocol = planned
    store = ResultStore(tmp_path / "results")
    made = run(replace(protocol, content_digest=""), dataset, store)
    assert store.grids(protocol) is None and len(store.grids(made.protocol)) == len(dataset.test)
    store.put(replace(made, row=made.row | {"content_digest": protocol.content_digest}))
    assert len(store.grids(protocol)) == len(dataset.test)


@pytest.mark.parametrize("category", ["mono", "poly"])
def test_committed_rows_are_found_for_their_images_alone(category):
    store, dataset = ResultStore(ROOT / "results/elpv/sweep"), load_dataset("elpv", category)
    contents = content_digest(dataset)
    rows = [result for result in store.results() if result.protocol.category == category]
    found = [store.get(replace(result.protocol, content_digest=contents)) for result in rows]
    assert len(rows) == 24 and all(a.scores.equals(b.scores) for a, b in zip(rows, found, strict=True))
    assert not any(replace(result.protocol, content_digest="0123456789") in store for result in rows)


def test_committed_rows_name_the_content_of_their_data():
    """The rows of toy `nut` name the content that processors with AVX-512 render; others render other last bits."""
    known: dict[tuple, set] = {}
    for path in sorted((ROOT / "results").rglob(ROWS)):
        for row in map(json.loads, path.read_text(encoding="utf-8").split("\n")[:-1]):
            data = tuple(row["protocol"][name] for name in ("dataset", "category", "data_digest"))
            known.setdefault(data, set()).add(row["protocol"].get("content_digest") or row.get("content_digest"))
    assert not [data[:2] for data, contents in known.items() if None in contents]
    assert len(known) == 15 and all(len(contents) == 1 for contents in known.values())
