"""Point clouds from files: every format gives the points that were written, and every damaged file one sentence."""

import io

import numpy as np
import pytest
import tifffile
from PIL import Image

from adlib.data.clouds import READERS, Cloud, as_cloud, read_cloud, read_rgbd
from adlib.errors import InputError

RNG = np.random.default_rng(0)
XYZ = RNG.normal(size=(12, 3)).astype(np.float32)
RGB = RNG.integers(0, 256, (12, 3)).astype(np.uint8)
LABEL = RNG.integers(0, 30, 12)
PLY_HEADER = (
    "ply\nformat {} 1.0\ncomment made up\nelement vertex 12\n"
    + "".join(f"property float {axis}\n" for axis in "xyz")
    + "".join(f"property uchar {name}\n" for name in ("red", "green", "blue"))
    + "property int label\nelement face 1\nproperty list uchar int vertex_indices\nend_header\n"
)
PCD_HEADER = (
    "# .PCD v0.7\nVERSION 0.7\nFIELDS x y z rgb label\nSIZE 4 4 4 4 4\nTYPE F F F {} U\nCOUNT 1 1 1 1 1\nWIDTH 4\n"
    "HEIGHT 3\nVIEWPOINT 0 0 0 1 0 0 0\nPOINTS 12\nDATA {}\n"
)
PACKED = (RGB.astype(np.uint32) * np.array([65536, 256, 1], np.uint32)).sum(axis=1).astype(np.uint32)


def text(*columns: np.ndarray) -> bytes:
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return "".join(" ".join(map(repr, row)) + "\n" for row in rows).encode()


def ply(kind: str) -> bytes:
    head, columns = PLY_HEADER.format(kind).encode(), (*XYZ.T, *RGB.T, LABEL)
    if kind == "ascii":
        return head + text(*columns) + b"3 0 1 2\n"
    order = "<" if kind == "binary_little_endian" else ">"
    row = [(axis, order + "f4") for axis in "xyz"] + [(c, "u1") for c in "rgb"] + [("label", order + "i4")]
    return head + np.array(list(zip(*columns, strict=True)), dtype=row).tobytes() + b"\x03" + bytes(12)


def pcd(kind: str, packed: str = "F") -> bytes:
    colour = PACKED.view(np.float32) if packed == "F" else PACKED
    head, columns = PCD_HEADER.format(packed, kind).encode(), (*XYZ.T, colour, LABEL)
    if kind == "ascii":
        return head + text(*columns)
    row = [(axis, "<f4") for axis in "xyz"] + [("rgb", "<f4" if packed == "F" else "<u4"), ("label", "<u4")]
    return head + np.array(list(zip(*columns, strict=True)), dtype=row).tobytes()


def npz(**arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def tiff(values: np.ndarray) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, values, photometric="rgb" if values.ndim == 3 else "minisblack")
    return file.getvalue()


FILES = {
    "ascii.ply": ply("ascii"),
    "little.ply": ply("binary_little_endian"),
    "big.PLY": ply("binary_big_endian"),
    "ascii.pcd": pcd("ascii"),
    "ascii_whole.pcd": pcd("ascii", "U"),
    "binary.pcd": pcd("binary"),
    "binary_whole.pcd": pcd("binary", "U"),
    "floats.npz": npz(xyz=XYZ, rgb=RGB, label=LABEL),
}


def written(tmp_path, name: str, content: bytes):
    path = tmp_path / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", FILES)
def test_each_format_gives_what_was_written(name, tmp_path):
    cloud = read_cloud(written(tmp_path, name, FILES[name]))
    shape = (3, 4) if name.endswith("pcd") else (12,)
    np.testing.assert_array_equal(cloud.xyz, XYZ.reshape(*shape, 3))
    np.testing.assert_array_equal(cloud.rgb, RGB.reshape(*shape, 3))
    np.testing.assert_array_equal(cloud.label, LABEL.reshape(shape))
    assert cloud.xyz.dtype == np.float32 and cloud.rgb.dtype == np.uint8 and cloud.organised == (len(shape) == 2)
    np.testing.assert_allclose(read_cloud(tmp_path / name, scale=1000).xyz, 1000 * cloud.xyz, rtol=1e-6)


