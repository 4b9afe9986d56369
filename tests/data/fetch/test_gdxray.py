"""Weld tiles: the folder that comes out of the films."""

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adlib.data import load_dataset, read_mask
from adlib.data.check import check_folder
from adlib.data.fetch import gdxray, script
from adlib.data.fetch.weld_tiles import FILMS, Film, emboss

SPLITS = {split: {n for n, film in FILMS.items() if film.split == split} for split in ("train", "test")}
# Small films in place of the ten large ones: what is tested here does not depend on their size.
SMALL = {
    1: Film("train", (900, 300), (20, 880), ((0, 40, 240), (899, 60, 260))),
    2: Film("test", (1000, 260), (0, 1000), ((0, 50, 200), (999, 50, 200))),
    3: Film("train", (700, 400), (0, 650), ((0, 20, 380), (699, 20, 380))),
}


@pytest.fixture(scope="module")
def films(tmp_path_factory) -> Iterator[Path]:
    """Radiographs with a bright bead, a dark pore in the middle of each, and their masks."""
    folder, random = tmp_path_factory.mktemp("Welds"), np.random.default_rng(0)
    for number, film in SMALL.items():
        (width, height), name = film.size, f"{number:04d}.png"
        along, top, low = zip(*film.bead, strict=True)
        x, y = np.arange(width), np.arange(height)[:, None]
        bead = (y >= np.interp(x, along, top)) & (y <= np.interp(x, along, low))
        mask = (x - width // 2) ** 2 + (y - height // 2) ** 2 < 30**2
        grey = np.where(mask, 60, np.where(bead, 180, 40)) + random.integers(0, 9, mask.shape)
        for series, picture in (("W0001", grey.astype(np.uint8)), ("W0002", mask)):
            (folder / series).mkdir(exist_ok=True)
            Image.fromarray(picture).save(folder / series / f"{series}_{name}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gdxray, "FILMS", SMALL)
        yield folder


@pytest.fixture(scope="module")
def made(films) -> Path:
    to = films.parent / "tiles"
    assert script.main(gdxray.SOURCE, ["--from", str(films), "--to", str(to)]) == 0
    return to


def rows_of(made: Path) -> list[dict[str, str]]:
    with open(made / gdxray.CATEGORY / gdxray.INDEX, newline="") as file:
        return list(csv.DictReader(file))


def test_the_folder_is_a_data_set(made):
    dataset = load_dataset(made)
    assert dataset.layout == "mvtec" and dataset.categories == ("gdxray_weld",) and dataset.has_masks
    films = {split: {int(s.path.name[4:6]) for s in dataset.samples if s.split == split} for split in SPLITS}
    assert films == {"train": {1, 3}, "test": {2}}
    assert {s.defect for s in dataset.test} == {"good", "defect"} and all(s.label == 0 for s in dataset.train_good)
    assert "Next: a sweep can start." in str(check_folder(made)) and check_folder(made).ok


def test_tiles_and_masks_are_cut_at_the_same_place(made, films):
    rows = rows_of(made)
    assert rows and all(int(r["tile"]) == 160 for r in rows)
    for row in rows[:: max(1, len(rows) // 40)] + [r for r in rows if "defect" in r["image"]]:
        number, x, y = int(row["film"]), int(row["x"]), int(row["y"])
        box = (x, y, x + 160, y + 160)
        with Image.open(films / "W0001" / f"W0001_{number:04d}.png") as film:
            assert np.array_equal(
                np.asarray(film.crop(box)), np.asarray(Image.open(made / "gdxray_weld" / row["image"]))
            )
        with Image.open(films / "W0002" / f"W0002_{number:04d}.png") as film:
            mask = np.asarray(film.crop(box))
        assert mask.sum() == int(row["defect_pixels"]) and mask.any() == ("defect" in row["image"])
        if mask.any():
            path = made / "gdxray_weld" / "ground_truth" / "defect" / f"{Path(row['image']).stem}_mask.png"
            assert np.array_equal(read_mask(path, (160, 160)), mask)


def test_embossed_tiles_are_cut_from_the_embossed_film(films, made, tmp_path, capsys):
    command = ["--from", str(films), "--to", str(tmp_path / "relief"), "--emboss"]
    assert script.main(gdxray.SOURCE, command) == 0
    said = capsys.readouterr().out.splitlines()
    counts = [int(line.split()[2]) for line in said if line.split()[1:2] == ["train"]]
    assert sum(counts) == len(load_dataset(made).train_good) and f"train/good: {sum(counts)}" in said[-2]
    row = next(r for r in rows_of(made) if r["film"] == "3")
    film = np.asarray(Image.open(films / "W0001" / "W0001_0003.png"))
    x, y = int(row["x"]), int(row["y"])
    tile = np.asarray(Image.open(tmp_path / "relief" / "gdxray_weld" / row["image"]))
    assert np.array_equal(tile, emboss(film)[y : y + 160, x : x + 160])


def test_check_finds_what_is_wrong(made, capsys):
    assert script.main(gdxray.SOURCE, ["--check", str(made)]) == 0
    assert script.main(gdxray.SOURCE, ["--check", str(made / "gdxray_weld")]) == 0
    rows, root = rows_of(made), made / "gdxray_weld"
    good = root / next(r["image"] for r in rows if r["image"].startswith("train"))
    defect = Path(next(r["image"] for r in rows if "defect" in r["image"])).stem
    mask = root / "ground_truth" / "defect" / f"{defect}_mask.png"
    content = mask.read_bytes()
    good.rename(good.with_suffix(".away"))
    Image.fromarray(np.full((160, 160), 255, dtype=np.uint8)).save(mask)
    index = (root / gdxray.INDEX).read_text()
    (root / gdxray.INDEX).write_text(
        index.replace("test/defect/" + defect + ".png,", "test/defect/" + defect + ".png,1", 1)
    )
    capsys.readouterr()
    assert script.main(gdxray.SOURCE, ["--check", str(made)]) == 1
    said = capsys.readouterr().err
    assert "train/good: 1 tiles of tiles.csv are missing, 0 are not in it." in said
    assert f"{defect}: 25600 defect pixels in its mask" in said
    first = "train/good/" + good.name
    (root / gdxray.INDEX).write_text(index.replace(f"{first},1", f"{first},2", 1))
    assert script.main(gdxray.SOURCE, ["--check", str(made)]) == 1
    assert "Film 2 has tiles in training and in test." in capsys.readouterr().err
    (root / gdxray.INDEX).write_text("broken")
    assert script.main(gdxray.SOURCE, ["--check", str(made)]) == 2
    assert "has no readable tiles.csv" in capsys.readouterr().err
    (root / gdxray.INDEX).write_text(index)
    mask.write_bytes(content)
    good.with_suffix(".away").rename(good)


@pytest.mark.parametrize(
    "extra,sentence",
    [
        (["--tile", "400"], "--tile must be between"),
        (["--tile", "0"], "--tile must be between"),
        (["--overlap", "1"], "--overlap must be between"),
        (["--overlap", "nan"], "--overlap must be between"),
    ],
)
def test_impossible_tiles_are_refused(films, tmp_path, capsys, extra, sentence):
    assert script.main(gdxray.SOURCE, ["--from", str(films), "--to", str(tmp_path / "t"), *extra]) == 2
    assert sentence in capsys.readouterr().err and not (tmp_path / "t").exists()


def test_films_of_another_size_are_refused(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(gdxray, "FILMS", FILMS)
    for series in ("W0001", "W0002"):
        (tmp_path / "in" / series).mkdir(parents=True)
        Image.new("L", (100, 50)).save(tmp_path / "in" / series / f"{series}_0001.png")
    command = ["--from", str(tmp_path / "in"), "--to", str(tmp_path / "t")]
    assert script.main(gdxray.SOURCE, command) == 2
    assert "100 x 50 pixels, not as published" in capsys.readouterr().err


def test_without_a_lasting_address_it_says_where_to_get_the_films(tmp_path, capsys):
    assert script.main(gdxray.SOURCE, ["--to", str(tmp_path / "t"), "--accept-licence"]) == 2
    said = capsys.readouterr().err
    assert gdxray.SOURCE.page in said and "--from" in said and said.count("\n") == 1


@pytest.mark.slow
def test_the_real_films(shared, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(gdxray, "FILMS", FILMS)  # the module's fixture may still be alive
    given = shared / "data" / "gdxray_welds"
    if not given.is_dir():
        pytest.skip("GDXray's welds are not in the optional data folder")
    to = tmp_path / "gdxray_tiles"
    assert script.main(gdxray.SOURCE, ["--from", str(given), "--to", str(to)]) == 0
    assert "train/good: 798, test/good: 352, test/defect: 535" in capsys.readouterr().out
    assert script.main(gdxray.SOURCE, ["--check", str(to)]) == 0
    assert len(load_dataset(to).train_good) == 798
