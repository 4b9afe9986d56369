"""`adlib predict`: tiles without a seam, maps and overlays in original pixels, a table that survives a kill."""

import csv
import json
import weakref
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from adlib import plots
from adlib.cli import main
from adlib.data.images import read_image
from adlib.detectors.registry import load_detector, make_detector
from adlib.detectors.tiled import score_picture
from adlib.errors import InputError
from adlib.features.tiles import Blend, tile_boxes, tile_starts
from adlib.inspection import predict as module
from adlib.inspection.overlays import paint
from adlib.inspection.predict import COLUMNS, predict_files

# --- tiles -------------------------------------------------------------------------------------------------------


@given(st.integers(1, 900), st.integers(32, 300), st.floats(0, 0.9))
def test_tiles_cover_everything_and_overlap_as_asked(length, tile, overlap):
    starts = tile_starts(length, tile, overlap)
    ends = [min(start + tile, length) for start in starts]
    assert starts[0] == 0 and ends[-1] == length and starts == sorted(set(starts))
    assert all(nxt <= end - int(tile * overlap) for end, nxt in zip(ends, starts[1:], strict=False))


@pytest.mark.parametrize(("tile", "overlap"), [(31, 0.25), (64, 1.0), (64, -0.1)])
def test_impossible_tiles_are_refused(tile, overlap):
    with pytest.raises(InputError):
        tile_starts(100, tile, overlap)


@pytest.mark.parametrize("size", [(200, 300), (97, 640), (64, 64), (33, 65)])
def test_a_smooth_map_comes_back_from_its_tiles(size):
    y, x = np.mgrid[: size[0], : size[1]]
    whole = np.sin(y / 30) + np.cos(x / 40)
    blend = Blend(size)
    for box in tile_boxes(size, (64, 64)):
        blend.add(box, whole[box.top : box.bottom, box.left : box.right])
    assert np.allclose(blend.result(), whole, atol=1e-5)


def test_tiles_that_disagree_leave_no_seam():
    """Each tile says another constant: the sum may go over from one to the other, but nowhere in one step."""
    blend = Blend((64, 640))
    for number, box in enumerate(tile_boxes((64, 640), (64, 128))):
        blend.add(box, np.full((64, 128), float(number % 2), dtype=np.float32))
    steps = np.abs(np.diff(blend.result()[30]))
    assert steps.max() < 0.1 and steps.sum() > 4


def test_what_a_crop_hid_is_nan_at_the_border_of_the_picture_only():
    blend = Blend((100, 100), 0.5)
    for box in tile_boxes((100, 100), (64, 64), 0.5):
        tile_map = np.full((64, 64), np.nan, dtype=np.float32)
        tile_map[8:-8, 8:-8] = 1.0
        blend.add(box, tile_map)
    result = blend.result()
    assert np.isnan(result[:8]).all() and np.isnan(result[:, -8:]).all()
    assert np.allclose(result[8:-8, 8:-8], 1.0)


# --- a detector on a picture larger than its tiles ------------------------------------------------------------------


def texture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Grey noise, smoothed a little, (height, width, 3) uint8."""
    noise = np.random.default_rng(seed).normal(size=(height + 2, width + 2))
    smooth = sum(noise[i : i + height, j : j + width] for i in range(3) for j in range(3)) / 3
    return np.repeat((127 + 18 * smooth).clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)


@pytest.fixture(scope="module")
def detector():
    """Sees the picture's own pixels, so that tiled and whole can be compared patch by patch."""
    good = [texture(192, 192, seed) for seed in range(4)]
    return make_detector("patchcore", resize=None, layers=("blocks2",), coreset=400).fit(good)


@pytest.fixture(scope="module")
def marred():
    """A dark blot across the border of the first tile: tiles of 192 start at 0, 128, 192."""
    picture = texture(192, 384, 9)
    picture[80:110, 178:206] = 20
    return Image.fromarray(picture)


def test_the_tiled_map_is_close_to_the_whole_one(detector, marred):
    whole, tiled = score_picture(detector, marred), score_picture(detector, marred, (192, 192))
    assert whole.tiles == 1 and tiled.tiles == 3
    assert tiled.anomaly_map.shape == whole.anomaly_map.shape == (192, 384)
    contrast = np.ptp(whole.anomaly_map)
    assert np.abs(tiled.anomaly_map - whole.anomaly_map).mean() < 0.03 * contrast
    assert np.corrcoef(tiled.anomaly_map.ravel(), whole.anomaly_map.ravel())[0, 1] > 0.98
    assert np.unravel_index(tiled.anomaly_map.argmax(), (192, 384))[1] in range(170, 214)


def test_a_defect_on_a_tile_border_scores_no_lower(detector, marred):
    whole, tiled = score_picture(detector, marred), score_picture(detector, marred, (192, 192))
    assert tiled.score >= whole.score * (1 - 1e-3)


def test_no_seam_where_tiles_meet(detector):
    good = score_picture(detector, Image.fromarray(texture(192, 640, 11)), (192, 192)).anomaly_map
    steps = np.abs(np.diff(good, axis=1)).mean(axis=0)
    borders = [edge - 1 for start in tile_starts(640, 192) for edge in (start, start + 192) if 0 < edge < 640]
    assert steps[borders].max() <= steps.max() and steps[borders].mean() < 2 * steps.mean()