def test_windows_line_ends_and_points_alone(tmp_path):
    head = "ply\r\nformat ascii 1.0\r\nelement vertex 2\r\n" + "".join(f"property double {a}\r\n" for a in "xyz")
    cloud = read_cloud(written(tmp_path, "a.ply", (head + "end_header\r\n1 2 3\r\nnan nan nan\r\n").encode()))
    assert cloud.rgb is None and cloud.label is None and cloud.valid.tolist() == [True, False]


def test_bright_floats_are_fractions(tmp_path):
    content = PLY_HEADER.format("ascii").replace("uchar red", "float red").replace("uchar green", "float green")
    content = content.replace("uchar blue", "float blue").replace("vertex 12", "vertex 1")
    cloud = read_cloud(written(tmp_path, "a.ply", content.encode() + b"1 2 3 0 0.5 1 7\n"))
    assert cloud.rgb.tolist() == [[0, 128, 255]]


def test_whole_numbers_in_npz_are_tenths_of_a_mm(tmp_path):
    xyz = np.array([[[10, -25, 5000], [-32768, -32768, -32768]]], np.int16)
    cloud = read_cloud(written(tmp_path, "a.npz", npz(xyz=xyz)), scale=7.0)
    np.testing.assert_allclose(cloud.xyz[0, 0], [1, -2.5, 500])
    assert np.isnan(cloud.xyz[0, 1]).all() and cloud.organised


@pytest.fixture
def scan(tmp_path):
    """One scan in MVTec 3D-AD's layout; returns the path of its image."""
    for folder in ("rgb", "xyz", "gt"):
        (tmp_path / "test" / "hole" / folder).mkdir(parents=True)
    metres = np.full((4, 5, 3), 0.25, np.float32)
    metres[0, 0] = 0
    (tmp_path / "test" / "hole" / "xyz" / "003.tiff").write_bytes(tiff(metres))
    mask = np.zeros((4, 5), np.uint8)
    mask[2, 3] = 255
    Image.fromarray(mask).save(tmp_path / "test" / "hole" / "gt" / "003.png")
    Image.fromarray(np.full((4, 5, 3), 9, np.uint8)).save(tmp_path / "test" / "hole" / "rgb" / "003.png")
    return tmp_path / "test" / "hole" / "rgb" / "003.png"


def test_an_organised_scan_with_colours_and_truth(scan):
    cloud = read_rgbd(scan)
    assert cloud.xyz.shape == (4, 5, 3) and np.nanmax(cloud.xyz) == 250 and (~cloud.valid).sum() == 1
    assert (cloud.rgb == 9).all() and cloud.label.sum() == cloud.label[2, 3] == 1
    (scan.parent.parent / "gt" / "003.png").unlink()
    assert read_rgbd(scan).label is None


def test_bad_organised_scans(scan):
    Image.fromarray(np.zeros((2, 2, 3), np.uint8)).save(scan)
    with pytest.raises(InputError, match=r"points of shape \(4, 5, 3\) and colours of shape \(2, 2, 3\)"):
        read_rgbd(scan)
    (scan.parent.parent / "xyz" / "003.tiff").unlink()
    with pytest.raises(InputError, match=r"There is no .*003.tiff with the points of"):
        read_rgbd(scan)


