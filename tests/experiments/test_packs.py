"""Packed studies give back what the single files held, and what is committed is whole."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from adlib.errors import InputError
from adlib.experiments import packs
from adlib.experiments.packs import pack_folder, read_pack
from adlib.experiments.protocol import Protocol
from adlib.experiments.store import Result, ResultStore
from helpers.places import ROOT
from tools import pack_results

COMMITTED = ROOT / "results"
PROTOCOL = Protocol("面料", "weld", "0123456789", "patchcore", "resnet18", "ab" * 32)
ORDER = ["weld/test/good/0.png", "weld/test/good/1.png", "weld/test/单个气孔/0.png", "weld/test/咬边1, links/0.png"]


def result(seed: int, images: list[str]) -> Result:
    """A made-up run whose numbers need all of their digits."""
    defects = [image.split("/")[-2] for image in images]
    scores = pd.DataFrame({"image": images, "label": [int(d != "good") for d in defects], "defect": defects})
    scores["score"] = [float(f"{(seed + 1) / (n + 3) * 10 ** (2 * n - 4):.8g}") for n in range(len(images))]
    row = {"metrics": {"image_auroc": 0.1 + 0.2, "aupro": None}, "timings": {"fit_s": 1.0}, "references": ["等\u2028"]}
    return Result(replace(PROTOCOL, seed=seed), row, scores)


def content(folder: Path) -> list[tuple]:
    """Everything that a store gives of a folder, in its order."""
    return [
        (r.protocol, list(r.row.items()), *(list(r.scores[name]) for name in packs.COLUMNS))
        for r in ResultStore(folder).results()
    ]


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def change(path: Path, old: str, new: str) -> None:
    assert old in text(path)
    path.write_text(text(path).replace(old, new, 1), encoding="utf-8")


def test_names_that_look_like_formulas_are_packed_as_they_are(tmp_path: Path):
    """Single files escape them for spreadsheets; packs, and single files of before, do not."""
    images = ["=1/test/good/0.png", "'q/test/单个气孔/0.png"]
    store = ResultStore(tmp_path / "study")
    store.put(result(0, images))
    single = store.folder / f"{replace(PROTOCOL, seed=0).title}.csv"
    assert text(single).startswith("\ufeffimage,") and "\n'=1/test" in text(single)
    assert list(next(store.results()).scores["image"]) == images
    store.put(result(1, images))
    before = store.folder / f"{replace(PROTOCOL, seed=1).title}.csv"
    before.write_text(
        "\n".join(["image,label,defect,score", f"{images[0]},0,good,1", f"{images[1]},1,x,2", ""]), "utf-8"
    )
    singles = [list(r.scores["image"]) for r in ResultStore(store.folder).results()]
    change(before, "1,x,2", "1,单个气孔,2")
    pack_folder(store.folder)
    assert singles == [images, images] == [list(r.scores["image"]) for r in ResultStore(store.folder).results()]
    assert text(store.folder / packs.IMAGES).startswith("image,label")


@pytest.fixture
def singles(tmp_path: Path) -> Path:
    """Three runs in single files; the second scored only some images."""
    store = ResultStore(tmp_path / "study")
    for seed, images in enumerate((ORDER, ORDER[1::2], ORDER)):
        store.put(result(seed, images))
    return store.folder


@pytest.fixture
def packed(singles: Path) -> Path:
    pack_folder(singles)
    return singles


def test_a_pack_gives_back_rows_scores_and_orders_and_is_three_files(singles: Path):
    before = content(singles)
    assert pack_folder(singles) == (3, 3)
    assert content(singles) == before and content(singles.parent) == before
    assert sorted(p.name for p in singles.iterdir()) == [packs.IMAGES, packs.ROWS, packs.SCORES]
    assert pack_folder(singles) == (0, 3) and content(singles) == before
    types = [dict(r.scores.dtypes) for r in ResultStore(singles).results()]
    alone = ResultStore(singles / "alone")
    alone.put(result(0, ORDER))
    assert types[0] == dict(next(alone.results()).scores.dtypes)


def test_files_are_sorted_and_blank_where_a_run_did_not_score(packed: Path):
    rows = [json.loads(line) for line in text(packed / packs.ROWS).split("\n")[:-1]]
    titles = [Protocol.from_dict(row["protocol"]).title for row in rows]
    assert titles == sorted(titles) and list(rows[0])[:2] == ["hash", "protocol"]
    assert list(pd.read_csv(packed / packs.IMAGES)["image"]) == ORDER
    scores = pd.read_csv(packed / packs.SCORES, dtype={"run": str}).set_index("run")
    assert list(scores.columns) == ORDER and list(scores.index) == [row["hash"] for row in rows]
    assert list(scores.loc[replace(PROTOCOL, seed=1).hash].isna()) == [True, False, True, False]


def test_one_more_run_is_one_more_line_in_two_files(packed: Path):
    before = {name: text(packed / name).split("\n") for name in (packs.IMAGES, packs.ROWS, packs.SCORES)}
    ResultStore(packed).put(result(3, ORDER[:2]))
    assert pack_folder(packed) == (1, 4)
    for name, more in ((packs.IMAGES, 0), (packs.ROWS, 1), (packs.SCORES, 1)):
        lines = text(packed / name).split("\n")
        assert set(before[name]) <= set(lines) and len(lines) == len(before[name]) + more


def test_new_images_are_merged_into_the_order_of_all_runs(tmp_path: Path):
    store = ResultStore(tmp_path)
    for seed, images in enumerate((["z/good/1", "a/good/2"], ["b/good/0", "z/good/1"], ["a/good/2", "b/good/3"])):
        store.put(result(seed, images))
        pack_folder(tmp_path)
    assert list(read_pack(tmp_path).images) == ["b/good/0", "z/good/1", "a/good/2", "b/good/3"]


@pytest.mark.parametrize("images, match", [(ORDER[::-1], "order"), (ORDER[:1], "disagree on .*0.png")])
def test_runs_that_disagree_are_refused_and_nothing_is_written(packed: Path, images: list[str], match: str):
    other = result(3, images)
    if match != "order":
        other.scores["label"] = 1
    ResultStore(packed).put(other)
    before = {path: path.read_bytes() for path in packed.iterdir()}
    with pytest.raises(InputError, match=match):
        pack_folder(packed)
    assert {path: path.read_bytes() for path in packed.iterdir()} == before


def test_a_store_finds_packed_runs_and_keeps_what_it_gave(packed: Path):
    store = ResultStore(packed)
    protocol = replace(PROTOCOL, seed=1)
    found = store.get(protocol)
    found.row["references"].append("changed")
    found.scores["score"] = 0.0
    assert store.get(protocol).row["references"] == ["等\u2028"] and store.get(protocol).scores["score"].all()
    assert protocol in store and replace(PROTOCOL, seed=9) not in store
    assert protocol not in ResultStore(packed.parent)  # as with single files: `get` looks into this folder alone


def test_a_single_file_beside_a_pack_wins_and_counts_once(packed: Path):
    store = ResultStore(packed)
    newer = result(1, ORDER)
    newer.row["metrics"]["image_auroc"] = 0.5
    store.put(newer)
    for _ in range(2):  # beside the pack, then in it
        aurocs = [r.metrics["image_auroc"] for r in ResultStore(packed).results()]
        assert sorted(aurocs) == [0.1 + 0.2, 0.1 + 0.2, 0.5] and store.get(newer.protocol).row == newer.row
        pack_folder(packed)
        store = ResultStore(packed)
    assert not list(packed.glob("*.json"))


DAMAGE = [
    (packs.ROWS, '{"hash"', '<<<<<<< HEAD\n{"hash"', 1, "Expecting value"),
    (packs.ROWS, '"seed":', '"sed":', 1, "no field 'sed'"),
    (packs.ROWS, '"split_seed":0', '"split_seed":7', 1, "hash"),
    (packs.SCORES, "\n", ",weld/test/good/9.png\n", 1, "columns are not as expected: 'weld/test/good/9.png'"),
    (packs.SCORES, "\n", "\n0123456789,1,2,3\n", 2, "argument"),
    (packs.SCORES, "\n", "\n0123456789,1,2,3,x\n", 2, "could not convert"),
    (packs.IMAGES, ",0,good\n", ",0\n", 2, "not enough values"),
    (packs.IMAGES, ",0,good\n", ",no,good\n", 2, "'no'"),
]


@pytest.mark.parametrize("name, old, new, line, said", DAMAGE)
def test_damage_names_file_and_line(packed: Path, name: str, old: str, new: str, line: int, said: str):
    change(packed / name, old, new)
    with pytest.raises(InputError, match=f"{name} is damaged in line {line} .*{said}") as error:
        list(ResultStore(packed).results())
    assert "\n" not in str(error.value)
    with pytest.raises(InputError, match="damaged"):
        ResultStore(packed).get(PROTOCOL)


def test_lost_files_lines_and_bytes_are_named(packed: Path):
    whole = text(packed / packs.SCORES)
    (packed / packs.SCORES).write_text(whole.rpartition("\n")[0].rpartition("\n")[0] + "\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"rows.jsonl is damaged in line 3 \(scores.csv has no line"):
        read_pack(packed)
    (packed / packs.SCORES).write_bytes(b"run\xff")
    with pytest.raises(InputError, match="scores.csv is damaged in line 1"):
        read_pack(packed)
    (packed / packs.SCORES).unlink()
    with pytest.raises(InputError, match="Cannot read .*scores.csv"):
        read_pack(packed)


@pytest.mark.parametrize("ending", ["json", "csv"])
def test_a_damaged_or_misnamed_single_file_is_not_packed(singles: Path, ending: str):
    path = singles / f"{PROTOCOL.title}.{ending}"
    whole = text(path)
    path.write_text(whole[: len(whole) // 2].rpartition(",")[0], encoding="utf-8")
    with pytest.raises(InputError, match=f"{path.name} is damaged in line .* run again"):
        pack_folder(singles)
    assert not (singles / packs.ROWS).exists()
    path.write_text(whole, encoding="utf-8")
    (singles / f"{PROTOCOL.title}.json").rename(singles / "mine.json")
    with pytest.raises(InputError, match="mine.json"):
        pack_folder(singles)


class Killed(BaseException):
    """As a SIGKILL: nothing catches it."""


@pytest.mark.parametrize("after", range(13))  # three files written; then every name of a single file removed
def test_a_kill_at_any_moment_loses_nothing(packed: Path, monkeypatch: pytest.MonkeyPatch, after: int):
    store = ResultStore(packed)
    for seed in (3, 4):
        store.put(result(seed, ["weld/test/good/00.png", *ORDER]))
    before, left = content(packed), [after]

    def counted(action):
        def call(*arguments, **named):
            if left[0] == 0:
                raise Killed
            left[0] -= 1
            return action(*arguments, **named)

        return call

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(packs, "atomic_write", counted(packs.atomic_write))
        patch.setattr(Path, "unlink", counted(Path.unlink))
        pack_folder(packed)
    assert content(packed) == before
    pack_folder(packed)
    assert content(packed) == before and len(list(packed.iterdir())) == 3


def test_files_stay_where_the_pack_gives_something_else_back(singles: Path, monkeypatch: pytest.MonkeyPatch):
    before, as_line = content(singles), packs._as_line
    monkeypatch.setattr(packs, "_as_line", lambda *run: as_line(*run).replace("0.30000000000000004", "0.3"))
    write = packs.write_pack

    def write_and_mend(folder, pack):
        write(folder, pack)
        monkeypatch.setattr(packs, "_as_line", as_line)

    monkeypatch.setattr(packs, "write_pack", write_and_mend)
    with pytest.raises(InputError, match="does not give back"):
        pack_folder(singles)
    assert content(singles) == before and len(list(singles.glob("*.json"))) == 3


def test_the_tool_packs_folders_leaves_patch_scores_and_says_what_is_wrong(singles: Path, capsys):
    (singles / f"{PROTOCOL.title}.safetensors").write_bytes(b"kept")
    (singles / "official_code.csv").write_text("kept", encoding="utf-8")
    assert pack_results.main([str(singles)]) == 0
    assert "3 runs packed, 3 in all" in capsys.readouterr().out
    assert len(list(singles.iterdir())) == 5
    (singles / packs.IMAGES).unlink()
    assert pack_results.main([str(singles)]) == 2 and "Cannot read" in capsys.readouterr().err
    assert pack_results.main([]) == pack_results.main([str(singles / "nowhere")]) == 2


# --- what is committed -------------------------------------------------------------------------------------------

FOLDERS = sorted(path.parent for path in COMMITTED.rglob(packs.ROWS))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: "/".join(folder.parts[-2:]))
def test_committed_packs_are_whole_and_as_packing_writes_them(folder: Path, tmp_path: Path):
    pack = read_pack(folder)  # holds every hash against its protocol
    shutil.copytree(folder, tmp_path / "copy")
    packs.write_pack(tmp_path / "copy", packs.merged([pack]))
    for name in (packs.ROWS, packs.IMAGES, packs.SCORES):
        assert (tmp_path / "copy" / name).read_bytes() == (folder / name).read_bytes(), name
    for line in text(folder / packs.ROWS).split("\n")[:-1]:
        row = json.loads(line)
        protocol = Protocol.from_dict(row["protocol"])
        assert protocol.hash == row["hash"] and protocol.title.endswith(f"-{row['hash']}")
        assert len(pack.runs[row["hash"]].scores) == sum(row["images"].values())


def test_results_stay_few_and_small():
    files = [path for path in COMMITTED.rglob("*") if path.is_file() and path.suffix != ".safetensors"]
    assert len(files) < 170 and sum(path.stat().st_size for path in files) < 20e6  # a clone stays quick
    assert len(FOLDERS) == 35 and not list(COMMITTED.rglob("*.json")), "pack new runs: tools/pack_results.py"
    listed = text(COMMITTED / "README.md")
    assert all(f"`{folder.relative_to(COMMITTED).as_posix()}`" in listed for folder in FOLDERS)