def test_a_picture_of_a_tiles_size_is_not_cut(detector, marred):
    small = marred.crop((0, 0, 192, 192))
    assert score_picture(detector, small, (192, 192)).score == score_picture(detector, small).score


def test_hidden_borders_of_tiles_overlap():
    good = [texture(128, 128, seed) for seed in range(2)]
    cropped = make_detector("patchcore", resize=128, crop=64, layers=("blocks2",), coreset=100).fit(good)
    anomaly_map = score_picture(cropped, Image.fromarray(texture(128, 320, 5)), (128, 128)).anomaly_map
    assert np.isfinite(anomaly_map[32:96, 32:-32]).all() and np.isnan(anomaly_map[:, :32]).all()


def test_masked_pictures_are_not_tiled(detector, marred):
    masked = make_detector("anomalydino", resize=None, rotate=False, mask="always").fit([texture(192, 192)])
    with pytest.raises(InputError, match="masks the background"):
        score_picture(masked, marred, (192, 192))


# --- overlays ----------------------------------------------------------------------------------------------------


def test_an_overlay_has_the_pictures_size_and_one_scale():
    grey = Image.new("RGB", (60, 40), (100, 100, 100))
    scores = np.zeros((40, 60), dtype=np.float32)
    scores[10:30, 20:40] = 3.0
    painted = np.asarray(paint(grey, scores, (0.0, 2.0)))
    assert painted.shape == (40, 60, 3)
    red, green, blue = painted[20, 30].astype(int)
    assert red > 180 and green > 180 and blue < 60  # yellow
    assert painted[0, 0].max() < 100  # dark glaze
    louder = scores.copy()
    louder[0, 59] = 100
    assert np.array_equal(np.asarray(paint(grey, louder, (0.0, 2.0)))[20, 30], painted[20, 30])


def test_a_contour_runs_around_the_region_and_unseen_pixels_stay_grey():
    grey = Image.new("RGB", (60, 40), (100, 100, 100))
    scores = np.zeros((40, 60), dtype=np.float32)
    scores[10:30, 20:40] = 3.0
    scores[:, :5] = np.nan
    painted = np.asarray(paint(grey, scores, (0.0, 2.0), contour=2.5))
    assert (painted[9, 20:40] == 255).all() and (painted[10:30, 19] == 255).all()
    assert (painted[20, 30] != 255).any() and (painted[:, :5] == 100).all()


# --- files -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model(toy_root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    path = folder / "weld.safetensors"
    arguments = ["run", "--data", toy_root, "--category", "weld", "--shots", "4", "--resolution", "96", "--save", path]
    arguments += ["--set", "coreset=60", "--false-alarms", "0.2", "--results", folder / "results"]
    assert main([str(a) for a in arguments]) == 0
    return path


