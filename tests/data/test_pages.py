"""Files of several pages: the user says what is read, and no page is dropped in silence."""

import numpy as np
import pytest
from PIL import Image

from adlib.data import content_key, load_dataset, read_image
from adlib.data.check import check_folder
from adlib.data.images import pages_in
from adlib.errors import InputError
from helpers.empty_files import names, refused
from helpers.small_data_sets import picture


def stack(path, levels=(10, 60, 110)):
    """A file with one flat page for each grey level."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pages = [Image.new("L", (20, 16), level) for level in levels]
    pages[0].save(path, save_all=True, append_images=pages[1:])
    return path


@pytest.fixture
def own(tmp_path):
    root = tmp_path / "own"
    stack(root / "good/a.tif")
    picture(root / "good/b.png")
    stack(root / "pore/c.tiff", (10, 200))
    stack(root / "gt/pore/c.tiff", (0, 255))
    return root


def test_a_page_is_read_and_keyed_by_its_number(tmp_path):
    path = stack(tmp_path / "a.tif")
    assert [np.asarray(read_image(path / f"page_{n:03d}")).max() for n in (1, 2, 3)] == [10, 60, 110]
    assert len({content_key(path), *(content_key(path / f"page_{n:03d}") for n in (1, 2, 3))}) == 4
    with pytest.raises(InputError, match="page_004 is damaged"):
        read_image(path / "page_004")


def test_stacks_ask(own):
    text = refused(own)
    assert "2 files have several pages" in text and "a.tif (3 pages)" in text and "--pages each" in text
    assert not check_folder(own).ok and text in str(check_folder(own))
    assert "Unknown pages 'all'; choose one of ask, first, each." in refused(own, pages="all")
    first = load_dataset(own, pages="first")
    assert len(first.samples) == 3 and check_folder(own, pages="first").command.startswith(
        f"adlib sweep --data {own} --pages first"
    )


def test_each_page_is_an_image(own):
    dataset = load_dataset(own, pages="each")
    good = {dataset.relative(s) for s in dataset.samples if not s.label}
    assert good == {"good/a.tif/page_001", "good/a.tif/page_002", "good/a.tif/page_003", "good/b.png"}
    assert [(s.path.name, s.mask.name) for s in dataset.test if s.label] == [("page_001",) * 2, ("page_002",) * 2]
    assert check_folder(own, pages="each").ok


def test_one_mask_for_several_pages_is_the_mask_of_none(own):
    stack(own / "gt/pore/c.tiff", (0,))
    assert [s.mask for s in load_dataset(own, pages="each").test if s.label] == [None, None]


def test_an_animation_asks_too(tmp_path):
    picture(tmp_path / "own/good/b.png")
    stack(tmp_path / "own/good/moving.gif")
    assert "moving.gif (3 pages)" in refused(tmp_path / "own")
    dataset = load_dataset(tmp_path / "own", pages="first")
    assert names(dataset, dataset.train_good) == ["good/b.png", "good/moving.gif"]


def test_a_reduced_copy_is_no_page(tmp_path):
    path = tmp_path / "a.tif"
    small = Image.new("L", (10, 8), 10)
    small.encoderinfo = {"tiffinfo": {254: 1}}
    Image.new("L", (20, 16), 10).save(path, save_all=True, append_images=[small])
    with Image.open(path) as image:
        assert image.n_frames == 2
    assert pages_in(path) == [1]
