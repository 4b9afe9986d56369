"""Reading images: every kind of file becomes RGB, or one sentence."""

import hashlib
import os
import warnings

import numpy as np
import pytest
from PIL import Image

from adlib.data.images import content_key, probe_image, read_image
from adlib.data.rotation import rotate
from adlib.errors import InputError
from helpers.image_files import COLOUR, DEEP, RANDOM, deep_colour_png, one_sentence, same, save

# What can be read


@pytest.mark.parametrize("ending", ["png", "bmp", "tif", "webp", "PNG"])
def test_lossless_colour_files_come_back_exactly(tmp_path, ending):
    path = save(tmp_path / f"x.{ending}", COLOUR, **({"lossless": True} if ending == "webp" else {}))
    assert same(read_image(path), COLOUR) and same(read_image(str(path)), COLOUR)


@pytest.mark.parametrize("name", ["单个气孔 1.png", "咬边\n2.png", " .png", "ö'\"%s{}.png"])
def test_any_file_name(tmp_path, name):
    assert same(read_image(save(tmp_path / name, COLOUR)), COLOUR)
    one_sentence(tmp_path / ("missing" + name), "There is no image")


@pytest.mark.skipif(os.name == "nt", reason="Windows file names are text")
def test_file_name_that_is_not_utf8(tmp_path):
    path = os.path.join(os.fsencode(tmp_path), b"\xff.png")
    with open(path, "wb") as file:
        file.write(b"text")
    one_sentence(os.fsdecode(path), "udcff", "not an image")


def test_grey_one_bit_and_palette_files(tmp_path):
    grey = COLOUR[..., 0]
    assert same(read_image(save(tmp_path / "l.png", grey)), np.stack([grey] * 3, -1))
    bits = grey > 127
    assert same(read_image(save(tmp_path / "1.png", bits)), np.stack([bits * np.uint8(255)] * 3, -1))
    palette = Image.fromarray(COLOUR).quantize(16)
    assert same(read_image(save(tmp_path / "p.png", palette)), np.asarray(palette.convert("RGB")))