def rows(out: Path) -> list[dict[str, str]]:
    with open(out / "scores.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_scores_maps_overlays_and_table_agree(model, toy_root, tmp_path):
    folder = toy_root / "weld/test/pore"
    counts = predict_files(model, [folder], tmp_path / "out")
    assert (counts.scored, counts.skipped, counts.problems) == (3, 0, 0)
    detector = load_detector(str(model))
    calibration = detector.calibration_
    assert len(calibration["good_scores"]) == 8 and calibration["picture_size"] == [128, 128]
    threshold = sorted(calibration["good_scores"])[7]  # ceil(9 * 0.8) = 8th of 8
    table = rows(tmp_path / "out")
    assert tuple(table[0]) == COLUMNS
    for row, path in zip(table, sorted(folder.glob("*.png")), strict=True):
        expected = detector.predict([path])
        assert row["image"] == str(path) and float(row["score"]) == pytest.approx(expected.scores[0], rel=1e-6)
        assert row["decision"] == ("defective" if expected.scores[0] > threshold else "good")
        stored = np.asarray(Image.open(tmp_path / "out" / row["map"]))
        assert stored.dtype == np.float32 and np.allclose(stored, expected.anomaly_map(0), rtol=1e-5)
        overlay = Image.open(tmp_path / "out/overlays" / (Path(row["map"]).stem + ".png"))
        assert overlay.size == Image.open(path).size
    assert (tmp_path / "out/scale.png").stat().st_size > 0


def test_large_pictures_are_tiled_at_the_size_of_the_fit(model, toy_root, tmp_path):
    tiles = [Image.open(p) for p in sorted((toy_root / "weld/test/pore").glob("*.png"))]
    wide = Image.new("RGB", (384, 128))
    for number, tile in enumerate(tiles):
        wide.paste(tile, (128 * number, 0))
    wide.save(tmp_path / "wide.png")
    counts = predict_files(model, [tmp_path / "wide.png"], tmp_path / "out")
    (row,) = rows(tmp_path / "out")
    assert int(row["tiles"]) > 3 and "in tiles" in counts.notes[-1]
    assert np.asarray(Image.open(tmp_path / "out" / row["map"])).shape == (128, 384)
    predict_files(model, [tmp_path / "wide.png"], tmp_path / "whole", tile=0)
    assert rows(tmp_path / "whole")[0]["tiles"] == "1"


def test_one_picture_at_a_time_is_in_memory(model, toy_root, tmp_path, monkeypatch):
    alive: list[weakref.ref] = []

    def watched(*arguments):
        result = score_picture(*arguments)
        assert sum(reference() is not None for reference in alive) <= 1, "maps of earlier pictures are kept"
        alive.append(weakref.ref(result))
        return result

    monkeypatch.setattr(module, "score_picture", watched)
    predict_files(model, [toy_root / "weld/test"], tmp_path / "out")
    assert len(alive) > 5


def test_a_killed_call_goes_on_where_it_was(model, toy_root, tmp_path, monkeypatch):
    """A kill leaves whole rows and perhaps the beginning of one."""
    folder, out = toy_root / "weld/test/pore", tmp_path / "out"
    predict_files(model, [folder], out)
    whole = (out / "scores.csv").read_text(encoding="utf-8")
    lines = whole.splitlines(keepends=True)
    (out / "scores.csv").write_text("".join(lines[:2]) + lines[2][:40], encoding="utf-8")
    asked = []
    monkeypatch.setattr(module, "score_picture", lambda d, p, t: asked.append(1) or score_picture(d, p, t))
    counts = predict_files(model, [folder], out)
    assert (counts.scored, counts.skipped, len(asked)) == (2, 1, 2)
    assert (out / "scores.csv").read_text(encoding="utf-8") == whole


def test_a_changed_picture_is_scored_again(model, toy_root, tmp_path):
    picture = tmp_path / "part.png"
    picture.write_bytes(next((toy_root / "weld/test/pore").glob("*.png")).read_bytes())
    predict_files(model, [picture], tmp_path / "out")
    before = rows(tmp_path / "out")
    Image.fromarray(texture(128, 128)).save(picture)
    assert predict_files(model, [picture], tmp_path / "out").scored == 1
    (after,) = rows(tmp_path / "out")
    assert after["image"] == before[0]["image"] and after["score"] != before[0]["score"]


def test_another_model_or_rate_is_not_mixed_in(model, toy_root, tmp_path):
    folder, out = toy_root / "weld/test/pore", tmp_path / "out"
    predict_files(model, [folder], out)
    with pytest.raises(InputError, match="another threshold"):
        predict_files(model, [folder], out, false_alarms=0.5)
    other = predict_files(model, [folder], tmp_path / "other", false_alarms=0.5)
    assert json.loads((tmp_path / "other/predict.json").read_text())["threshold"] is not None
    none = predict_files(model, [folder], tmp_path / "none", false_alarms=0.01)
    assert none.defective is None and "0.112" in none.notes[0] and other.defective is not None


def test_a_bad_picture_gets_its_row_and_is_tried_again(model, toy_root, tmp_path, capsys):
    folder, out = tmp_path / "parts", tmp_path / "out"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"")
    Image.fromarray(texture(80, 120)).save(folder / "单个气孔.png")
    assert main(["predict", str(model), str(folder), "--out", str(out)]) == 1
    assert "1 images could not be scored" in capsys.readouterr().err
    first, second = rows(out)
    assert "0 bytes" in first["problem"] and first["score"] == "" and float(second["score"]) > 0
    assert (out / second["map"]).is_file() and "单个气孔" in second["map"]
    Image.fromarray(texture(80, 120, 2)).save(folder / "a.png")
    assert main(["predict", str(model), str(folder), "--out", str(out)]) == 0
    assert sorted(row["problem"] for row in rows(out)) == ["", ""]


def test_sixteen_bit_pictures_go_through_the_window_once(tmp_path):
    good = [(texture(96, 96, s)[..., 0].astype(np.uint16) * 16) for s in range(3)]
    for number, values in enumerate(good):
        Image.fromarray(values).save(tmp_path / f"{number}.png")
    detector = make_detector("patchcore", resize=96, window=(0, 4095), coreset=60).fit(
        [tmp_path / f"{n}.png" for n in range(2)]
    )
    detector.save(tmp_path / "m.safetensors")
    expected = detector.predict([tmp_path / "2.png"]).scores[0]
    predict_files(tmp_path / "m.safetensors", [tmp_path / "2.png"], tmp_path / "out")
    (row,) = rows(tmp_path / "out")
    assert float(row["score"]) == pytest.approx(expected, rel=1e-6) and row["decision"] == ""
    assert not (tmp_path / "out/overlays").exists()
    assert read_image(tmp_path / "2.png", (0, 4095)).getextrema()[0][1] > 100


def test_limits_of_the_overlays_are_those_of_good_images(model):
    limits = load_detector(str(model)).calibration_["limits"]
    assert limits[0] < limits[1] and plots.heat.as_limits(limits) == tuple(limits)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no disk that is always full")
def test_a_row_that_does_not_fit_on_the_disk():
    with pytest.raises(InputError, match="what is done stays"), module._table(Path("/dev/full")) as write_row:
        write_row(dict.fromkeys(COLUMNS, "x"))
