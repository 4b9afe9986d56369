"""From an image to network input, from feature maps to patch vectors, and from patch scores to pixel maps.

Three parts that must agree on geometry: `Preprocess` resizes and crops an image, `Frame` records the part of it that
the network saw, so that every anomaly map can be given in ORIGINAL pixel coordinates, and `patch_vectors` turns feature
maps into one vector per patch (PatchCore: Roth et al. 2022, sec. 3.1; chapters 06 and 20; AnomalyDINO: Damm et al.
2025, sec. 3.1; chapter 21).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from scipy.ndimage import gaussian_filter
from torch import Tensor

from adlib.errors import InputError, check_choice

ASPECTS = ("keep", "square")
INTERPOLATIONS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
POOLINGS = ("mean", "official")
JOINS = {"repeat": "nearest", "interpolate": "bilinear"}  # in the words of `F.interpolate`


@dataclass(frozen=True)
class Frame:
    """The part of an image that the network saw. Sizes are (height, width) in pixels.

    original: size of the image.
    resized: size after resizing.
    top, left: offset of the crop in the resized image.
    seen: size of the network's input.
    centred: whether it is a centre crop.
    """

    original: tuple[int, int]
    resized: tuple[int, int]
    top: int
    left: int
    seen: tuple[int, int]
    centred: bool

    def network_map(self, grid: np.ndarray, sigma: float) -> np.ndarray:
        """Patch scores (h, w) -> float32 map of the network's input: bilinear, then a Gaussian of `sigma` pixels."""
        return _smooth(_upsample(grid, self.seen), sigma)

    def highest(self, grid: Tensor, sigma: float) -> float:
        """Highest value of `network_map`: the image score of methods that smooth before the maximum."""
        return self.network_map(grid.cpu().numpy(), sigma).max()

    def original_map(self, grid: np.ndarray, sigma: float, smooth_original: bool, stretch: bool = False) -> np.ndarray:
        """Patch scores (h, w) -> float32 map in original pixels; NaN outside a centre crop.

        grid: patch scores.
        sigma: standard deviation of the Gaussian, in pixels.
        smooth_original: whether sigma is in original pixels (AnomalyDINO) or in the network's (PatchCore).
        stretch: whether the grid is laid over the whole image instead of the part that the network saw.
        """
        box = (0, 0, *self.original) if stretch else self.seen_box
        size = (box[2] - box[0], box[3] - box[1])
        if smooth_original:
            inside = _smooth(_upsample(grid, size), sigma)
        else:
            inside = _upsample(self.network_map(grid, sigma), size)
        if size == self.original:
            return inside
        # A strip lost because sides must be multiples of the patch gets its nearest neighbour's values; what a centre
        # crop cut away was never seen.
        filler = {"mode": "constant", "constant_values": np.nan} if self.centred else {"mode": "edge"}
        (height, width), (top, left, bottom, right) = self.original, box
        return np.pad(inside, ((top, height - bottom), (left, width - right)), **filler)

    def as_tensor(self) -> Tensor:
        """(9,) float32, for a cache; `from_tensor` is the inverse."""
        numbers = [*self.original, *self.resized, self.top, self.left, *self.seen, self.centred]
        return torch.tensor(numbers, dtype=torch.float32)

    @classmethod
    def from_tensor(cls, values: Tensor) -> "Frame":
        """The frame that `as_tensor` wrote."""
        height, width, h, w, top, left, seen_h, seen_w, centred = (int(v) for v in values.tolist())
        return cls((height, width), (h, w), top, left, (seen_h, seen_w), bool(centred))

    @property
    def seen_box(self) -> tuple[int, int, int, int]:
        """(top, left, bottom, right) of what the network saw, in original pixels."""
        scale_y, scale_x = self.original[0] / self.resized[0], self.original[1] / self.resized[1]
        bottom, right = self.top + self.seen[0], self.left + self.seen[1]
        return (
            round(self.top * scale_y),
            round(self.left * scale_x),
            round(bottom * scale_y),
            round(right * scale_x),
        )


