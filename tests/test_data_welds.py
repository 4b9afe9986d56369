"""Weld tiles: where they lie, what they are, and the folder that comes out."""

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from adlib.data import load_dataset, read_mask
from adlib.data.check import check_folder
from adlib.data.fetch import gdxray, script
from adlib.data.fetch.weld_tiles import EMBOSS, FILMS, GAIN, LEAST, MARGIN, Film, emboss, kind, positions

SPLITS = {split: {n for n, film in FILMS.items() if film.split == split} for split in ("train", "test")}


def test_the_split_is_by_film():
    assert set(FILMS) == set(range(1, 11)) and SPLITS["train"] == {3, 6, 8, 10}
    for film in FILMS.values():
        along = [x for x, _, _ in film.bead]
        assert along == sorted(along) and all(0 <= top < low <= film.size[1] for _, top, low in film.bead)
        assert 0 <= film.columns[0] < film.columns[1] <= film.size[0]


@settings(deadline=None, max_examples=50)
@given(st.sampled_from(sorted(FILMS)), st.integers(64, 366), st.floats(0, 0.8))
def test_tiles_lie_in_the_film_and_cover_the_bead(number, tile, overlap):
    film = FILMS[number]
    corners = list(positions(film, tile, overlap))
    width, height = film.size
    assert len(set(corners)) == len(corners)
    assert all(0 <= x <= width - tile and 0 <= y <= height - tile for x, y in corners)
    step = max(1, round(tile * (1 - overlap)))
    columns = sorted({x for x, _ in corners})
    assert columns[0] == film.columns[0] and set(np.diff(columns)) <= {step}
    assert film.columns[1] - tile - step < columns[-1] <= film.columns[1] - tile
    along, top, low = zip(*film.bead, strict=True)
    for x in columns[:: max(1, len(columns) // 8)]:
        rows = [y for at, y in corners if at == x]
        upper, lower = np.interp(x + tile / 2, along, top), np.interp(x + tile / 2, along, low)
        clipped = rows[0] == 0 or rows[-1] == height - tile
        if not clipped:
            assert set(np.diff(rows)) <= {step}
            assert abs((rows[0] + rows[-1] + tile) / 2 - (upper + lower) / 2) <= 1
            assert len(rows) == 1 or rows[-2] + tile - rows[0] < lower - upper + 1  # one row less would not do
        assert rows[0] <= upper + 1 or tile > lower - upper
        assert rows[-1] + tile >= lower - 1 or tile > lower - upper


def test_emboss_is_the_written_out_correlation():
    grey = np.random.default_rng(0).integers(0, 256, (9, 12), dtype=np.uint8)
    padded = np.pad(grey.astype(int), 1, mode="edge")
    expected = np.empty(grey.shape, dtype=np.uint8)
    for y in range(9):
        for x in range(12):
            value = 128 + GAIN * int((EMBOSS * padded[y : y + 3, x : x + 3]).sum())
            expected[y, x] = min(max(value, 0), 255)
    assert np.array_equal(emboss(grey), expected)


def test_emboss_takes_away_brightness_and_shows_direction():
    assert (emboss(np.full((8, 8), 200, dtype=np.uint8)) == 128).all()
    slope = np.arange(40, dtype=np.uint8)[None].repeat(10, axis=0)
    assert (emboss(slope)[:, 1:-1] > 128).all() and (emboss(slope[:, ::-1])[:, 1:-1] < 128).all()
    pore = np.full((21, 21), 150, dtype=np.uint8)
    pore[8:13, 8:13] = 100
    relief = emboss(pore).astype(int)
    assert relief[8, 8] < 128 < relief[12, 12] and relief[0, 0] == 128


def test_kinds_by_distance_to_the_border():
    tile, x, y = 64, 100, 100
    empty = np.zeros((300, 300), dtype=bool)
    assert kind(empty, x, y, tile) == "good"

    def with_square(left: int, top: int, side: int = 4) -> str | None:
        mask = empty.copy()
        mask[top : top + side, left : left + side] = True
        return kind(mask, x, y, tile)

    inside = x + MARGIN
    assert with_square(inside, y + 30) == "defect"  # 4 x 4 is LEAST
    assert LEAST == 16 and with_square(inside, y + 30, side=3) is None
    assert with_square(inside - 1, y + 30) is None  # one column less
    assert with_square(x, y + 30) is None  # at the border
    assert with_square(x - MARGIN, y + 30) is None  # outside, but near
    assert with_square(x - MARGIN - 4, y + 30) == "good"
    assert with_square(x + tile + MARGIN - 1, y + 30) is None and with_square(x + tile + MARGIN, y + 30) == "good"


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
        (["--tile", "400"], "--tile is between"),
        (["--tile", "0"], "--tile is between"),
        (["--overlap", "1"], "--overlap is between"),
        (["--overlap", "nan"], "--overlap is between"),
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
