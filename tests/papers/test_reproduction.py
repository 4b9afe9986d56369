"""Reproductions on a toy set: which runs a paper asks for, what they share, and what is refused."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from adlib.data import load_dataset
from adlib.detectors import anomalydino
from adlib.detectors.anomalydino import AnomalyDINO
from adlib.detectors.patchcore import OFFICIAL
from adlib.download import DownloadError
from adlib.errors import InputError
from adlib.experiments.planning import Machine
from adlib.experiments.shared_work import all_references, all_scored
from adlib.experiments.store import ResultStore
from adlib.papers.reproduction import Reproduction, check_data, reproduce
from helpers.tiny_clip import tiny_checkpoint

SMALL = {"backbones": ("efficientnet_lite0",), "categories": ("weld",)}


def job(toy_root, tmp_path, paper="anomalydino", **given) -> Reproduction:
    fields = SMALL | ({"resolutions": (96,), "shots": ("1", "2"), "seeds": (0, 1)} if paper == "anomalydino" else {})
    return Reproduction(paper, str(toy_root), tmp_path / "out", **fields | given)


def test_the_papers_own_rows_are_the_default(tmp_path):
    names = ("bottle", "screw")
    for name in names:  # sixteen draws of three need forty-eight good images
        (tmp_path / "set" / name / "train/good").mkdir(parents=True)
        for i in range(48):
            (tmp_path / "set" / name / f"train/good/{i:03d}.png").touch()
    dataset = load_dataset(tmp_path / "set")
    dino = Reproduction("anomalydino", "set", tmp_path)
    assert dino.backbones == ("dinov2_vits14",) and len(dino.cells(dataset)) == 2 * 2 * 5 * 3
    assert dino.describe(dataset).endswith(
        "2 resolutions x 1 preprocess mode x 5 shot counts x 3 seeds, 60 runs in all."
    )
    assert all(anomalydino.OFFICIAL.items() <= c["options"].items() for c in dino.cells(dataset))
    core = Reproduction("patchcore", "set", tmp_path)
    cells = core.cells(dataset)
    assert [c["options"]["coreset"] for c in cells] == 2 * [0.25, 0.1, 0.01] and {c["shots"] for c in cells} == {None}
    assert all(OFFICIAL.items() <= c["options"].items() and c["backbone"] == "wide_resnet50_2" for c in cells)
    every = Reproduction("anomalydino", "set", tmp_path, shots=("full", "4"), resolutions=(448,))
    assert [(c["shots"], c["seed"]) for c in every.cells(dataset)] == 2 * [(None, 0), (4, 0), (4, 1), (4, 2)]


def test_modes_that_mean_the_same_are_one_run(toy_root, tmp_path):
    weld = load_dataset(toy_root, "weld")
    modes = job(toy_root, tmp_path, preprocess=("agnostic", "informed", "none"), shots=("1",), seeds=(0,))
    # without DINOv2 nothing is masked, and welds do not lie turned: 'informed' is 'none'
    assert [c["options"]["rotate"] for c in modes.cells(weld)] == [True, False]
    assert "3 preprocess modes" in modes.describe(weld) and "2 runs in all" in modes.describe(weld)


@pytest.mark.parametrize(
    ("paper", "given", "said"),
    [
        ("padim", {}, "patchcore, anomalydino, winclip"),
        ("winclip", {"preprocess": ("none",)}, "not run over preprocess"),
        ("winclip", {"shots": ("-1",)}, "at least 0"),
        ("patchcore", {"resolutions": (448,)}, "not run over resolutions"),
        ("anomalydino", {"coresets": (0.1,)}, "not run over coresets"),
        ("anomalydino", {"shots": ("0",)}, "at least 1"),
        ("anomalydino", {"shots": ("all",)}, "not 'all'"),
        ("anomalydino", {"seeds": (0, 0)}, "given once"),
        ("patchcore", {"backbones": ("resnet18", "resnet50"), "machine": Machine("w.pth")}, "one network"),
    ],
)
def test_what_a_paper_does_not_vary_is_refused(paper, given, said, tmp_path):
    with pytest.raises(InputError, match=said):
        Reproduction(paper, "x", tmp_path, **given)


def test_bad_data_is_refused_before_anything_is_run(toy_root, tmp_path):
    with pytest.raises(InputError, match="no category 'screw'"):
        check_data(job(toy_root, tmp_path, categories=("screw",)), show_progress=False)
    with pytest.raises(InputError, match="good training images"):
        check_data(job(toy_root, tmp_path, shots=("16",)), show_progress=False)
    broken = tmp_path / "broken"
    shutil.copytree(toy_root / "weld", broken / "weld")
    (broken / "weld/train/good/000.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match="cannot be used as it is"):
        check_data(job(broken, tmp_path), show_progress=False)
    shutil.copytree(toy_root / "weld", tmp_path / "mvtec" / "bottle")
    with pytest.raises(InputError, match="bottle: 12 good training images, but 209 were published"):
        check_data(job(tmp_path / "mvtec", tmp_path, categories=()), show_progress=False)


def test_anomalydino_runs_resumes_and_cleans_up(toy_root, tmp_path):
    wanted = job(toy_root, tmp_path)
    dataset, lines = check_data(wanted, show_progress=False)
    assert lines == [f"{toy_root.name} is neither MVTec AD nor VisA: there are no published numbers for its rows."]
    protocols = reproduce(wanted, dataset, show_progress=False)
    store = ResultStore(wanted.results)
    assert [(p.shots, p.seed) for p in protocols] == [(2, 0), (2, 1), (1, 0), (1, 1)]
    assert {p.map_frame for p in protocols} == {"original"} and all(p in store for p in protocols)
    assert not list((wanted.results / "features").iterdir())
    stamps = {path: path.stat().st_mtime_ns for path in wanted.results.glob("*.json")}
    lost = wanted.results / f"{protocols[1].title}.json"
    lost.unlink()  # as after a kill: the row is what comes last
    assert reproduce(wanted, dataset, show_progress=False) == protocols
    assert {path for path, at in stamps.items() if path.stat().st_mtime_ns != at} == {lost}


@pytest.mark.slow
def test_shots_and_seeds_share_distances_and_score_with_the_bits_of_separate_runs(toy_root, tmp_path, monkeypatch):
    wanted = job(toy_root, tmp_path, preprocess=("agnostic", "none"))
    dataset, _ = check_data(wanted, show_progress=False)
    computed = []
    whole = AnomalyDINO.reference_distances
    monkeypatch.setattr(AnomalyDINO, "reference_distances", lambda self, f: computed.append(f.key) or whole(self, f))
    protocols = reproduce(wanted, dataset, show_progress=False)
    together = len(computed)
    pictures = len(all_scored(protocols, dataset.category("weld")))
    # four references in all; every picture is looked at once in each of the two modes
    assert len(all_references(protocols, dataset.category("weld"))) == 4 and together == 2 * pictures
    monkeypatch.setattr("adlib.papers.reproduction.share_distances", lambda *_: None)
    apart = replace(wanted, results=tmp_path / "apart")
    assert reproduce(apart, dataset, show_progress=False) == protocols
    assert len(computed) - together >= 2 * 4 * len(dataset.category("weld").test)
    for protocol in protocols:
        one, other = (ResultStore(folder.results) for folder in (wanted, apart))
        assert one.get(protocol).scores.equals(other.get(protocol).scores)
        assert one.get(protocol).row["calibration"] == other.get(protocol).row["calibration"]
        grids = zip(one.grids(protocol), other.grids(protocol), strict=True)
        assert all(np.array_equal(a, b) for a, b in grids)


def test_winclips_own_rows_are_the_default(toy_root, tmp_path):
    wanted = Reproduction("winclip", str(toy_root), tmp_path)
    cells = wanted.cells(load_dataset(toy_root, "nut"))
    shots = [(4, s) for s in range(5)] + [(2, s) for s in range(5)] + [(1, s) for s in range(5)] + [(0, 0)]
    assert [(c["shots"], c["seed"]) for c in cells] == shots  # without references nothing is sampled
    assert {c["backbone"] for c in cells} == {"clip_vitb16_plus_240"}
    assert cells[0]["options"] == {"object_name": "nut", "resize": 240}


def test_winclip_runs_with_and_without_references(toy_root, tmp_path):
    pytest.importorskip("open_clip", reason="open_clip is an optional extra")
    wanted = Reproduction(
        "winclip",
        str(toy_root),
        tmp_path / "out",
        categories=("nut",),
        backbones=("clip_file",),
        resolutions=(64,),
        shots=("0", "1"),
        seeds=(0,),
        machine=Machine(str(tiny_checkpoint(tmp_path))),
    )
    dataset, _ = check_data(wanted, show_progress=False)
    assert "1 seed, 2 runs in all" in wanted.describe(dataset)
    few, zero = reproduce(wanted, dataset, show_progress=False)
    store = ResultStore(wanted.results)
    assert (few.shots, few.selection, zero.shots) == (1, "random", 0)
    assert 0 <= store.get(zero).metrics["image_auroc"] <= 1 and store.get(few).metrics["aupro"] is not None
    assert "no image is known to be good" in store.get(zero).row["calibration"]["missing"]


def test_weights_that_cannot_be_had_are_named(toy_root, tmp_path, monkeypatch):
    def unreachable(url, *_, **__):
        raise DownloadError(url, "no network", "try again")

    monkeypatch.setattr("adlib.features.weights.download", unreachable)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    wanted = job(toy_root, tmp_path, backbones=("wide_resnet101_2",))
    dataset, _ = check_data(wanted, show_progress=False)
    with pytest.raises(InputError, match="wide_resnet101_2-32ee1156.pth"):
        reproduce(wanted, dataset, show_progress=False)
