"""Suspects: a planted defect comes first, the page shows it, and too few images are refused."""

import base64
import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adlib.data import load_dataset, plant_defects
from adlib.errors import InputError
from adlib.inspection.suspects import as_text, find_suspects, write_page


@pytest.fixture(scope="module")
def noisy(toy_root: Path):
    """The toy welds with one of their defective images among the 12 good ones."""
    return plant_defects(load_dataset(toy_root, "weld"), 1 / 12, seed=1)


@pytest.fixture(scope="module")
def found(noisy):
    return find_suspects(noisy, most=3)


def test_a_planted_defect_is_the_first_suspect(noisy, found):
    planted = [s for s in noisy.train_good if s.defect != "good"]
    assert [found[0].sample] == planted and found[0].name.startswith("weld/test/")
    scores = np.array([suspect.score for suspect in find_suspects(noisy, most=99)])
    assert len(scores) == 13 and (np.diff(scores) <= 0).all() and [s.score for s in found] == scores[:3].tolist()
    unit = 1.4826 * np.median(np.abs(scores - np.median(scores)))
    assert [s.deviations for s in found] == pytest.approx((scores[:3] - np.median(scores)) / unit)
    assert as_text(found).splitlines()[1].endswith(found[0].name)


def test_the_page_holds_each_suspect_next_to_its_map(found, tmp_path):
    text = write_page({"weld": found}, tmp_path / "page.html").read_text(encoding="utf-8")
    images = re.findall(r'<img alt="([^"]+)" src="data:image/png;base64,([^"]+)"', text)
    assert [name for name, _ in images] == [suspect.name for suspect in found]
    pair = Image.open(io.BytesIO(base64.b64decode(images[0][1])))
    assert pair.size == (256, 128) and "http" not in text
    shown = np.asarray(pair.convert("RGB"), dtype=int)
    assert np.abs(shown[:, :128] - np.asarray(Image.open(found[0].sample.path).convert("RGB"))).max() <= 1
    with pytest.raises(InputError, match="ending must be .html"):
        write_page({"weld": found}, tmp_path / "page.pdf")


def test_large_images_are_shrunk(noisy, tmp_path, monkeypatch):
    monkeypatch.setattr("adlib.inspection.suspects.SIDE", 40)
    assert find_suspects(noisy, most=1)[0].overlay.size == (80, 40)


def test_refuses_too_few(noisy):
    few = replace(noisy, samples=tuple(noisy.train_good[:7]))
    with pytest.raises(InputError, match="weld has 7 good training images, and suspects need at least 8"):
        find_suspects(few)
    with pytest.raises(InputError, match="at least 1, not 0"):
        find_suspects(noisy, most=0)
