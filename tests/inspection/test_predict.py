"""`adlib predict`: maps and overlays in original pixels, a table that survives a kill."""

import csv
import json
import multiprocessing
import shutil
import sys
import weakref
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from adlib import plots
from adlib.cli import main
from adlib.data.images import read_image
from adlib.detectors.registry import load_detector, make_detector
from adlib.detectors.tiled import score_image
from adlib.errors import InputError
from adlib.files import sole_writer
from adlib.inspection import predict as module
from adlib.inspection.predict import COLUMNS, predict_files
from helpers.textures import texture


@pytest.fixture(scope="module")
def model(toy_root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    path = folder / "weld.safetensors"
    arguments = ["run", "--data", toy_root, "--category", "weld", "--shots", "4", "--resolution", "96", "--save", path]
    arguments += ["--set", "coreset=60", "--false-alarms", "0.2", "--results", folder / "results"]
    assert main([str(a) for a in arguments]) == 0
    return path


def rows(out: Path) -> list[dict[str, str]]:
    with open(out / "scores.csv", encoding="utf-8-sig", newline="") as file:
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
    assert int(row["tiles"]) > 3
    assert "in tiles of 128 x 128 pixels: 1 of the 1 images" in counts.notes[-1] and "same scale" not in counts.notes[0]
    assert np.asarray(Image.open(tmp_path / "out" / row["map"])).shape == (128, 384)
    predict_files(model, [tmp_path / "wide.png"], tmp_path / "whole", tile=0)
    assert rows(tmp_path / "whole")[0]["tiles"] == "1"


def test_one_picture_at_a_time_is_in_memory(model, toy_root, tmp_path, monkeypatch):
    alive: list[weakref.ref] = []

    def watched(*arguments):
        result = score_image(*arguments)
        assert sum(reference() is not None for reference in alive) <= 1, "maps of earlier pictures are kept"
        alive.append(weakref.ref(result))
        return result

    monkeypatch.setattr(module, "score_image", watched)
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
    monkeypatch.setattr(module, "score_image", lambda d, p, t: asked.append(1) or score_image(d, p, t))
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


def call(arguments: list[str], errors: Path) -> None:
    """The command in another process; with one thread, since OpenMP's others do not survive a fork."""
    torch.set_num_threads(1)
    sys.stderr = errors.open("w", encoding="utf-8")
    status = main(arguments)
    sys.stderr.flush()
    sys.exit(status)


def test_two_calls_at_once_give_one_row_an_image(model, toy_root, tmp_path):
    """The one that comes second is refused, or finds everything done."""
    arguments = ["predict", str(model), str(toy_root / "weld/test"), "--out", str(tmp_path / "out")]
    said = [tmp_path / "a.txt", tmp_path / "b.txt"]
    process = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn").Process  # forks are faster
    running = [process(target=call, args=(arguments, errors)) for errors in said]
    for each in running:
        each.start()
    for each in running:
        each.join(120)
    count = len(list((toy_root / "weld/test").rglob("*.png")))
    assert sorted(each.exitcode for each in running) in ([0, 2], [0, 0])
    for each, errors in zip(running, said, strict=True):
        assert each.exitcode == 0 or "Another call is writing" in errors.read_text(encoding="utf-8")
    assert len(rows(tmp_path / "out")) == len({row["image"] for row in rows(tmp_path / "out")}) == count


def test_a_second_call_is_refused_while_the_first_is_writing(model, toy_root, tmp_path):
    with sole_writer(tmp_path / "out/scores.csv", "wait"), pytest.raises(InputError, match="give another --out"):
        predict_files(model, [toy_root / "weld/test/pore"], tmp_path / "out")
    assert not (tmp_path / "out/scores.csv").exists()


def variant(folder: Path, source: Path, change: Callable[[Image.Image], Image.Image]) -> Path:
    """A folder of changed good images."""
    folder.mkdir()
    for path in sorted(source.glob("*.png")):
        change(Image.open(path)).save(folder / path.name)
    return folder


@pytest.mark.parametrize(
    ("change", "words", "tile"),
    [
        (lambda image: image.resize((64, 64)), "smaller", None),
        (lambda image: image.resize((256, 256)), "larger", 0),
        (lambda image: Image.eval(image, lambda value: value // 3), "darker", None),
        (lambda image: Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257), "16-bit grey", None),
        (lambda image: Image.merge("RGB", [image.convert("L"), *[image.convert("L").point(lambda v: v // 2)] * 2]),
         "8-bit colour", None),
    ],
)  # fmt: skip
def test_images_unlike_the_good_ones_lose_the_promise(model, toy_root, tmp_path, change, words, tile):
    folder = variant(tmp_path / "parts", toy_root / "weld/test/good", change)
    count = len(list(folder.iterdir()))
    counts = predict_files(model, [folder], tmp_path / "out", tile=tile)
    note = next(note for note in counts.notes if "promise does not hold for" in note)
    assert f"for {count} of the {count} images" in note and f"{words}: {count}" in note and "128 x 128 pixels" in note
    assert all(words in row["differs"] for row in rows(tmp_path / "out"))
    again = predict_files(model, [folder], tmp_path / "out", tile=tile)  # all skipped: the table remembers
    assert again.scored == 0 and again.notes == counts.notes


def test_images_like_the_good_ones_keep_the_promise(model, toy_root, tmp_path):
    counts = predict_files(model, [toy_root / "weld/test"], tmp_path / "out")
    assert not [note for note in counts.notes if "does not hold" in note]


def test_a_model_of_before_says_nothing(model, toy_root, tmp_path):
    detector = load_detector(str(model))
    del detector.calibration_["good_images"]
    detector.save(tmp_path / "old.safetensors")
    folder = variant(tmp_path / "parts", toy_root / "weld/test/good", lambda image: image.resize((64, 64)))
    counts = predict_files(tmp_path / "old.safetensors", [folder], tmp_path / "out")
    assert not [note for note in counts.notes if "does not hold" in note]


def test_own_output_is_not_scored(model, toy_root, tmp_path):
    inbox = tmp_path / "inbox"
    shutil.copytree(toy_root / "weld/test/pore", inbox)
    for out in ("scored", ".", "scored"):
        counts = predict_files(model, [inbox], inbox / out)
        assert counts.scored + counts.skipped == len(rows(inbox / out)) == len(list(inbox.glob("0*.png"))) == 3
    assert any(note.startswith("Written by adlib, not used: 14 (") for note in counts.notes)
    with pytest.raises(InputError, match="was written by adlib"):
        predict_files(model, [inbox / "scored/maps"], tmp_path / "out")


def test_what_is_not_scored_is_named(model, toy_root, tmp_path):
    inbox = tmp_path / "inbox"
    shutil.copytree(toy_root / "weld/test/pore", inbox)
    (inbox / "000.png").rename(inbox / "000")
    Image.open(inbox / "001.png").convert("RGB").save(inbox / "003.jfif", "JPEG")
    (inbox / "004.heic").write_bytes(b"....ftypheic")
    counts = predict_files(model, [inbox], tmp_path / "out")
    assert counts.scored == 4 and len(rows(tmp_path / "out")) == 4
    assert [note for note in counts.notes if "not used" in note] == [
        f"Files of formats that are not read, not used: 1 ({inbox}/004.heic)"
    ]


def test_every_page_of_a_stack_is_scored(model, toy_root, tmp_path):
    """The defect is on the third page."""
    good = [Image.open(path) for path in sorted((toy_root / "weld/train/good").glob("*.png"))[:2]]
    good[0].save(
        tmp_path / "s.tif", save_all=True, append_images=[good[1], Image.open(toy_root / "weld/test/pore/000.png")]
    )
    with pytest.raises(InputError, match="several pages"):
        predict_files(model, [tmp_path / "s.tif"], tmp_path / "out")
    assert predict_files(model, [tmp_path / "s.tif"], tmp_path / "first", pages="first").scored == 1
    assert predict_files(model, [tmp_path / "s.tif"], tmp_path / "out", pages="each").scored == 3
    found = rows(tmp_path / "out")
    assert [Path(row["image"]).name for row in found] == ["page_001", "page_002", "page_003"]
    assert float(found[2]["score"]) > max(float(row["score"]) for row in found[:2])


def test_a_spreadsheet_takes_no_name_for_a_formula(model, toy_root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("=1+2.png", "单个气孔.png"):
        shutil.copy(toy_root / "weld/test/good/000.png", name)
    files = [Path("=1+2.png"), Path("单个气孔.png")]
    predict_files(model, files, tmp_path / "out")
    content = (tmp_path / "out/scores.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbfimage,") and content.split(b"\n")[1].startswith(b"'=1+2.png,")
    assert predict_files(model, files, tmp_path / "out").skipped == 2
    assert (tmp_path / "out/scores.csv").read_bytes() == content


def test_the_longest_names_leave_room_for_the_ending(model, toy_root, tmp_path):
    """60 characters of four bytes fill a file name alone."""
    image = tmp_path / ("🔩" * 60 + ".png")
    shutil.copy(toy_root / "weld/test/good/000.png", image)
    predict_files(model, [image], tmp_path / "out")
    (row,) = rows(tmp_path / "out")
    assert row["problem"] == "" and (tmp_path / "out" / row["map"]).is_file()


def test_a_table_of_before_is_continued(model, toy_root, tmp_path, monkeypatch):
    """Tables once had no byte order mark, no column `differs` and no escaped names."""
    monkeypatch.chdir(tmp_path)
    for name in ("=1+2.png", "b.png", "c.png"):
        shutil.copy(toy_root / "weld/test/good/000.png", name)
    files = [Path("=1+2.png"), Path("b.png"), Path("c.png")]
    predict_files(model, files, tmp_path / "out")
    new = (tmp_path / "out/scores.csv").read_text(encoding="utf-8")
    head, *lines = new.removeprefix("\ufeff").splitlines()
    old = [head.removesuffix(",differs"), *(line.removesuffix(",").removeprefix("'") for line in lines[:2])]
    (tmp_path / "out/scores.csv").write_text("\n".join(old) + "\n", encoding="utf-8")
    counts = predict_files(model, files, tmp_path / "out")
    assert (counts.scored, counts.skipped) == (1, 2)
    assert (tmp_path / "out/scores.csv").read_text(encoding="utf-8") == new


def test_limits_of_the_overlays_are_those_of_good_images(model):
    limits = load_detector(str(model)).calibration_["limits"]
    assert limits[0] < limits[1] and plots.heat.as_limits(limits) == tuple(limits)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no disk that is always full")
def test_a_row_that_does_not_fit_on_the_disk():
    with pytest.raises(InputError, match="finished images are kept"), module._table(Path("/dev/full")) as write_row:
        write_row(dict.fromkeys(COLUMNS, "x"))
