"""A small network that describes each point of a cloud by its neighbourhood, a teacher and its student (chapter 13).

In the manner of 3D-ST (Bergmann and Sattlegger, 'Anomaly Detection in 3D Point Clouds using Deep Geometric
Descriptors', WACV 2023), smaller: the teacher learns, on shapes that have nothing to do with the parts, a descriptor
from which a decoder reconstructs the neighbourhood of each point; the student learns to give the teacher's descriptors
on good clouds; a point's score is their distance. Nothing here needs the grid of a camera.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor, nn

from adlib.errors import InputError


@dataclass(frozen=True)
class Cloud:
    """Points in units of `scale`, and their nearest neighbours.

    points: (N, 3).
    neighbours: (N, k) indices of the k nearest other points, the nearest first.
    """

    points: Tensor
    neighbours: Tensor

    @property
    def around(self) -> Tensor:
        """The neighbours' positions relative to their point, (N, k, 3)."""
        return self.points[self.neighbours] - self.points[:, None]


def make_cloud(points: np.ndarray, k: int = 16, scale: float = 1.0) -> Cloud:
    """A cloud with its neighbours.

    points: (N, 3), finite.
    k: number of neighbours, below N.
    scale: unit of length, such as `typical_distance` of the good clouds.
    Raises InputError where a point is not finite and where there are too few points.
    """
    points = np.asarray(points, dtype=np.float64)
    if not np.isfinite(points).all():
        raise InputError("The cloud holds points that are not finite; leave out the holes first.")
    if len(points) <= k:
        raise InputError(f"The cloud has {len(points)} points; {k} neighbours need at least {k + 1}.")
    _, found = cKDTree(points).query(points, k + 1)
    centred = (points - points.mean(axis=0)) / scale
    return Cloud(torch.from_numpy(centred).float(), torch.from_numpy(found[:, 1:]))


def typical_distance(clouds: Sequence[np.ndarray], k: int = 16) -> float:
    """Mean distance of a point to its k nearest neighbours, over all clouds, each (N, 3)."""
    return float(np.mean([cKDTree(points).query(points, k + 1)[0][:, 1:].mean() for points in clouds]))


class Aggregation(nn.Module):
    """One step of local aggregation: each point takes the mean over what its neighbours say.

    A neighbour says its own features and where it is relative to the point: (dx, dy, dz) and their length.

    inputs, outputs: numbers of channels.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.geometry = nn.Sequential(nn.Linear(4, outputs), nn.LeakyReLU(0.2))
        self.mix = nn.Sequential(nn.Linear(inputs + outputs, outputs), nn.LeakyReLU(0.2))

    def forward(self, features: Tensor, around: Tensor, neighbours: Tensor) -> Tensor:
        """(N, inputs), (N, k, 3) and (N, k) -> (N, outputs)."""
        where = self.geometry(torch.cat([around, around.norm(dim=2, keepdim=True)], dim=2))  # (N, k, outputs)
        return self.mix(torch.cat([features[neighbours], where], dim=2)).mean(dim=1)


class PointDescriptor(nn.Module):
    """A descriptor of each point from its neighbours' geometric differences: two aggregations and a linear layer.

    width: channels of the descriptor.
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.first, self.second = Aggregation(0, width), Aggregation(width, width)
        self.last = nn.Linear(2 * width, width)

    def forward(self, cloud: Cloud) -> Tensor:
        """(N, width)."""
        around = cloud.around
        near = self.first(around.new_zeros(len(around), 0), around, cloud.neighbours)
        far = self.second(near, around, cloud.neighbours)
        return self.last(torch.cat([near, far], dim=1))


def chamfer(one: Tensor, other: Tensor) -> Tensor:
    """Chamfer distance of each pair of point sets: mean squared distance to the nearest point, both ways.

    one: (B, m, 3).
    other: (B, n, 3).
    Returns (B,).
    """
    squared = (one[:, :, None] - other[:, None]).square().sum(dim=3)  # (B, m, n)
    return squared.amin(dim=2).mean(dim=1) + squared.amin(dim=1).mean(dim=1)


@dataclass
class Teacher:
    """A descriptor network and the mean and spread of its outputs on good clouds.

    network: frozen.
    mean, spread: (width,) each.
    """

    network: PointDescriptor
    mean: Tensor
    spread: Tensor

    @torch.no_grad()
    def __call__(self, cloud: Cloud) -> Tensor:
        """Standardised descriptors, (N, width)."""
        return (self.network(cloud) - self.mean) / self.spread


def learn_teacher(
    shapes: Sequence[Cloud], good: Sequence[Cloud], *, steps: int = 300, width: int = 32, seed: int = 0
) -> tuple[Teacher, list[float]]:
    """Learn descriptors from which a decoder reconstructs each point's neighbourhood, on shapes unrelated to the parts.

    shapes: clouds to learn from, of the same unit and k as the good ones.
    good: good clouds, for the mean and spread of the outputs only.
    steps: updates, each on one shape; 0 for a network of random weights.
    width: channels of the descriptor.
    seed: of the weights and the order of the shapes.
    Returns the teacher and the Chamfer distance of each step.
    """
    torch.manual_seed(seed)
    network, k = PointDescriptor(width), shapes[0].neighbours.shape[1]
    decoder = nn.Sequential(nn.Linear(width, 4 * width), nn.LeakyReLU(0.2), nn.Linear(4 * width, 3 * k))

    def loss(cloud: Cloud) -> Tensor:
        return chamfer(decoder(network(cloud)).reshape(-1, k, 3), cloud.around).mean()

    losses = _train([*network.parameters(), *decoder.parameters()], loss, shapes, steps)
    network.requires_grad_(False)
    outputs = torch.cat([network(cloud) for cloud in good])
    return Teacher(network, outputs.mean(dim=0), outputs.std(dim=0).clamp_min(1e-6)), losses


def learn_student(
    teacher: Teacher, good: Sequence[Cloud], *, steps: int = 300, seed: int = 0
) -> tuple[PointDescriptor, list[float]]:
    """Learn to give the teacher's standardised descriptors on good clouds.

    teacher: from `learn_teacher`.
    good: clouds to learn from.
    steps: updates, each on one cloud; 0 for an untrained student.
    seed: of the weights and the order of the clouds.
    Returns the student and the mean squared error of each step.
    """
    torch.manual_seed(seed + 1000)  # not the teacher's weights of the same seed
    student = PointDescriptor(len(teacher.mean))
    wanted = {id(cloud): teacher(cloud) for cloud in good}

    def loss(cloud: Cloud) -> Tensor:
        return (student(cloud) - wanted[id(cloud)]).square().mean()

    losses = _train(list(student.parameters()), loss, good, steps)
    return student.requires_grad_(False), losses


def student_error(teacher: Teacher, student: PointDescriptor, cloud: Cloud) -> np.ndarray:
    """Each point's score, (N,): the mean squared difference between student and teacher."""
    return (student(cloud) - teacher(cloud)).square().mean(dim=1).numpy()


def _train(
    parameters: list[nn.Parameter], loss: Callable[[Cloud], Tensor], clouds: Sequence[Cloud], steps: int
) -> list[float]:
    """One cloud a step, in random order, with a learning rate that falls to 0. Returns the losses."""
    optimiser = torch.optim.Adam(parameters, lr=3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=max(steps, 1) + 1)
    losses: list[float] = []
    for _ in range(steps):
        value = loss(clouds[int(torch.randint(len(clouds), ()))])
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        schedule.step()
        losses.append(value.item())
    return losses
