"""A fitted detector as an ONNX graph: the detector's own `_score`, traced on one image.

Nothing is written a second time for the graph, except where the library's code branches on values, which a graph
cannot: the search of `adlib.bank.neighbours`, and the smoothing of `Frame`, which is scipy's.
"""

import io
import warnings
from dataclasses import dataclass
from inspect import signature

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adlib.detectors.base import Detector
from adlib.errors import InputError
from adlib.features.extract import ImageFeatures
from adlib.features.pixels import PIXELS

OPSET = 18
INPUT, SCORE, PATCH_MAP = "image", "score", "patch_map"  # names in the graph
LARGEST = 2 * 10**9  # bytes; a file of Protocol Buffers ends at 2 GiB
# torch's newer exporter took more than a minute where tracing takes one second; before torch 2.5 there was no choice.
TRACING = {"dynamo": False} if "dynamo" in signature(torch.onnx.export).parameters else {}
TRUNCATE = 4.0  # standard deviations at which scipy cuts its Gaussian off


@dataclass(frozen=True)
class GraphFrame:
    """The part of `Frame` that a score needs, as operations of a graph. seen: (height, width) of the input."""

    seen: tuple[int, int]

    def highest(self, grid: Tensor, sigma: float) -> Tensor:
        """() as `Frame.highest`: bilinear to the input's size, Gaussian, maximum."""
        values = F.interpolate(grid[None, None], size=self.seen, mode="bilinear", align_corners=False)
        return smooth(values, sigma).max()


def smooth(values: Tensor, sigma: float) -> Tensor:
    """scipy's `gaussian_filter` in its mode "reflect": (1, 1, h, w) of any size -> the same shape.

    values: the map.
    sigma: standard deviation in cells, 0 for none.
    """
    if sigma <= 0:
        return values
    radius = int(TRUNCATE * sigma + 0.5)
    weights = torch.exp(-0.5 * (torch.arange(-radius, radius + 1, dtype=torch.float64) / sigma) ** 2)
    weights = (weights / weights.sum()).to(values.dtype)
    rows = F.conv2d(_reflected(values, 2, radius), weights.reshape(1, 1, -1, 1))
    return F.conv2d(_reflected(rows, 3, radius), weights.reshape(1, 1, 1, -1))


def _reflected(values: Tensor, axis: int, radius: int) -> Tensor:
    """`radius` cells more at both ends of an axis, mirrored with the edge repeated, as often as the axis is short."""
    side = values.shape[axis]
    places = torch.remainder(torch.arange(-radius, side + radius), 2 * side)
    return values.index_select(axis, torch.minimum(places, 2 * side - 1 - places))


class Scoring(nn.Module):
    """Network input (1, 3, h, w) -> image score (1,) and patch scores (1, rows, columns), float32. detector: fitted."""

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector, self.layers = detector, detector.spec().layers
        # Registered, so that the tracer finds their weights.
        self.backbone, self.network = detector.network(), getattr(detector, "network_", None)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        computed = [layer for layer in self.layers if layer != PIXELS]
        maps = {PIXELS: image} | (self.backbone.maps(image, computed) if computed else {})
        maps = {layer: maps[layer][0] for layer in self.layers}
        score, grid = self.detector._score(ImageFeatures(maps, GraphFrame(image.shape[2:]), "", "the image"))
        return score.float().reshape(1), grid.float()[None]


def fixed_size(detector: Detector) -> tuple[int, int] | None:
    """(height, width) where preprocessing brings every image to one size, else None."""
    preprocess = detector.spec().preprocess
    if preprocess.aspect != "square" or preprocess.resize is None:
        return None
    side = (preprocess.crop or preprocess.resize) // preprocess.multiple * preprocess.multiple
    return side, side


def to_onnx(detector: Detector) -> bytes:
    """The content of an ONNX file that scores one image, height and width free unless `fixed_size` says otherwise.

    detector: fitted, on the CPU.
    Raises InputError with the reason where the detector cannot be written as a graph.
    """
    if reason := refusal(detector):
        raise InputError(f"{detector.name} cannot be exported to ONNX: {reason}.")
    size, multiple = fixed_size(detector), detector.spec().preprocess.multiple
    free_size = (131 // multiple * multiple, 173 // multiple * multiple)
    free = None if size else {INPUT: {2: "height", 3: "width"}, PATCH_MAP: {1: "rows", 2: "columns"}}
    # Sides of which no stride is a divisor, and that differ: nothing about the example may pass for a rule.
    example = torch.rand(
        1,
        3,
        *(size or free_size),
        generator=torch.Generator().manual_seed(0),
    )
    content = io.BytesIO()
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the tracer about branches on shapes; the comparison judges the result
            torch.onnx.export(
                Scoring(detector).eval(),
                (example,),
                content,
                input_names=[INPUT],
                output_names=[SCORE, PATCH_MAP],
                dynamic_axes=free,
                opset_version=OPSET,
                **TRACING,
            )
    except InputError:
        raise
    except Exception as error:  # torch has no common class for what its tracer and its operators raise
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise InputError(f"{detector.name} cannot be exported to ONNX: {reason}.") from error
    return content.getvalue()


def refusal(detector: Detector) -> str:
    """Why a fitted detector cannot be exported, without its full stop; empty where it may be tried."""
    network = detector.network()
    if reason := detector.onnx_refusal():
        return reason
    if network.kind == "vit" and not network.has_position_embedding:
        return "its rotary positions are computed for the size of each image"
    if network.precision != "float32":
        return f"it computes in {network.precision}; fit it with precision float32"
    size = sum(value.numel() * value.element_size() for value in (*detector.learned_tensors(), *network.parameters()))
    if size > LARGEST:
        return f"it takes {size / 1e9:.1f} GB, and an ONNX file holds 2 GB; fit it on fewer images or with a coreset"
    return ""