BAD = {
    "empty.ply": (b"", "no line 'end_header'"),
    "empty.pcd": (b"", "no line 'DATA'"),
    "empty.npz": (b"", "damaged or not a NPZ file"),
    "empty.tiff": (b"", "damaged or not a TIFF file"),
    "noise.ply": (bytes(range(256)) * 20, "damaged"),
    "noise.npz": (b"PK\x03\x04" + bytes(200), "damaged"),
    "noise.tif": (b"II*\x00" + bytes(range(200)), "damaged"),
    "another.ply": (b"solid\nend_header\n", "does not begin with 'ply'"),
    "short.ply": (ply("binary_little_endian")[:-40], "ends after 10 of 12 points"),
    "short_text.ply": (ply("ascii")[:-120], "ends after"),
    "short.pcd": (pcd("binary")[:-1], "ends after 11 of 12 points"),
    "cut_header.pcd": (pcd("ascii")[:60], "no line 'DATA'"),
    "cut.npz": (FILES["floats.npz"][:200], "damaged"),
    "cut.tiff": (tiff(np.ones((8, 8, 3), np.float32))[:-100], "damaged"),
    "none.ply": (ply("ascii").replace(b"vertex 12", b"vertex 0"), "has no points"),
    "below.ply": (ply("ascii").replace(b"vertex 12", b"vertex -3"), "has no points"),
    "huge.ply": (ply("binary_little_endian").replace(b"vertex 12", b"vertex 9999999999999"), "of 9,999,999,999,999"),
    "words.ply": (ply("ascii").replace(b"vertex 12", b"vertex many"), "damaged"),
    "letters.ply": (ply("ascii").replace(repr(XYZ.tolist()[0][0]).encode(), b"abc"), "damaged"),
    "faces.ply": (ply("ascii").replace(b"element vertex 12", b"element face 12"), "first element is not 'vertex'"),
    "flat.ply": (ply("ascii").replace(b"float z", b"float w"), "no z"),
    "list.ply": (ply("ascii").replace(b"property uchar red", b"property list uchar int red"), "is a list"),
    "format.ply": (ply("ascii").replace(b"format ascii", b"format zipped"), "its format is zipped"),
    "packed.pcd": (pcd("ascii").replace(b"DATA ascii", b"DATA binary_compressed"), "only ascii and binary"),
    "fields.pcd": (pcd("ascii").replace(b"COUNT 1 1 1 1 1", b"COUNT 1 1 1 1 3"), "more than one value"),
    "sizes.pcd": (pcd("ascii").replace(b"SIZE 4 4 4 4 4", b"SIZE 4 4"), "damaged"),
    "nothing.npz": (npz(points=XYZ), "no array xyz"),
    "objects.npz": (npz(xyz=np.array([{}], dtype=object)), "damaged"),
    "letters.npz": (npz(xyz=np.array([["a", "b", "c"]])), "not numbers"),
    "flat.npz": (npz(xyz=XYZ[:, :2]), r"points of shape \(12, 2\)"),
    "nan.npz": (npz(xyz=np.full((4, 3), np.nan)), "holds no point"),
    "holes.npz": (npz(xyz=np.full((4, 4, 3), -32768, np.int16)), "holds no point"),
    "no_rows.npz": (npz(xyz=np.zeros((0, 3))), "holds no point"),
    "colours.npz": (npz(xyz=XYZ, rgb=RGB[:5]), "one per point"),
    "holes.tiff": (tiff(np.zeros((4, 4, 3), np.float32)), "holds no point"),
    "grey.tiff": (tiff(np.zeros((4, 4), np.float32)), r"not floats of shape \(H, W, 3\)"),
    "scan.obj": (b"v 1 2 3\n", r"no point cloud that can be read; give one of \.ply, \.pcd, \.npz"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_give_one_sentence_that_names_them(name, tmp_path):
    content, words = BAD[name]
    with pytest.raises(InputError, match=words) as error:
        read_cloud(written(tmp_path, name, content))
    assert name in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("ending", READERS)
def test_files_that_are_not_there(ending, tmp_path):
    with pytest.raises(InputError, match="There is no file"):
        read_cloud(tmp_path / f"a{ending}")
    (tmp_path / f"b{ending}").mkdir()
    with pytest.raises(InputError, match="Cannot read"):
        read_cloud(tmp_path / f"b{ending}")


def test_anything_with_points_is_a_cloud():
    assert as_cloud(XYZ.tolist()).xyz.shape == (12, 3)
    assert as_cloud(Cloud(XYZ, RGB)).rgb is RGB
    with pytest.raises(InputError, match="holds no point"):
        as_cloud(np.full((2, 3), np.inf))


def test_the_real_scans_of_mosd(shared):
    path = shared / "data" / "mosd" / "learn0.npz"
    if not path.is_file():
        pytest.skip("mOSD is not in the optional data folder")
    cloud = read_cloud(path)
    assert cloud.xyz.shape == (240, 320, 3) and 500 < np.nanmin(cloud.xyz[..., 2]) < np.nanmax(cloud.xyz[..., 2]) < 1500
    assert cloud.rgb.shape == cloud.xyz.shape and set(np.unique(cloud.label[cloud.valid])) >= {1, 20}
