"""BTF (Horwitz and Hoshen, 'Back to the Feature', CVPR workshops 2023): a bank of FPFH over point clouds (chapter 13).

The only detector whose input is not an image: `fit` and `predict` take scans, which are arrays (N, 3) or (H, W, 3) in
mm, or anything with `xyz` and perhaps `rgb` (`Cloud`, `DepthSample`). It is therefore not among the methods of the
command line, which read images.

Two differences from the paper. It averages FPFH over squares of pixels of an organised scan; here a cloud is thinned to
one point per cube, which needs no grid. And where FPFH and image features are joined, each is divided here by its
spread over the good scans, so that neither drowns the other: FPFH is in per cent.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from PIL import Image
from scipy.spatial import cKDTree
from torch import Tensor

from adlib.bank.coreset import coreset_size, greedy_coreset
from adlib.bank.memory import PatchBank
from adlib.bank.neighbours import nearest
from adlib.data.clouds import Cloud, as_cloud
from adlib.detectors.base import shared_backbone
from adlib.detectors.learner import Learner
from adlib.detectors.scores import top_share_mean
from adlib.errors import InputError
from adlib.features.backbones import Backbone
from adlib.features.clouds import FPFH_SIZE, cell_means, fpfh, normals, thin
from adlib.features.extract import FeatureSpec, extract
from adlib.features.patches import Preprocess, patch_vectors
from adlib.parallel import one_core_each
from adlib.progress import progress

SPREAD = 4  # a point's score comes from this many of the nearest thinned points


@dataclass(frozen=True)
class CloudPredictions:
    """Scores of N scans.

    scores: (N,) float64, one per scan, higher is more anomalous.
    points: N float32 arrays, one score per point in the scan's own order, (n,) or (H, W); NaN where there is no point.
    """

    scores: np.ndarray
    points: list[np.ndarray]

    def __len__(self) -> int:
        return len(self.scores)


@dataclass(frozen=True)
class _Described:
    """A scan, its thinned points (M, 3) and the vector of each, (M, D)."""

    cloud: Cloud
    centres: np.ndarray
    vectors: Tensor


@dataclass(kw_only=True, eq=False, repr=False)
class BTF(Learner):
    """A bank of FPFH of good scans, with image features of the same points if `colour`; a point is scored by distance.

    points: whether FPFH describe a point.
    colour: whether image features do; needs organised scans with `rgb`.
    voxel: side in mm of the cubes that a cloud is thinned to; every length below refers to thinned points.
    normal_radius: radius in mm of the plane that gives a normal.
    radius: radius in mm of FPFH, larger than that of the normals.
    neighbours: most points that either takes, the nearest, the point itself counted.
    coreset: fraction of the good points to keep, 0 < coreset <= 1.
    top_share: scan score = mean of the highest point scores, this fraction of all, 0 for the maximum.
    seed: of the coreset's first pick.
    backbone, weights, device, precision, layers, resize: of the image features, see `Detector`.
    """

    name: ClassVar[str] = "btf"
    family: ClassVar[str] = "3D memory bank"
    chapter: ClassVar[str] = "13"
    takes: ClassVar[str] = "scans"

    points: bool = True
    colour: bool = False
    voxel: float = 2.0
    normal_radius: float = 4.0
    radius: float = 10.0
    neighbours: int = 100
    coreset: float = 0.1
    top_share: float = 0.01
    seed: int = 0
    backbone: str = "efficientnet_lite0"
    weights: str | None = None
    device: str | None = None
    precision: str = "float32"
    layers: tuple[str, ...] | None = None
    resize: int | None = 256

    def fit(self, scans: Sequence[Any], show_progress: bool = False) -> "BTF":
        """Learn `bank_` (K, D) from good scans, and `scale_` (D,), what a vector is divided by; returns self."""
        self._check()
        if len(scans) == 0:
            raise InputError("There are no scans to fit on; give at least one.")
        bank = PatchBank(len(scans))
        for item in self._described(scans, show_progress, "reference points"):
            bank.append(item.vectors)
        vectors = bank.vectors()
        self.scale_ = self._spreads(vectors)
        vectors = vectors / self.scale_
        kept = greedy_coreset(vectors, coreset_size(len(vectors), self.coreset), self.seed, show_progress=show_progress)
        self.bank_ = vectors[kept]
        return self

    def predict(self, scans: Sequence[Any], show_progress: bool = False) -> CloudPredictions:
        """Scores of scans and of each of their points; raises InputError before `fit`."""
        self._require_fit()
        scored = [self._scored(item) for item in self._described(scans, show_progress, "scoring")]
        return CloudPredictions(np.array([score for score, _ in scored], dtype=np.float64), [p for _, p in scored])

    def network(self) -> Backbone:
        """The frozen backbone of the colours."""
        return shared_backbone(self.backbone, self.weights, self.device, self.precision)

    def learned_device(self) -> torch.device:
        """See `Learner`."""
        return self.network().device if self.colour else torch.device("cpu")

    def weights_sha256(self) -> str | None:
        """See `Learner`."""
        return self.network().weights_sha256 if self.colour else None

    def _check(self) -> None:
        if not (self.points or self.colour):
            raise InputError("btf describes a point by its surroundings, its colour or both: set points or colour.")
        for name in ("voxel", "normal_radius", "radius"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} is a length in mm, more than 0, not {getattr(self, name)}.")
        if self.neighbours < 3:
            raise InputError(f"neighbours must be at least 3, for a plane, not {self.neighbours}.")
        if not 0 <= self.top_share <= 1:
            raise InputError(f"top_share is a fraction of the points, 0 to 1, not {self.top_share}.")

    def _described(self, scans: Sequence[Any], show_progress: bool, label: str) -> Iterator[_Described]:
        bar = progress(total=len(scans), label=label, unit="scan", show=show_progress)
        with bar:
            for item in one_core_each(self._describe, scans):
                yield item
                bar.update()

    def _describe(self, scan: Any) -> _Described:
        """Thin a scan and describe its points, (M, 33), (M, C) or (M, 33 + C)."""
        cloud = as_cloud(scan)
        points = cloud.xyz[cloud.valid]
        centres, row = thin(points, self.voxel)
        parts = [self._shape(centres)] if self.points else []
        parts += [self._colours(cloud, row)] if self.colour else []
        return _Described(cloud, centres, torch.cat([part.to(self.learned_device()) for part in parts], dim=1))

    def _shape(self, centres: np.ndarray) -> Tensor:
        upwards = normals(centres, self.neighbours, self.normal_radius)
        return torch.from_numpy(fpfh(centres, upwards, self.radius, self.neighbours).astype(np.float32))

    def _colours(self, cloud: Cloud, row: np.ndarray) -> Tensor:
        """Mean (M, C) over the pixels of each cube of the patch vector that a pixel is in; row: cube of each point."""
        if not cloud.organised or cloud.rgb is None:
            raise InputError(
                f"colour needs organised scans (H, W, 3) with rgb, and {cloud.name} has none; set colour=False."
            )
        spec = FeatureSpec(tuple(self.layers or self.network().default_layers), self._preprocess())
        (features,) = extract(self.network(), [Image.fromarray(cloud.rgb)], spec)
        vectors, (height, width) = patch_vectors(features.maps)
        _, _, bottom, right = features.frame.seen_box
        y, x = np.nonzero(cloud.valid)
        patch = np.minimum(y * height // bottom, height - 1) * width + np.minimum(x * width // right, width - 1)
        return torch.from_numpy(cell_means(vectors.cpu().numpy()[patch], row).astype(np.float32))

    def _preprocess(self) -> Preprocess:
        return Preprocess(self.resize, multiple=self.network().patch_multiple)

    def _spreads(self, vectors: Tensor) -> Tensor:
        """What each value is divided by, (D,): the root of its part's total variance; 1 where there is one part."""
        if not (self.points and self.colour):
            return vectors.new_ones(vectors.shape[1])
        variance = vectors.var(dim=0, correction=0)
        parts = (variance[:FPFH_SIZE], variance[FPFH_SIZE:])
        return torch.cat([part.sum().sqrt().clamp_min(1e-6).expand(len(part)) for part in parts])

    def _scored(self, item: _Described) -> tuple[float, np.ndarray]:
        distances = nearest(item.vectors / self.scale_, self.bank_)[0][:, 0].cpu()
        points = np.full(item.cloud.valid.shape, np.nan, dtype=np.float32)
        points[item.cloud.valid] = _at_points(distances.numpy(), item.centres, item.cloud.xyz[item.cloud.valid])
        scores = torch.from_numpy(points[item.cloud.valid])
        return float(top_share_mean(scores, self.top_share)), points


def _at_points(scores: np.ndarray, centres: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Scores (M,) of thinned points at all points (N, 3): means of the nearest, weighted by 1 / distance^2."""
    distances, nearby = cKDTree(centres).query(points, k=min(SPREAD, len(centres)))
    distances, nearby = distances.reshape(len(points), -1), nearby.reshape(len(points), -1)
    weights = np.maximum(distances, 1e-3) ** -2.0
    return (weights * scores[nearby]).sum(axis=1) / weights.sum(axis=1)
