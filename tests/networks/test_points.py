"""A cloud's neighbours, the Chamfer distance, and what teacher and student learn."""

import numpy as np
import pytest
import torch

from adlib.errors import InputError
from adlib.networks.points import (
    PointDescriptor,
    chamfer,
    learn_student,
    learn_teacher,
    make_cloud,
    student_error,
    typical_distance,
)


def surface(seed, side=18, bump=0.0):
    """Points of a gently curved surface, with a sharp bump in its middle."""
    x, y = np.meshgrid(np.arange(side, dtype=float), np.arange(side, dtype=float))
    rng = np.random.default_rng(seed)
    a, b = rng.uniform(-0.5, 0.5, 2)
    z = np.sin(0.3 * x + a) + np.cos(0.3 * y + b) + bump * np.exp(-((x - 9) ** 2 + (y - 9) ** 2) / 3)
    return np.stack([x, y, z], axis=-1).reshape(-1, 3)


def wild(seed, side=18):
    rng = np.random.default_rng(seed)
    flat = surface(seed, side)
    flat[:, 2] += sum(
        rng.normal() * 3 * np.exp(-((flat[:, :2] - rng.uniform(0, side, 2)) ** 2).sum(1) / 6) for _ in range(8)
    )
    return flat


def test_neighbours_are_the_nearest_other_points():
    points = np.random.default_rng(0).normal(size=(40, 3))
    cloud = make_cloud(points, k=5, scale=2.0)
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    assert np.array_equal(cloud.neighbours.numpy(), distances.argsort(axis=1)[:, :5])
    near = cloud.around.norm(dim=2).numpy()
    assert near == pytest.approx(np.sort(distances, axis=1)[:, :5] / 2, rel=1e-4)
    assert typical_distance([points], 5) == pytest.approx(np.sort(distances, axis=1)[:, :5].mean())


def test_clouds_that_no_network_can_read_are_refused():
    with pytest.raises(InputError, match="not finite"):
        make_cloud(np.array([[0, 0, np.nan]] * 20), k=4)
    with pytest.raises(InputError, match="at least 5"):
        make_cloud(np.zeros((4, 3)), k=4)


def test_chamfer_is_its_definition():
    rng = torch.Generator().manual_seed(0)
    one, other = torch.randn(2, 4, 3, generator=rng), torch.randn(2, 6, 3, generator=rng)
    for a, b, found in zip(one, other, chamfer(one, other), strict=True):
        there = sum(min(((p - q) ** 2).sum() for q in b) for p in a) / 4
        back = sum(min(((p - q) ** 2).sum() for p in a) for q in b) / 6
        assert found.item() == pytest.approx((there + back).item(), rel=1e-5)
    assert chamfer(one, one).abs().max() < 1e-6


def test_a_descriptor_does_not_depend_on_the_place_or_the_order_of_the_points():
    points = surface(0) + np.random.default_rng(1).normal(0, 0.1, (18 * 18, 3))  # no two distances are equal
    order, network = np.random.default_rng(0).permutation(len(points)), PointDescriptor(8).requires_grad_(False)
    found = network(make_cloud(points, 8))
    assert torch.allclose(network(make_cloud(points + [5, 6, 7], 8)), found, atol=1e-4)
    assert torch.allclose(network(make_cloud(points[order], 8)), found[torch.from_numpy(order)], atol=1e-4)


def test_teacher_and_student_learn_and_a_bump_scores_higher_than_untrained():
    unit = typical_distance([surface(0)], 8)
    good, shapes = [make_cloud(surface(s), 8, unit) for s in range(6)], [make_cloud(wild(s), 8, unit) for s in range(6)]
    teacher, losses = learn_teacher(shapes, good, steps=80, width=16)
    assert np.mean(losses[-10:]) < 0.5 * np.mean(losses[:5])
    outputs = torch.cat([teacher(cloud) for cloud in good])
    assert outputs.mean().abs() < 1e-3 and outputs.std().item() == pytest.approx(1, abs=0.02)
    defective = make_cloud(surface(9, bump=4.0), 8, unit)
    middle = (np.abs(surface(9)[:, :2] - 9) < 2).all(axis=1)
    ratios = []
    for steps in (0, 150):
        student, errors = learn_student(teacher, good, steps=steps)
        scores = student_error(teacher, student, defective)
        ratios.append(scores[middle].mean() / scores[~middle].mean())
        assert len(errors) == steps and scores.shape == (len(middle),)
    assert errors[-1] < 0.3 * errors[0]
    assert ratios[1] > 2 * ratios[0]
