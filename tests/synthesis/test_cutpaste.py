"""Patches and scars: where they lie, how large they are, and what they show."""

import sys

import torch

from adlib.synthesis.cutpaste import cutpaste, jittered, scar


def numbered(height: int, width: int) -> torch.Tensor:
    """An image whose first two channels tell row and column of each pixel."""
    rows, columns = torch.meshgrid(torch.linspace(0.3, 0.7, height), torch.linspace(0.3, 0.7, width), indexing="ij")
    return torch.stack([rows, columns, torch.full((height, width), 0.5)])


def test_a_patch_is_a_rectangle_of_the_papers_size_from_the_same_image(monkeypatch):
    monkeypatch.setattr(sys.modules[cutpaste.__module__], "JITTER", 0.0)
    torch.manual_seed(0)
    image, shapes = numbered(60, 90), []
    for _ in range(60):
        made, mask = cutpaste(image)
        assert mask.shape == (1, 60, 90) and mask.dtype == torch.bool
        rows, columns = mask[0].any(1).nonzero().flatten(), mask[0].any(0).nonzero().flatten()
        height, width = len(rows), len(columns)
        assert mask.sum() == height * width  # full: a rectangle that is not turned
        inside = made[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        top = int((inside[0, 0, 0] - 0.3) / 0.4 * 59 + 0.5)
        left = int((inside[1, 0, 0] - 0.3) / 0.4 * 89 + 0.5)
        assert torch.allclose(inside, image[:, top : top + height, left : left + width])  # an exact copy
        assert torch.equal(made[~mask.expand_as(made)], image[~mask.expand_as(made)])
        shapes.append((height * width / (60 * 90), height / width))
    areas, aspects = (torch.tensor(part) for part in zip(*shapes, strict=True))
    assert 0.017 < areas.min() < 0.04 and 0.12 < areas.max() < 0.16
    assert 0.27 < aspects.min() < 0.6 and 1.7 < aspects.max() < 3.6


def test_a_scar_is_thin_turned_and_scales_with_the_image():
    torch.manual_seed(0)
    for side in (256, 128):
        masks = torch.stack([scar(numbered(side, side))[1] for _ in range(60)])
        areas = masks.sum((1, 2, 3)) * (256 / side) ** 2
        assert 5 < areas.min() and 150 < areas.max() < 450  # at most 16 x 25 at 256 pixels
        assert masks.any(3).sum((1, 2)).max() * 256 / side < 30  # no taller than a diagonal
    filled = [float(m.sum() / (m[0].any(1).sum() * m[0].any(0).sum())) for m in masks]
    assert min(filled) < 0.7  # a turned rectangle leaves the corners of its box empty


def test_a_scar_shows_pixels_of_the_image(monkeypatch):
    monkeypatch.setattr(sys.modules[cutpaste.__module__], "JITTER", 0.0)
    torch.manual_seed(1)
    image = numbered(64, 64)
    made, mask = scar(image)
    known = {tuple(pixel) for pixel in image.flatten(1).T.tolist()}
    assert mask.any() and all(tuple(pixel) in known for pixel in made[:, mask[0]].T.tolist())


def test_the_same_seed_gives_the_same_defect():
    for make in (cutpaste, scar):
        torch.manual_seed(3)
        first = make(numbered(40, 40))
        torch.manual_seed(3)
        assert all(torch.equal(a, b) for a, b in zip(first, make(numbered(40, 40)), strict=True))


def test_jitter_changes_colours_by_at_most_a_fifth():
    torch.manual_seed(0)
    image = 0.2 + 0.6 * torch.rand(3, 20, 20)
    changes = torch.stack([(jittered(image) - image).abs().max() for _ in range(50)])
    assert 0.02 < changes.max() < 0.25
    assert 0 <= jittered(torch.ones(3, 4, 4)).min() and jittered(torch.ones(3, 4, 4)).max() <= 1