def _upsample(grid: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    grid = torch.as_tensor(np.asarray(grid, dtype=np.float32))[None, None]
    return F.interpolate(grid, size=size, mode="bilinear", align_corners=False)[0, 0].numpy()


def _smooth(values: np.ndarray, sigma: float) -> np.ndarray:
    return gaussian_filter(values, sigma) if sigma > 0 else values


@dataclass(frozen=True)
class Preprocess:
    """How an image becomes network input: resize, then crop.

    resize: pixels of the shorter side (aspect "keep") or of both sides (aspect "square"); None keeps the size.
    crop: side of a centre crop in pixels, None for none. It hides the border from the detector; see `Frame`.
    aspect: "keep" or "square".
    interpolation: "bilinear" or "bicubic".
    multiple: sides are cut at the bottom and right to multiples of this (14 for DINOv2's patches).
    Raises InputError for invalid values.
    """

    resize: int | None = 256
    crop: int | None = None
    aspect: str = "keep"
    interpolation: str = "bilinear"
    multiple: int = 1

    def __post_init__(self) -> None:
        check_choice("aspect", self.aspect, ASPECTS)
        check_choice("interpolation", self.interpolation, INTERPOLATIONS)
        for name, value in (("resize", self.resize), ("crop", self.crop)):
            if value is not None and value < 16:
                raise InputError(f"{name} must be at least 16 pixels, not {value}.")
        if self.crop is not None and self.resize is not None and self.crop > self.resize:
            raise InputError(f"crop ({self.crop}) cannot be larger than resize ({self.resize}).")

    def __call__(self, image: Image.Image) -> tuple[Tensor, Frame]:
        """RGB image -> (3, h, w) float32 in [0, 1] and the frame that maps it back to the image.

        Raises InputError as `frame` does.
        """
        frame = self.frame(image.height, image.width)
        if frame.resized != frame.original:
            # PIL's filters are antialiased when they shrink, as in both official codes.
            image = image.resize(frame.resized[::-1], INTERPOLATIONS[self.interpolation])
        (height, width), top, left = frame.seen, frame.top, frame.left
        pixels = np.asarray(image)[top : top + height, left : left + width]
        return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))).float().div_(255), frame

    def frame(self, height: int, width: int) -> Frame:
        """The part of an image of this size, in pixels, that the network sees.

        Raises InputError where the image is too narrow for one patch.
        """
        resized = self._resized_size(height, width)
        top = left = 0
        seen = resized
        if self.crop is not None:
            seen = (min(self.crop, resized[0]), min(self.crop, resized[1]))
            top, left = round((resized[0] - seen[0]) / 2), round((resized[1] - seen[1]) / 2)
        seen = (seen[0] // self.multiple * self.multiple, seen[1] // self.multiple * self.multiple)
        if 0 in seen:
            raise InputError(
                f"An image of {width} x {height} pixels becomes {resized[1]} x {resized[0]} and holds no patch "
                f"of {self.multiple} pixels; choose a larger resize."
            )
        return Frame((height, width), resized, top, left, seen, centred=self.crop is not None)

    def mask(self, mask: np.ndarray, frame: Frame) -> np.ndarray:
        """Defect mask (H, W) bool -> the network's frame (h, w) bool; True where a pixel is entirely defect."""
        image = Image.fromarray(mask.astype(np.uint8) * 255)
        if frame.resized != frame.original:
            image = image.resize(frame.resized[::-1], INTERPOLATIONS[self.interpolation])
        (height, width), top, left = frame.seen, frame.top, frame.left
        return np.asarray(image)[top : top + height, left : left + width] == 255

    def _resized_size(self, height: int, width: int) -> tuple[int, int]:
        if self.resize is None:
            return height, width
        if self.aspect == "square":
            return self.resize, self.resize
        if height <= width:
            return self.resize, max(1, int(self.resize * width / height))
        return max(1, int(self.resize * height / width)), self.resize


def grid_size(maps: Mapping[str, Tensor]) -> tuple[int, int]:
    """(h, w) of the finest of several feature maps."""
    return max((tuple(m.shape[1:]) for m in maps.values()), key=lambda size: size[0] * size[1])


def whole_image_vector(maps: Mapping[str, Tensor]) -> Tensor:
    """(D,) float32: the mean of each layer over its positions, layers one after another.

    maps: layer -> (C, h, w); D is the sum of C over the layers.
    """
    return torch.cat([features.flatten(1).mean(dim=1) for features in maps.values()])


def patch_vectors(
    maps: Mapping[str, Tensor],
    neighbourhood: int = 3,
    pooling: str = "mean",
    dims: int = 1024,
    join: str = "interpolate",
) -> tuple[Tensor, tuple[int, int]]:
    """Feature maps of one image -> one vector per patch, on the grid of the finest map.

    maps: layer name -> (C, h, w), in the order in which they are stacked.
    neighbourhood: odd side p of the window around each patch (PatchCore's 'locally aware patch').
    pooling: "mean" is the window's mean, with zeros outside the map, as in the official code: border patches are
        damped, and that matters (see benchmarks/README.md); D is the sum of C over the layers. "official" is what
        patchcore-inspection computes: the C x p x p values of the zero-padded window are pooled adaptively to `dims`,
        then the layers are stacked and pooled again to `dims`.
    dims: D with "official" pooling.
    join: how a coarser map is brought to the finest grid. "interpolate" is bilinear (PatchCore). "repeat" gives each of
        its cells to all cells of the finest grid that it covers (PaDiM): row i of h takes row floor(i * h' / h) of a
        map with h' rows, likewise columns, so that cells straddling two coarse cells take the upper left one.
    Returns vectors (h * w, D) float32, row by row, and (h, w).
    Raises InputError for an even or negative window, an unknown pooling and an unknown join.
    """
    if neighbourhood < 1 or neighbourhood % 2 == 0:
        raise InputError(f"neighbourhood must be an odd number of at least 1, not {neighbourhood}.")
    check_choice("pooling", pooling, POOLINGS)
    check_choice("join", join, JOINS)
    grid = grid_size(maps)
    pool = _mean_window if pooling == "mean" else _official_window
    layers = [_to_grid(pool(m, neighbourhood, dims), grid, join) for m in maps.values()]
    if pooling == "mean":
        return torch.cat(layers).flatten(1).T.contiguous(), grid
    stacked = torch.stack(layers).flatten(2).permute(2, 0, 1)  # (patches, layers, dims)
    return F.adaptive_avg_pool1d(stacked.flatten(1)[:, None], dims)[:, 0].contiguous(), grid


def _mean_window(features: Tensor, side: int, _dims: int) -> Tensor:
    if side == 1:
        return features
    return F.avg_pool2d(features[None], side, stride=1, padding=side // 2)[0]


def _official_window(features: Tensor, side: int, dims: int) -> Tensor:
    _, height, width = features.shape
    windows = F.unfold(features[None], side, padding=side // 2)[0].T  # (patches, C * side * side)
    pooled = F.adaptive_avg_pool1d(windows[:, None], dims)[:, 0]
    return pooled.T.reshape(dims, height, width)


def _to_grid(features: Tensor, grid: tuple[int, int], join: str) -> Tensor:
    if tuple(features.shape[1:]) == grid:
        return features
    return F.interpolate(features[None], size=grid, mode=JOINS[join])[0]
