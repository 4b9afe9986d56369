"""What users really feed a program: each case ends in correct work or in one clear sentence, and nothing is lost.

The command line is called in this process. Of every case: no traceback, one line on standard error where it fails
(`check` and `predict` say it in their own output), and what was on disk before is still there.
"""

import csv
import os
import shutil
import signal
import struct
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adlib.cli import main
from adlib.errors import InputError
from adlib.experiments.notebook import check_parameters
from adlib.experiments.store import ResultStore
from adlib.files import write_json

RANDOM = np.random.default_rng(0)
SMALL = ("--method", "patchcore", "--resolution", "48", "--set", "coreset=20", "--shots", "2")


def noise(*size: int) -> np.ndarray:
    """(height, width[, channels]) uint8 noise around mid-grey."""
    return RANDOM.integers(90, 160, size, dtype=np.uint8)


# --- pictures ----------------------------------------------------------------------------------------------------


def truncated(path: Path) -> None:
    Image.fromarray(noise(64, 64)).save(path, format="PNG")
    path.write_bytes(path.read_bytes()[:-400])


def chunk_lost(path: Path) -> None:
    Image.fromarray(noise(64, 64)).save(path, format="PNG")
    content = bytearray(path.read_bytes())
    content[60:90] = bytes(30)
    path.write_bytes(content)


def bomb(path: Path) -> None:
    """A PNG whose header promises 60,000 x 60,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


def floats(value: float) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        values = np.full((40, 40), 0.5, dtype=np.float32)
        values[3, 4] = value
        Image.fromarray(values).save(path, format="TIFF")

    return make


def saved(image: Image.Image, kind: str, **options) -> Callable[[Path], None]:
    return lambda path: image.save(path, format=kind, **options)


def broken_exif(path: Path) -> None:
    Image.fromarray(noise(64, 64, 3)).save(path, format="JPEG", exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff\x01\x02")


def animated(path: Path) -> None:
    frames = [Image.fromarray(noise(64, 64)) for _ in range(3)]
    frames[0].save(path, format="GIF", save_all=True, append_images=frames[1:])


def no_rights(path: Path) -> None:
    saved(Image.fromarray(noise(64, 64)), "PNG")(path)
    path.chmod(0)


L64 = Image.fromarray(noise(64, 64))
RGB64 = Image.fromarray(noise(64, 64, 3))
# name of the file, how it is made, and words of the reason why it cannot be read; "" where it can
PICTURES = [
    ("truncated.png", truncated, "cut off"),
    ("lost.png", chunk_lost, "damaged"),
    ("zero.png", lambda path: path.write_bytes(b""), "0 bytes"),
    ("text.png", lambda path: path.write_text("not a picture"), "not an image"),
    ("bomb.png", bomb, "pixels"),
    ("nan.tiff", floats(np.nan), "NaN"),
    ("inf.tiff", floats(np.inf), "infinite"),
    ("range.tiff", floats(7.0), "window"),
    ("loop.png", lambda path: path.symlink_to(path.name), "Cannot open"),
    ("dangling.png", lambda path: path.symlink_to("nowhere.png"), "no image"),
    ("rights.png", no_rights, "permission"),
    ("one.png", saved(Image.new("L", (1, 1), 120), "PNG"), ""),
    ("long.png", saved(Image.fromarray(noise(20, 20_000)), "PNG"), ""),
    ("cmyk.jpg", saved(RGB64.convert("CMYK"), "JPEG"), ""),
    ("moving.gif", animated, ""),
    ("exif.jpg", broken_exif, ""),
    ("deep.png", saved(Image.fromarray(noise(64, 64).astype(np.uint16) * 256), "PNG"), ""),
    ("seen_through.png", saved(RGB64.convert("RGBA"), "PNG"), ""),
    ("palette.png", saved(RGB64.convert("P"), "PNG"), ""),
    ("bits.png", saved(L64.convert("1"), "PNG"), ""),
    ("单个 气孔\n(1).png", saved(L64, "PNG"), ""),
    ("LOUD.PNG", saved(L64, "PNG"), ""),
    ("jpeg_inside.png", saved(RGB64, "JPEG"), ""),
]


@pytest.fixture
def call(capsys, monkeypatch, tmp_path):
    """Run the command line; gives (exit code, standard output, standard error), and never a traceback."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments) -> tuple[int, str, str]:
        capsys.readouterr()
        try:
            code = main([str(a) for a in arguments])
        except SystemExit as stop:
            code = stop.code
        captured = capsys.readouterr()
        assert "Traceback" not in captured.out + captured.err
        return code, captured.out, captured.err

    return run


