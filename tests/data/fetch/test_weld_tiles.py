"""Weld tiles: where they lie in a film, and what they are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adlib.data.fetch.weld_tiles import EMBOSS, FILMS, GAIN, LEAST, MARGIN, emboss, kind, positions

SPLITS = {split: {n for n, film in FILMS.items() if film.split == split} for split in ("train", "test")}


def test_the_split_is_by_film():
    assert set(FILMS) == set(range(1, 11)) and SPLITS["train"] == {3, 6, 8, 10}
    for film in FILMS.values():
        along = [x for x, _, _ in film.bead]
        assert along == sorted(along) and all(0 <= top < low <= film.size[1] for _, top, low in film.bead)
        assert 0 <= film.columns[0] < film.columns[1] <= film.size[0]


@pytest.mark.slow
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
