"""`adlib check` on good, damaged and odd files: every one is named with its reason, or is fine."""

import shutil
from pathlib import Path

import pytest
from PIL import Image

from adlib.cli import main
from helpers.bad_files import PICTURES, SMALL, name_of, one_sentence, place
from helpers.small_data_sets import whole


def test_check(call, data):
    code, out, _ = call("check", data)
    assert code == 0 and out.splitlines()[-1] == f"  adlib sweep --data {data} --shots 1 2 4"
    first = data / "weld/train/good/000.png"
    first.write_bytes(first.read_bytes()[:200])
    code, out, _ = call("check", data)
    assert code == 1 and "000.png" in out and out.splitlines()[-1] == f"  adlib check {data}"


def test_the_command_line_says_what_to_type(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    whole(Path("parts"))
    assert main(["check", "parts"]) == 0
    assert capsys.readouterr().out.endswith("Next: a sweep can start.\n  adlib sweep --data parts --shots 1 2\n")
    Path("parts/nut/test/good/0.png").write_bytes(b"")
    assert main(["check", "parts"]) == 1
    assert capsys.readouterr().out.endswith("then check again.\n  adlib check parts\n")
    assert main(["check", "nowhere"]) == 1
    assert capsys.readouterr().out.endswith("\n  adlib check nowhere\n")


@pytest.mark.parametrize("case", PICTURES, ids=name_of)
def test_pictures(call, data, case):
    path = place(data / "weld/train/good", case)
    code, out, _ = call("check", data)
    if case[2]:
        assert code == 1 and path.name in out and case[2] in out and "1 image above" in out
    else:
        assert code == 0 and "a sweep can start" in out


def test_a_directory_named_like_a_picture(call, data, model):
    (data / "weld/train/good/x.png").mkdir()
    assert call("check", data)[0] == 0
    assert call("run", "--data", data, "--category", "weld", *SMALL)[0] == 0
    code, _, err = call("predict", model, data / "weld/train/good/x.png")
    assert "no image" in one_sentence(code, err)


def test_names_that_differ_in_case_only(call, data):
    good = data / "weld/train/good"
    shutil.copy(data / "weld/test/good/000.png", good / "part.png")
    shutil.copy(data / "weld/test/good/001.png", good / "PART.png")
    if len(list(good.iterdir())) == 13:
        pytest.skip("this file system knows no case")
    code, out, _ = call("check", data)
    assert code == 0 and "weld/train/good/PART.png = weld/train/good/part.png" in out


def test_a_folder_without_rights(call, data):
    (data / "weld/test/pore").chmod(0)
    code, out, _ = call("check", data)
    (data / "weld/test/pore").chmod(0o755)
    assert code == 1 and "Cannot list the folder" in out and "pore" in out


# --- masks, for `run` as well --------------------------------------------------------------------------------------


def mask_of_a_pore(data):
    return next((data / "weld/ground_truth/pore").glob("*.png"))


def test_a_mask_of_another_size(call, data):
    mask = Image.new("L", (9, 9))
    mask.putpixel((4, 4), 255)
    mask.save(mask_of_a_pore(data))
    code, out, _ = call("check", data)
    assert code == 1 and "9 x 9" in out
    code, _, err = call("run", "--data", data, "--category", "weld", *SMALL)
    assert "9 x 9" in one_sentence(code, err)


def test_an_all_black_mask(call, data):
    Image.new("L", (128, 128)).save(mask_of_a_pore(data))
    code, out, _ = call("check", data)
    assert code == 0 and "the mask is empty (1)" in out
    code, out, err = call("run", "--data", data, "--category", "weld", *SMALL)
    assert code == 0 and "pixel_auroc" in out, err


def test_a_mask_without_its_image(call, data):
    Image.new("L", (128, 128), 255).save(data / "weld/ground_truth/pore/900_mask.png")
    code, out, _ = call("check", data)
    assert code == 0 and "Masks without an image (1)\n  weld/ground_truth/pore/900_mask.png" in out
    assert call("run", "--data", data, "--category", "weld", *SMALL)[0] == 0


def test_an_image_without_its_mask(call, data):
    mask_of_a_pore(data).unlink()
    assert "not available" in call("check", data)[1]
    code, out, _ = call("run", "--data", data, "--category", "weld", *SMALL)
    assert code == 0 and "pixel_auroc  n/a" in out


# --- suspects ------------------------------------------------------------------------------------------------------


def test_suspects_are_listed_and_written_where_a_file_is_named(call, data):
    shutil.copy(next((data / "weld/test/pore").glob("*.png")), data / "weld/train/good/odd.png")
    code, out, err = call("check", data, "--suspects", "--most", 2, "--out", "page.html")
    assert code == 0, err
    table = out[out.index("suspicion  deviations  image") :].splitlines()
    assert table[1].endswith("weld/train/good/odd.png") and "train/good" in table[2] and "Unlike the rest" in table[3]
    assert out.endswith("Written: page.html\n") and "odd.png" in Path("page.html").read_text(encoding="utf-8")


def test_suspects_need_images_and_a_page_needs_suspects(call, data):
    for path in sorted((data / "weld/train/good").iterdir())[7:]:
        path.unlink()
    assert "has 7 good training images" in one_sentence(*call("check", data, "--suspects")[::2])
    assert "only with --suspects" in one_sentence(*call("check", data, "--out", "page.html")[::2])
    code, _, err = call("check", data, "--suspects", "--out", "page.pdf")
    assert "ending must be .html" in one_sentence(code, err)