def one_sentence(code: int, err: str) -> str:
    """The one line that a refused call says on standard error, forecasts apart."""
    lines = [line for line in err.splitlines() if not line.startswith(("Forecast:", "Look at"))]
    assert code == 2 and len(lines) == 1 and lines[0].startswith("adlib: "), (code, err)
    return lines[0]


@pytest.fixture(scope="module")
def model(toy_root, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    path = folder / "m.safetensors"
    arguments = ["run", "--data", toy_root, "--category", "weld", *SMALL, "--save", path, "--results", folder / "r"]
    assert main([str(a) for a in arguments]) == 0
    return path


@pytest.fixture
def data(toy_root, tmp_path) -> Path:
    """A copy of the welds, to be spoilt."""
    shutil.copytree(toy_root / "weld", tmp_path / "data/weld")
    return tmp_path / "data"


def place(folder: Path, case: tuple) -> Path:
    name, make, _ = case
    if name == "rights.png" and os.geteuid() == 0:
        pytest.skip("the superuser may read everything")
    path = folder / name
    make(path)
    return path


@pytest.mark.parametrize("case", PICTURES, ids=lambda case: case[0].replace("\n", "_"))
def test_predict(call, model, toy_root, tmp_path, case):
    folder = tmp_path / "parts"
    folder.mkdir()
    good = shutil.copy(toy_root / "weld/test/good/000.png", folder / "a good one.png")
    place(folder, case)
    code, _, err = call("predict", model, folder, "--out", "out", "--tile", "512")
    with open("out/scores.csv", encoding="utf-8", newline="") as file:
        rows = {Path(row["image"]).name: row for row in csv.DictReader(file)}
    assert rows[Path(good).name]["score"] and len(rows) == 2  # the others are done, whatever happens to one
    row = rows[case[0].replace("\n", "\\n")]
    if case[2]:
        assert code == 1 and "1 images could not be scored" in err
        assert case[2] in row["problem"] and row["score"] == "" and case[0] in row["problem"]
    else:
        assert code == 0 and row["problem"] == "" and np.isfinite(float(row["score"])), err
        with Image.open(Path("out") / row["map"]) as stored, Image.open(folder / case[0]) as picture:
            assert stored.size == picture.size and np.isfinite(np.asarray(stored)).all()


@pytest.mark.parametrize("case", PICTURES, ids=lambda case: case[0].replace("\n", "_"))
def test_check(call, data, case):
    path = place(data / "weld/train/good", case)
    code, out, _ = call("check", data)
    # Floats that need a window, and such, show when they are read; `check` looks for damage.
    if case[2] and case[0] not in ("nan.tiff", "inf.tiff", "range.tiff"):
        assert code == 1 and path.name in out and case[2] in out
    elif not case[2]:
        assert code == 0 and "a sweep can start" in out


@pytest.mark.parametrize(
    "case", [case for case in PICTURES if case[2]], ids=lambda case: f"{case[0]} among the references"
)
def test_run(call, data, case):
    for path in sorted((data / "weld/train/good").iterdir())[1:]:
        path.unlink()
    place(data / "weld/train/good", case)
    code, _, err = call("run", "--data", data, "--category", "weld", *SMALL)
    sentence = one_sentence(code, err)
    assert case[0] in sentence and case[2] in sentence
    assert not list(Path("runs").rglob("*.json"))


# --- folders and masks -------------------------------------------------------------------------------------------


def test_a_directory_named_like_a_picture(call, data, model):
    (data / "weld/train/good/x.png").mkdir()
    assert call("check", data)[0] == 0
    assert call("run", "--data", data, "--category", "weld", *SMALL)[0] == 0
    code, _, err = call("predict", model, data / "weld/train/good/x.png")
    assert "no image" in one_sentence(code, err)


def test_a_mask_of_another_size(call, data):
    Image.new("L", (9, 9), 255).save(next((data / "weld/ground_truth/pore").glob("*.png")))
    code, out, _ = call("check", data)
    assert code == 1 and "9 x 9" in out
    code, _, err = call("run", "--data", data, "--category", "weld", *SMALL)
    assert "9 x 9" in one_sentence(code, err)


def test_an_all_black_mask(call, data):
    Image.new("L", (128, 128)).save(next((data / "weld/ground_truth/pore").glob("*.png")))
    assert "the mask is empty (1)" in call("check", data)[1]
    code, out, err = call("run", "--data", data, "--category", "weld", *SMALL)
    assert code == 0 and "pixel_auroc" in out, err


def test_a_mask_without_its_image(call, data):
    Image.new("L", (128, 128), 255).save(data / "weld/ground_truth/pore/900_mask.png")
    assert call("check", data)[0] == 0
    assert call("run", "--data", data, "--category", "weld", *SMALL)[0] == 0


def test_an_image_without_its_mask(call, data):
    next((data / "weld/ground_truth/pore").glob("*.png")).unlink()
    assert "not available" in call("check", data)[1]
    code, out, _ = call("run", "--data", data, "--category", "weld", *SMALL)
    assert code == 0 and "pixel_auroc  n/a" in out


def test_names_that_differ_in_case_only(call, model, toy_root, tmp_path):
    for name in ("part.png", "PART.png"):
        shutil.copy(toy_root / "weld/test/pore/000.png", tmp_path / name)
    if len(list(tmp_path.glob("*.png"))) == 1:
        pytest.skip("this file system knows no case")
    code, _, _ = call("predict", model, tmp_path / "part.png", tmp_path / "PART.png", "--out", "out")
    maps = list(Path("out/maps").iterdir())
    assert code == 0 and len(maps) == 2 and len(Path("out/scores.csv").read_text().splitlines()) == 3


def test_a_folder_that_links_into_itself(call, model, data):
    (data / "weld/test/pore/again").symlink_to(data / "weld/test/pore")
    code, out, err = call("predict", model, data / "weld/test/pore", "--out", "out")
    assert code == 0 and "3 images scored" in out, err


# --- arguments ---------------------------------------------------------------------------------------------------

RUN = ("run", "--data", "TOY", "--category", "weld", "--resolution", "48")
ARGUMENTS = [
    ((*RUN, "--shots", "0"), "0 shots"),
    ((*RUN, "--shots", "-1"), "at least 0"),
    ((*RUN, "--shots", "13"), "12 good training images"),
    ((*RUN, "--seed", "-1", "--shots", "1"), "seed is a whole number"),
    ((*RUN, "--shots", "5", "--seed", "2"), "need 15"),
    (("run", "--data", "TOY", "--category", "Weld"), "no category 'Weld'"),
    (("run", "--data", "TOY"), "choose one"),
    (("run", "--data", "missing"), "no folder"),
    (("run", "--data", "MODEL"), "is a file"),
    ((*RUN, "--method", "patchcor"), "Unknown method 'patchcor'"),
    ((*RUN, "--backbone", "dino"), "dino"),
    ((*RUN, "--weights", "MISSING.pth"), "MISSING.pth"),
    ((*RUN, "--weights", "TEXT"), "text.txt"),
    ((*RUN, "--false-alarms", "0"), "between 0 and 1"),
    ((*RUN, "--false-alarms", "5"), "between 0 and 1"),
    ((*RUN, "--false-alarms", "nan"), "between 0 and 1"),
    ((*RUN, "--resolution", "8"), "at least 16"),
    ((*RUN, "--preprocess", "some"), "'some'"),
    ((*RUN, "--selection", "some"), "'some'"),
    ((*RUN, "--set", 'layers=["blocks9"]', "--shots", "1"), "'blocks9'"),
    ((*RUN, "--shots", "1", "--results", "TEXT"), "text.txt"),
    (("sweep", "--data", "TOY", "--shots", "0"), "at least 1, not 0"),
    (("sweep", "--data", "TOY", "--shots", "-1"), "at least 1, not -1"),
    (("sweep", "--data", "TOY", "--shots", "13"), "12 good training images"),
    (("sweep", "--data", "TOY", "--category", "bolt"), "'bolt'"),
    (("sweep", "--data", "TOY", "--method", "magic"), "'magic'"),
    (("sweep", "--data", "TOY", "--backbone", "magic", "--shots", "1", "--seeds", "0"), "magic"),
    (("sweep", "--data", "TOY", "--shots", "1", "--workers", "0"), "workers"),
    (("sweep", "--data", "TOY", "--shots", "1", "--false-alarms", "1"), "between 0 and 1"),
    (("predict", "missing.safetensors", "TOY"), "no model file"),
    (("predict", "TEXT", "TOY"), "no adlib model"),
    (("predict", "HALF", "TOY"), "damaged"),
    (("predict", "MODEL", "missing.png"), "no file or folder"),
    (("predict", "MODEL", "EMPTY"), "no image"),
    (("predict", "MODEL", "TOY", "--tile", "-3"), "tile"),
    (("predict", "MODEL", "TOY", "--tile", "7"), "at least 32 pixels a side"),
    (("predict", "MODEL", "TOY", "--false-alarms", "2"), "between 0 and 1"),
    (("predict", "MODEL", "TOY", "--out", "TEXT"), "text.txt"),
    (("report", "missing"), "no folder"),
    (("report", "EMPTY"), "no results"),
]


@pytest.mark.parametrize(("arguments", "words"), ARGUMENTS, ids=lambda value: " ".join(value)[:70])
def test_arguments(call, toy_root, model, tmp_path, arguments, words):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.txt").write_text("text")
    (tmp_path / "half").write_bytes(model.read_bytes()[: model.stat().st_size // 2])
    names = {"TOY": toy_root, "MODEL": model, "TEXT": tmp_path / "text.txt", "EMPTY": tmp_path / "empty"}
    names["HALF"] = tmp_path / "half"
    code, _, err = call(*(names.get(a, a) for a in arguments))
    assert words in one_sentence(code, err)
    assert (tmp_path / "text.txt").read_text() == "text"


def test_the_traceback_is_there_for_who_asks(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError):
        main(["--debug", "run", "--data", "missing"])


CELL = 'data = "toy"\nshots = 4\n'


@pytest.mark.parametrize(
    ("injected", "values", "words"),
    [
        ("shot = 3", {"shot": 3}, "'shot'"),
        ("shots = 'four'", {"shots": "four"}, "type int"),
        ("shots = [4]", {"shots": [4]}, "type int"),
    ],
)
def test_parameters_of_a_notebook(injected, values, words):
    with pytest.raises(InputError, match=words):
        check_parameters({"data": "toy", "shots": 4} | values, ["", CELL, injected, "check_parameters(globals(), In)"])


# --- what lies on disk ---------------------------------------------------------------------------------------------


def score_lines(results: Path) -> list[str]:
    (table,) = results.glob("*.csv")
    return table.read_text(encoding="utf-8").splitlines()


def test_a_corrupt_cache(call, toy_root, tmp_path, monkeypatch):
    monkeypatch.setenv("ADLIB_CACHE", str(tmp_path / "cache"))
    arguments = ("run", "--data", toy_root, "--category", "weld", *SMALL)
    assert call(*arguments, "--results", "one")[0] == 0
    entries = list((tmp_path / "cache").rglob("*.safetensors"))
    assert len(entries) > 10
    for number, path in enumerate(entries):
        path.write_bytes([b"", b"\0" * 64, path.read_bytes()[:-7]][number % 3])
    code, _, err = call(*arguments, "--results", "two")
    assert code == 0 and score_lines(Path("one")) == score_lines(Path("two")), err


@pytest.mark.parametrize("content", ["", "{", "[]", '{"protocol": {}}'])
def test_a_corrupt_result(call, toy_root, content):
    arguments = ("run", "--data", toy_root, "--category", "weld", *SMALL, "--results", "r")
    assert call(*arguments)[0] == 0
    before, (row,) = score_lines(Path("r")), Path("r").glob("*.json")
    row.write_text(content)
    code, _, err = call("report", "r")
    assert "damaged" in one_sentence(code, err) and row.name in err
    assert call(*arguments)[0] == 0 and score_lines(Path("r")) == before
    assert call("report", "r")[0] == 0


@pytest.fixture
def small_disk(tmp_path, monkeypatch) -> Iterator[Path]:
    """A disk of 64 kB; where none may be mounted, one that is full when a file is finished."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = (
        shutil.which("mount")
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], capture_output=True
        ).returncode
    )
    if not mounted:
        sync = os.fsync

        def full(handle: int) -> None:
            if os.readlink(f"/proc/self/fd/{handle}").startswith(str(disk)):
                raise OSError(28, "No space left on device")
            sync(handle)

        monkeypatch.setattr(os, "fsync", full)
    yield disk
    if mounted:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk(call, toy_root, model, small_disk):
    if os.path.ismount(small_disk):
        (small_disk / "filler").write_bytes(bytes(56 * 1024))
    code, _, err = call("run", "--data", toy_root, "--category", "weld", *SMALL, "--results", small_disk / "r")
    assert "disk is full" in one_sentence(code, err)
    assert not [p for p in small_disk.rglob("*") if p.suffix in (".json", ".part")]
    code, _, err = call("predict", model, toy_root / "weld/test", "--out", small_disk / "p")
    assert "disk is full" in one_sentence(code, err) and not list(small_disk.rglob("*.part"))


def test_a_full_cache_disk_costs_the_cache_only(call, toy_root, small_disk, monkeypatch):
    if not os.path.ismount(small_disk):
        pytest.skip("a small disk cannot be mounted here")
    monkeypatch.setenv("ADLIB_CACHE", str(small_disk))
    with pytest.warns(UserWarning, match="cache is off"):
        code, out, _ = call("run", "--data", toy_root, "--category", "weld", *SMALL)
    assert code == 0 and "image_auroc" in out


def test_sigkill_in_the_middle_of_a_write(tmp_path):
    """The old content stays whole; a reader of the folder does not see the half file."""
    path = tmp_path / "row.json"
    write_json(path, {"old": 1})
    script = (
        "import os, signal, sys\nfrom adlib.files import atomic_write\n"
        "with atomic_write(sys.argv[1]) as file:\n"
        "    file.write('{\"new\": ')\n    file.flush()\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run([sys.executable, "-c", script, str(path)])
    assert ended.returncode == -signal.SIGKILL
    assert path.read_text().strip() == '{\n "old": 1\n}'
    assert list(tmp_path.glob("**/*.json")) == [path]


def test_two_at_once_on_one_results_folder(call, toy_root):
    """Both do the same runs and write the same files; nobody sees half of one."""
    arguments = ["run", "--data", str(toy_root), "--category", "weld", *SMALL, "--results", "both"]
    codes: list[int] = []
    threads = [threading.Thread(target=lambda: codes.append(main(arguments))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [0, 0, 0]
    assert call(*arguments[:-1], "alone")[0] == 0
    assert score_lines(Path("both")) == score_lines(Path("alone"))
    assert len(list(ResultStore("both").results())) == 1 and not list(Path("both").glob(".*"))


def test_predict_in_a_folder_of_something_else(call, model, toy_root):
    Path("mine").mkdir()
    Path("mine/scores.csv").write_text("my,own,table\n1,2,3\n")
    code, _, err = call("predict", model, toy_root / "weld/test/pore", "--out", "mine")
    assert "something else" in one_sentence(code, err)
    assert Path("mine/scores.csv").read_text() == "my,own,table\n1,2,3\n"
