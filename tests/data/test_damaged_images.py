"""Files that are no picture, or no whole one: one sentence each, never half a picture."""

import io
import os
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from adlib.data import images
from adlib.data.images import content_key, probe_image, read_image
from adlib.data.masks import read_mask
from adlib.errors import InputError
from helpers.image_files import COLOUR, RANDOM, one_sentence, save


def test_files_that_are_no_image(tmp_path):
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("not a picture", encoding="utf-8")
    (tmp_path / "loop.png").symlink_to("loop.png")
    (tmp_path / "nowhere.png").symlink_to("gone.png")
    os.mkfifo(tmp_path / "pipe.png")
    for reader in (read_image, read_mask, probe_image, content_key):
        one_sentence(tmp_path / "missing.png", "missing.png", "no image", reader=reader)
        one_sentence(tmp_path / "folder.png", "folder.png", "is a folder", reader=reader)
        one_sentence(tmp_path / "empty.png", "empty.png", "0 bytes", reader=reader)
        one_sentence(tmp_path / "loop.png", "loop.png", reader=reader)
        one_sentence(tmp_path / "nowhere.png", "no image", reader=reader)
        one_sentence(tmp_path / "pipe.png", "regular file", reader=reader)
        one_sentence("a\0b.png", "a\\x00b.png", reader=reader)
        one_sentence(tmp_path / ("x" * 300 + ".png"), reader=reader)
        if reader is not content_key:
            one_sentence(tmp_path / "text.png", "text.png", "not an image", reader=reader)
    one_sentence(7, "int")
    one_sentence(None, "NoneType")
    one_sentence(Image.new("L", (0, 5)), "no pixels")


def test_no_permission(tmp_path, monkeypatch):
    path = save(tmp_path / "x.png", COLOUR)

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(InputError) as caught:
        read_image(path)
    monkeypatch.undo()
    assert "permission" in str(caught.value) and "x.png" in str(caught.value)


@pytest.mark.parametrize(
    ("ending", "options"),
    [
        ("png", {}),
        ("jpg", {}),
        ("bmp", {}),
        ("gif", {}),
        ("webp", {"lossless": True}),
        ("tif", {}),
        ("tif", {"compression": "tiff_lzw"}),
        ("tif", {"compression": "tiff_adobe_deflate"}),
    ],
)
@pytest.mark.parametrize("switched_on", [False, True])
def test_a_cut_off_file_is_whole_or_refused(tmp_path, monkeypatch, ending, options, switched_on):
    pixels = RANDOM.integers(0, 256, (40, 50, 3), dtype=np.uint8)
    path = save(tmp_path / f"x.{ending}", pixels, **options)
    content, whole = path.read_bytes(), np.asarray(read_image(path))
    refused = 0
    for length in np.linspace(1, len(content) - 1, 40).astype(int):
        path.write_bytes(content[:length])
        monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", switched_on)  # as other packages may leave it
        for reader in (read_image, probe_image):
            try:
                picture = reader(path)
            except InputError as error:
                assert str(error).count("\n") == 0 and path.name in str(error)
                refused += 1
            else:
                if reader is read_image:
                    assert np.array_equal(np.asarray(picture), whole)
    assert refused > 60


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 255), st.sampled_from(["png", "bmp", "gif", "tiff", "jpeg", "webp"]))
def test_a_flipped_byte_is_a_picture_or_an_input_error(tmp_path_factory, place, value, kind):
    stream = io.BytesIO()
    Image.fromarray(COLOUR).save(stream, kind)
    content = bytearray(stream.getvalue())
    content[place % len(content)] = value
    path = tmp_path_factory.getbasetemp() / f"flipped.{kind}"
    path.write_bytes(content)
    for reader in (read_image, read_mask, probe_image):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                reader(path)
            except InputError as error:
                assert "\n" not in str(error)


def test_large_pictures_are_allowed_and_larger_ones_refused(tmp_path, monkeypatch):
    before = Image.MAX_IMAGE_PIXELS
    path = save(tmp_path / "x.png", Image.new("1", (20000, 10000)))  # PIL alone calls this an attack
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert probe_image(path).size == (20000, 10000)
    assert Image.MAX_IMAGE_PIXELS == before
    monkeypatch.setattr(images, "MAX_PIXELS", 20000 * 10000 - 1)
    one_sentence(path, "199,999,999 pixels")