def test_transparency_shows_black(tmp_path):
    opacity = np.zeros((12, 17, 1), np.uint8)
    opacity[:, 5:] = 255
    rgba = np.concatenate([COLOUR, opacity], axis=2)
    expected = COLOUR * (opacity > 0)
    assert same(read_image(save(tmp_path / "rgba.png", rgba)), expected)
    assert same(read_image(rgba), expected)
    grey = Image.merge("LA", [Image.fromarray(COLOUR[..., 0]), Image.fromarray(opacity[..., 0])])
    assert same(read_image(save(tmp_path / "la.png", grey)), np.stack([COLOUR[..., 0] * (opacity[..., 0] > 0)] * 3, -1))
    palette = Image.fromarray(np.tile(np.arange(4, dtype=np.uint8), (3, 1)), "P")
    palette.putpalette([9, 9, 9, 50, 60, 70, 1, 2, 3, 200, 0, 0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for given in (3, bytes([255, 255, 255, 0])):  # one index, or an opacity for each
            picture = read_image(save(tmp_path / "p.png", palette, transparency=given))
            assert np.asarray(picture)[0].tolist() == [[9, 9, 9], [50, 60, 70], [1, 2, 3], [0, 0, 0]]


def test_half_transparent_pixels_are_composited_on_black():
    values = np.array([[[200, 100, 3, 128]]], np.uint8)
    assert np.asarray(read_image(values)).ravel().tolist() == [round(v * 128 / 255) for v in (200, 100, 3)]


def test_cmyk_and_exif_rotated_jpeg(tmp_path):
    smooth = np.zeros((32, 48, 3), np.uint8)
    smooth[:, :24] = (250, 10, 10)
    cmyk = read_image(save(tmp_path / "cmyk.jpg", Image.fromarray(smooth).convert("CMYK"), quality=95))
    assert np.abs(np.asarray(cmyk).astype(int) - smooth).max() < 60
    for tag, back in {1: 0, 3: 2, 6: -1, 8: 1}.items():
        exif = Image.Exif()
        exif[0x0112] = tag
        path = save(tmp_path / f"{tag}.jpg", smooth, exif=exif, quality=95)
        with Image.open(path) as stored:
            lying = np.asarray(stored)
        upright = read_image(path)
        assert same(upright, np.rot90(lying, back))
        assert same(read_image(upright), np.asarray(upright))  # a second reading must not turn it again
        with Image.open(path) as stored:
            assert same(read_image(stored), np.asarray(upright))
        assert probe_image(path).size == upright.size


def test_all_eight_orientations_agree_with_pil(tmp_path):
    from PIL import ImageOps

    for ending in ("png", "tif"):
        for tag in range(1, 9):
            exif = Image.Exif()
            exif[0x0112] = tag
            path = save(tmp_path / f"{tag}.{ending}", COLOUR, exif=exif)
            with Image.open(path) as stored:
                stored.load()
                expected = np.asarray(ImageOps.exif_transpose(stored))
            assert same(read_image(path), expected)


def test_damaged_exif_does_not_hide_the_picture(tmp_path):
    path = save(tmp_path / "x.jpg", COLOUR, exif=b"Exif\0\0not a tiff at all")
    assert read_image(path).size == (17, 12)


@pytest.mark.parametrize("ending", ["gif", "webp", "png", "tif"])
def test_first_of_several_frames(tmp_path, ending):
    frames = [Image.new("RGB", (8, 6), colour) for colour in ("red", "blue", "lime")]
    path = save(tmp_path / f"x.{ending}", frames[0], save_all=True, append_images=frames[1:])
    with Image.open(path) as stored:
        assert stored.n_frames == 3
    red = np.asarray(read_image(path)).astype(int)
    assert (np.abs(red - (255, 0, 0)) < 8).all()


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_16_bit_files(tmp_path, ending):
    path = save(tmp_path / f"x.{ending}", DEEP)
    expected = np.floor(DEEP / 257 + 0.5).astype(np.uint8)
    assert same(read_image(path), np.stack([expected] * 3, -1))
    windowed = np.floor(np.clip((DEEP - 1000.0) / 3000, 0, 1) * 255 + 0.5).astype(np.uint8)
    assert same(read_image(path, window=(1000, 4000)), np.stack([windowed] * 3, -1))
    assert same(read_image(DEEP, window=(1000, 4000)), np.stack([windowed] * 3, -1))
    assert probe_image(path).highest == DEEP.max()


def test_big_endian_and_32_bit_files(tmp_path):
    big = save(tmp_path / "big.tif", Image.frombytes("I;16B", (17, 12), DEEP.astype(">u2").tobytes()))
    assert same(read_image(big), np.asarray(read_image(DEEP)))
    whole = save(tmp_path / "i.tif", Image.fromarray(DEEP.astype(np.int32)))
    assert same(read_image(whole), np.asarray(read_image(DEEP)))
    signed = save(tmp_path / "s.tif", Image.fromarray(DEEP.astype(np.int32) - 5000))
    one_sentence(signed, "beyond 16 bits", "window")
    assert same(read_image(signed, window=(-4000, -1000)), np.asarray(read_image(DEEP, window=(1000, 4000))))


def test_16_bit_colour_is_read_by_high_bytes_and_takes_no_window(tmp_path):
    deep = RANDOM.integers(0, 65536, (16, 16, 3), dtype=np.uint16)
    path = tmp_path / "x.png"
    path.write_bytes(deep_colour_png(deep))
    assert same(read_image(path), (deep >> 8).astype(np.uint8))
    one_sentence(path, "16-bit colours", "window", reader=lambda p: read_image(p, window=(0, 4095)))
    plain = save(tmp_path / "plain.png", RANDOM.integers(0, 256, (16, 16, 3), dtype=np.uint8))
    assert read_image(plain, window=(0, 100)).size == (16, 16)


def test_float_tiff(tmp_path):
    values = DEEP.astype(np.float32) / 65535
    path = save(tmp_path / "x.tif", values)
    assert same(read_image(path), np.asarray(read_image(values)))
    ten = save(tmp_path / "ten.tif", values * 10)
    one_sentence(ten, "0 to 1", "window")
    assert np.abs(np.asarray(read_image(ten, (0, 10))).astype(int) - np.asarray(read_image(values))).max() <= 1
    for bad in (np.nan, np.inf):
        values[3, 3] = bad
        one_sentence(save(tmp_path / "bad.tif", values), "NaN or infinite")
        one_sentence(values, "NaN or infinite")
        with pytest.raises(InputError, match="NaN"):
            read_image(values, window=(0, 1))


def test_arrays():
    assert same(read_image(COLOUR), COLOUR)
    assert same(read_image(COLOUR[..., :1]), COLOUR[..., [0, 0, 0]])
    assert same(read_image(COLOUR[::-1, ::2]), COLOUR[::-1, ::2])
    assert same(read_image(COLOUR.astype(np.float64) / 255), COLOUR)
    assert same(read_image(COLOUR.astype(np.float32) / 255), COLOUR)
    assert same(read_image(COLOUR > 99), (COLOUR > 99) * np.uint8(255))
    assert same(read_image(COLOUR, window=(50, 100)), np.floor(np.clip((COLOUR - 50.0) / 50, 0, 1) * 255 + 0.5))
    given = COLOUR.copy()
    read_image(given).paste((0, 0, 0), (0, 0, 17, 12))
    assert np.array_equal(given, COLOUR)


@pytest.mark.parametrize("shape", [(4,), (2, 3, 2), (2, 3, 5), (1, 2, 3, 3), (0, 4), (4, 0, 3)])
def test_array_shapes_that_are_no_picture(shape):
    one_sentence(np.zeros(shape, np.uint8), "array")


@pytest.mark.parametrize("kind", [np.int64, np.int8, np.uint32, np.complex64, object])
def test_array_types_that_are_no_picture(kind):
    one_sentence(np.zeros((4, 4), kind), "uint8")


@pytest.mark.parametrize("window", [(5, 5), (6, 5), (0, np.nan), (0, np.inf), (1,), (1, 2, 3), "ab", 7])
def test_windows_that_are_none(window):
    with pytest.raises(InputError, match="low < high"):
        read_image(COLOUR, window=window)


@pytest.mark.parametrize("size", [(1, 1), (20000, 20), (20, 20000)])
def test_odd_sizes(tmp_path, size):
    picture = Image.new("RGB", size, (7, 8, 9))
    path = save(tmp_path / "x.png", picture)
    assert read_image(path).size == size == probe_image(path).size
    assert rotate(picture, 45).size == size
    assert (np.asarray(rotate(picture, 30)) == (7, 8, 9)).all()


# Content keys


def test_content_key_of_files_and_pictures(tmp_path):
    path = save(tmp_path / "a.png", COLOUR)
    copy = tmp_path / "b.png"
    copy.write_bytes(path.read_bytes())
    assert content_key(path) == content_key(str(copy)) == hashlib.sha256(path.read_bytes()).hexdigest()
    pictures = [
        COLOUR,
        COLOUR[::-1],
        COLOUR.reshape(17, 12, 3),
        COLOUR.view(np.uint16) if COLOUR.shape[-1] % 2 == 0 else COLOUR.astype(np.uint16),
        Image.fromarray(COLOUR),
        Image.fromarray(COLOUR[..., 0]),
        Image.fromarray(COLOUR[..., 0], "P"),
        Image.fromarray(COLOUR).transpose(Image.Transpose.ROTATE_90),
    ]
    turned = Image.fromarray(COLOUR)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.info["exif"] = exif.tobytes()
    see_through = pictures[6].copy()
    see_through.info["transparency"] = 3
    other_palette = pictures[6].copy()
    other_palette.putpalette([1, 2, 3] * 256)
    keys = [content_key(p) for p in [*pictures, turned, see_through, other_palette]]
    assert len(set(keys)) == len(keys)
    assert content_key(COLOUR) == content_key(np.asfortranarray(COLOUR)) == content_key(COLOUR.copy())
    assert content_key(DEEP) == content_key(DEEP.astype(">u2"))
    assert content_key(Image.fromarray(COLOUR)) == content_key(read_image(COLOUR))


def test_a_lazily_opened_picture_in_many_threads(tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    pixels = RANDOM.integers(0, 256, (300, 300, 3), dtype=np.uint8)
    path = save(tmp_path / "x.png", pixels)
    with Image.open(path) as picture, ThreadPoolExecutor(4) as pool:
        keys = list(pool.map(lambda _: content_key(picture), range(4)))
        read = list(pool.map(lambda _: read_image(picture), range(8)))
    assert len(set(keys)) == 1 and all(same(r, pixels) for r in read)
